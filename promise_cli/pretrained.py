"""Where the encoder's pretrained weights come from: a path, the workspace's weights/, or the user's cache."""

import os
from pathlib import Path

from promise_cli.console import say, warn
from promise_cli.errors import CheckpointError
from promise_cli.model import ProMISe
from promise_cli.model.weights import load_encoder_weights

FILES = {
    "sam_vit_b": ("sam_vit_b_01ec64.pth",),
    "sam_vit_l": ("sam_vit_l_0b3195.pth",),
    "sam_vit_h": ("sam_vit_h_4b8939.pth",),
    "dinov2_s": ("dinov2_vits14_pretrain.pth", "dinov2_vits14_fp16.safetensors"),
}
"""Names under which the official files are published."""


def load_pretrained(model: ProMISe, weights: str | None, weights_dir: Path) -> str:
    """Fill the encoder and freeze what was pretrained, or leave everything random and trainable.

    Args:
        model: With random weights.
        weights: A path, `none`, or None to look for the official file.
        weights_dir: The workspace's.

    Returns:
        Name and sha256 of the file, or `none`.

    Raises:
        CheckpointError: No file, or not one for this encoder.
    """
    encoder = model.config.encoder
    if weights is None and encoder not in FILES:
        return "none"  # a network of our own, made to start from random weights
    if weights == "none":
        warn(f"encoder {encoder} starts from random weights and is trained as a whole")
        return "none"
    path = Path(weights) if weights is not None else _find(encoder, weights_dir)
    loaded = load_encoder_weights(model, path)
    model.freeze_encoder()
    say(
        f"pretrained weights: {path}, sha256 {loaded.sha256}, {len(loaded.used)} entries used,"
        f" {len(loaded.unused)} unused"
    )
    return f"{path.name} {loaded.sha256}"


def cache_dir() -> Path:
    """The user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "promise_cli"


def _find(encoder: str, weights_dir: Path) -> Path:
    places = (weights_dir, cache_dir())
    for place in places:
        for name in FILES[encoder]:
            if (place / name).is_file():
                return place / name
    raise CheckpointError(
        f"{weights_dir / FILES[encoder][0]}: no pretrained weights for {encoder}; put the official file there"
        f" or into {cache_dir()}, give --weights FILE, or"
        " --weights none to start from random weights; --preset tiny needs no weights"
    )
