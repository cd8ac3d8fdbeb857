"""Where the encoder's pretrained weights come from: a path, the workspace's weights/, the user's cache, or the net."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import say, warn
from promise_cli.errors import CheckpointError
from promise_cli.network.download import download
from promise_cli.network.promise import ProMISe
from promise_cli.network.promise.weights import LoadedWeights, load_encoder_weights

_PUBLISHER = "https://dl.fbaipublicfiles.com"


@dataclass(frozen=True)
class OfficialFile:
    """A file of weights as its authors published it (Apache-2.0)."""

    name: str
    url: str
    sha256: str


OFFICIAL = {
    "sam_vit_b": OfficialFile(
        "sam_vit_b_01ec64.pth",
        f"{_PUBLISHER}/segment_anything/sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    "sam_vit_l": OfficialFile(
        "sam_vit_l_0b3195.pth",
        f"{_PUBLISHER}/segment_anything/sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    "sam_vit_h": OfficialFile(
        "sam_vit_h_4b8939.pth",
        f"{_PUBLISHER}/segment_anything/sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
    "dinov2_s": OfficialFile(
        "dinov2_vits14_pretrain.pth",
        f"{_PUBLISHER}/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
        "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    ),
}
"""By encoder."""

OTHER_NAMES = {"dinov2_s": ("dinov2_vits14_fp16.safetensors",)}
"""The same weights in another form, looked for after the official file; no digest is known for them."""


def load_pretrained(model: ProMISe, weights: str | None, weights_dir: Path) -> str:
    """Fill the encoder and freeze what was pretrained, or leave everything random and trainable.

    Args:
        model: With random weights.
        weights: A path, `none`, or None to take the official file: from `weights_dir`, from the user's cache, or by
            downloading it into the cache.
        weights_dir: The workspace's.

    Returns:
        Name and sha256 of the file, or `none`.

    Raises:
        CheckpointError: No file, a damaged one, or not one for this encoder.
    """
    encoder = model.config.encoder
    if weights is None and encoder not in OFFICIAL:
        return "none"  # a network of our own, made to start from random weights
    if weights == "none":
        warn(f"encoder {encoder} starts from random weights and is trained as a whole")
        return "none"
    path = _find_official(encoder, weights_dir) if weights is None else Path(weights)
    loaded = load_encoder_weights(model, path)
    if weights is None:
        _check_digest(encoder, path, loaded)
    model.freeze_encoder()
    say(
        f"pretrained weights: {path}, sha256 {loaded.sha256} ({_standing(encoder, loaded)}),"
        f" {len(loaded.used)} entries used, {len(loaded.unused)} unused{_unused_parts(loaded)}"
    )
    return f"{path.name} {loaded.sha256}"


def cache_dir() -> Path:
    """The user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "promise_cli"


def _find_official(encoder: str, weights_dir: Path) -> Path:
    official = OFFICIAL[encoder]
    for place in (weights_dir, cache_dir()):
        for name in (official.name, *OTHER_NAMES.get(encoder, ())):
            if (place / name).is_file():
                return place / name
    try:
        return download(official.url, cache_dir() / official.name, official.sha256)
    except OSError as error:
        raise CheckpointError(
            f"{weights_dir / official.name}: no pretrained weights for {encoder}; put the official file there or into"
            f" {cache_dir()}, give --weights FILE, or --weights none to start from random weights; --preset tiny needs"
            f" no weights (downloading {official.url} failed: {error})"
        ) from None


def _check_digest(encoder: str, path: Path, loaded: LoadedWeights) -> None:
    """Refuse a file that bears the official name and is another: damage to its numbers would pass unseen."""
    official = OFFICIAL[encoder]
    if path.name == official.name and loaded.sha256 != official.sha256:
        raise CheckpointError(
            f"{path}: sha256 {loaded.sha256}, the official file has {official.sha256}; it is damaged or another: remove"
            f" it and fetch it again, or give it with --weights {path} if you mean it"
        )


def _standing(encoder: str, loaded: LoadedWeights) -> str:
    known = encoder in OFFICIAL and loaded.sha256 == OFFICIAL[encoder].sha256
    return "the official file" if known else "not the official file"


def _unused_parts(loaded: LoadedWeights) -> str:
    """The unused entries by the part of the file that they belong to."""
    parts = Counter(
        ".".join(name.split(".")[: 2 if name.startswith("image_encoder.") else 1])
        for name in loaded.unused
    )
    return f" ({', '.join(f'{part}: {n}' for part, n in parts.items())})" if parts else ""
