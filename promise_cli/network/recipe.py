"""Presets: the paper's recipe, the authors' code, the rows of Table 2, and a small one for a laptop.

They differ in `ModelConfig` and `TrainConfig` alone. What the user changes between runs are options of
`promise-train`; the rest is a field here, with the paper's choice as default.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from promise_cli.errors import PlanError
from promise_cli.network.promise.config import (
    ALIASES,
    PRESETS,
    RECOMMENDED,
    ModelConfig,
    model_config,
)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and options of `losses.total_loss`; the defaults are the paper's (section 2).

    Raises:
        ValueError: A negative weight, or a kernel without a centre.
    """

    dice_weight: float = 1.0
    """Of the soft Dice loss."""
    cross_entropy_weight: float = 1.0
    """Of the cross-entropy."""
    boundary_weight: float = 10.0
    """Of the boundary-aware loss; 0 leaves it out."""
    boundary_kernel: tuple[int, int, int] = (5, 5, 5)
    """Voxels along i, j, k that boundary maps average over; the authors' code takes 1, 5, 5."""
    boundary_border: Literal["ignored", "counted"] = "ignored"
    """`counted` averages over zeros outside the patch too, as the authors' code does."""
    boundary_channels: Literal["foreground", "both"] = "foreground"
    """`both` also compares the background's boundary map, as the authors' code does."""
    boundary_without_foreground: bool = False
    """Also where a patch holds no foreground; the authors' code leaves the boundary out there."""

    def __post_init__(self) -> None:
        weights = (self.dice_weight, self.cross_entropy_weight, self.boundary_weight)
        if min(weights) < 0:
            raise ValueError(f"the loss weights {weights} must not be negative")
        if any(edge < 1 or edge % 2 == 0 for edge in self.boundary_kernel):
            raise ValueError(f"boundary_kernel {self.boundary_kernel} must have odd edges")

    @classmethod
    def reference(cls) -> "LossConfig":
        """What the authors' code does.

        It pools (5, 5, 1) over arrays (D, H, W), which are our k, j, i.
        """
        return cls(
            dice_weight=0.5,
            cross_entropy_weight=0.5,
            boundary_weight=10.0,
            boundary_kernel=(1, 5, 5),
            boundary_border="counted",
            boundary_channels="both",
        )


