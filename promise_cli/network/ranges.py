"""Ranges of the numbers of a recipe. Larger ones would fill the memory, or would never end."""

from promise_cli.prompts.click import MOST_CLICKS

MOST_EPOCHS = 10_000_000
RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, MOST_EPOCHS),
    "batch_size": (1, 10_000),
    "accumulate": (1, 1_000_000),
    "patches_per_case": (1, 100_000),
    "validate_every": (1, MOST_EPOCHS),
    "validation_patches": (0, 100_000),
    "validation_clicks": (1, MOST_CLICKS),
    "num_foreground_clicks": (1, MOST_CLICKS),
    "num_background_clicks": (0, MOST_CLICKS),
    "corrections": (0, MOST_CLICKS),
    "decay_horizon": (1, MOST_EPOCHS),
    "foreground_share": (0, 1),
    "first_answer_weight": (0, 1),
    "final_learning_rate_share": (0, 1),
    "learning_rate": (0, 1000),
    "weight_decay": (0, 1_000_000),
    "gradient_clip": (1e-30, 1e30),
}
"""Least and largest value of the numbers of a recipe. A number that is None is not checked."""


def check_range(name: str, found: float, least: float, most: float) -> None:
    """Raise ValueError if a number is outside its range."""
    if (least, most) == (0, 1) and not 0 <= found <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, found {found}")
    if not found >= least:
        raise ValueError(f"{name} must be at least {least:.10g}, found {found}")
    if not found <= most:
        raise ValueError(f"{name} must be at most {most:.10g}, found {found}")