__all__ = ["PRESETS", "AugmentConfig", "TrainConfig", "preset"]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Chances and ranges (paper, section 3: random flip, rotation, zoom and intensity shift)."""

    flip_chance: float = 0.5
    """Of each axis on its own."""
    rotate_chance: float = 0.3
    max_degrees: float = 30.0
    quarter_turn_chance: float = 0.5
    quarter_turn_plane: Literal["ij", "jk", "ik"] = "ij"
    """Axes of the quarter turns: the axial plane (the authors' code: jk)."""
    zoom_chance: float = 0.3
    zoom_range: tuple[float, float] = (0.9, 1.1)
    shift_chance: float = 0.5
    max_shift_hu: float = 20.0
    """Of a scan without HU: the same share of its standard deviation as 20 HU are of 64 HU."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a network is trained; saved as `config.json` in the run."""

    epochs: int = 200
    learning_rate: float = 4e-4
    """AdamW's at the first epoch; falls linearly to zero at `epochs`, 2e-6 an epoch for the paper's 200."""
    decay_horizon: int | None = None
    """Epochs over which the learning rate falls, where not `epochs` (the authors' code: 500)."""
    final_learning_rate_share: float = 0.0
    """Of the first learning rate, at the end of the horizon (the authors' code: 0.01)."""
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    """Largest L2 norm of the gradient."""
    batch_size: int = 1
    """Samples at once on one device."""
    accumulate: int = 1
    """Batches whose gradients make one step of the optimiser."""
    patches_per_case: int = 1
    """In one epoch."""
    foreground_share: float = 0.5
    """Chance that a patch's centre is foreground (paper: equally likely; the authors' code: 2/3)."""
    centre_jitter: float = 0.0
    """Largest distance, per axis, of the chosen voxel from the patch's centre, in edges of the patch (the authors'
    code: 13 of 128 voxels)."""
    num_foreground_clicks: int = 10
    num_background_clicks: int = 10
    repeat_clicks: bool = False
    """Draw clicks with repetition, as the authors' code does."""
    vary_clicks: bool = False
    """Draw the number of foreground clicks from 1 to `num_foreground_clicks`, to meet one click in training too."""
    vary_background_clicks: bool = False
    """Likewise from 0 to `num_background_clicks`, to meet a scan without any."""
    corrections: int = 0
    """Most further clicks of a sample, each in the middle of the largest part that the answer so far misses or adds."""
    first_answer_weight: float = 0.0
    """In the loss of a sample with corrections: of the answer to its first clicks, beside that after all of them."""
    background_clicks: Literal["background", "anywhere"] = "background"
    """Where background clicks fall (the authors' code: anywhere, the target included)."""
    validation_patches: int = 1
    """Per validation case: fixed, each round one seeded click."""
    validation_clicks: int = 1
    """Foreground clicks on each validation patch: one, as at test (the authors' code: 10)."""
    validate_every: int = 1
    """Epochs."""
    predict_with: Literal["best", "final"] = "best"
    """Of which epoch the network for prediction is: of that with the best validation Dice, as in the paper, or, beyond
    it and as nnU-Net has it, of the last."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the products; `auto` is decided when the run starts, by what the device multiplies fast."""
    checkpoint_activations: bool = False
    """Recompute each block in the backward pass: a fraction of the memory for a third more time."""
    compile: bool = False
    """Let `torch.compile` fuse the network's operations."""
    loss: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        counts = (
            "epochs",
            "batch_size",
            "accumulate",
            "patches_per_case",
            "validate_every",
            "validation_clicks",
            "num_foreground_clicks",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, found {getattr(self, name)}")
        for name in ("num_background_clicks", "corrections"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, found {getattr(self, name)}")
        if not 0 <= self.foreground_share <= 1:
            raise ValueError(
                f"foreground_share must lie between 0 and 1, found {self.foreground_share}"
            )
        if not 0 <= self.first_answer_weight <= 1:
            raise ValueError(
                f"first_answer_weight must lie between 0 and 1, found {self.first_answer_weight}"
            )
        if not 0 <= self.centre_jitter < 0.5:
            raise ValueError(
                f"centre_jitter must be at least 0 and less than 0.5 edges of the patch, found {self.centre_jitter}"
            )
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, found {self.learning_rate}")

    def learning_rate_at(self, epoch: int) -> float:
        """Of an epoch counted from 0 (paper, section 3)."""
        share = min(1.0, epoch / (self.decay_horizon or self.epochs))
        return self.learning_rate * (1 - (1 - self.final_learning_rate_share) * share)


def preset(name: str) -> tuple[ModelConfig, TrainConfig]:
    """The network and the recipe that a preset names.

    Raises:
        PlanError: No such preset.
    """
    if name not in PRESETS:
        raise PlanError(f"--preset {name}: unknown; use one of {', '.join(PRESETS)}")
    return model_config(name), _train_config(ALIASES.get(name, name))


PLAIN_PRESETS = ("paper", "tiny")
"""Presets that mean something for other networks than ProMISe; the others are variants of it."""
TINY_PATCH = model_config("tiny").patch_size


def plain_preset(name: str, network: str, *, clicks: bool) -> TrainConfig:
    """The recipe for a network beside ProMISe: the preset's, with the loss that all of them were published with.

    As with nnU-Net, the network of the last epoch is for prediction.

    Args:
        name: `paper`, or `tiny` for a small network.
        network: Its name, for messages.
        clicks: Whether clicks enter as a channel; their number then varies, since the network sees each of them in the
            image and must not take ten for a rule.

    Raises:
        PlanError: The preset is unknown, or a variant of ProMISe.
    """
    preset(name)
    if name not in PLAIN_PRESETS:
        raise PlanError(
            f"--preset {name}: a variant of promise; with --network {network} use {' or '.join(PLAIN_PRESETS)}"
        )
    config = _train_config(name)
    return dataclasses.replace(
        config,
        loss=dataclasses.replace(config.loss, boundary_weight=0.0),
        # torch convolves a single small volume on the CPU by a slow kernel (`model.convolution`)
        batch_size=2 if name == "tiny" else config.batch_size,
        vary_clicks=clicks,
        vary_background_clicks=clicks,
        predict_with="final",
    )


def _train_config(name: str) -> TrainConfig:
    paper = TrainConfig()
    if name == "tiny":
        return dataclasses.replace(
            paper,
            epochs=40,
            learning_rate=1e-3,
            patches_per_case=2,
            vary_clicks=True,
            vary_background_clicks=True,
            validation_patches=4,
            validate_every=5,
        )
    if name == RECOMMENDED:
        # Corrections teach a network to heed its clicks (docs/results.md); the target lies as far off the middle as
        # in the authors' code.
        return dataclasses.replace(
            paper,
            foreground_share=1.0,
            centre_jitter=0.1,
            num_foreground_clicks=1,
            num_background_clicks=0,
            corrections=3,
            # Otherwise maps of the clicks in the head, which heed corrections early, cost some of the first answer.
            first_answer_weight=0.5,
            # The best of a few validation cases was an early network that did not heed its clicks yet.
            predict_with="final",
        )
    if name == "reference":
        return dataclasses.replace(
            paper,
            decay_horizon=500,
            final_learning_rate_share=0.01,
            foreground_share=2 / 3,
            centre_jitter=13 / 128,
            num_background_clicks=20,
            background_clicks="anywhere",
            repeat_clicks=True,
            validation_clicks=10,
            precision="fp32",
            loss=LossConfig.reference(),
            augment=AugmentConfig(quarter_turn_plane="jk"),
        )
    if name in ("baseline-3dsam", "two-adapters", "up-conv", "promise-r", "promise-c"):
        return dataclasses.replace(paper, loss=dataclasses.replace(paper.loss, boundary_weight=0.0))
    return paper
