"""Find the encoder's pretrained weights: at a given path, in the workspace, in the user's cache, or by download."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.errors import CheckpointError
from promise_cli.network.download import download
from promise_cli.network.promise import ProMISe
from promise_cli.network.promise.weights import LoadedWeights, load_encoder_weights

_PUBLISHER = "https://dl.fbaipublicfiles.com"


@dataclass(frozen=True)
class OfficialFile:
    """A file of pretrained weights as its authors published it (Apache-2.0)."""

    name: str
    """File name."""
    url: str
    """Address from which the file is downloaded."""
    sha256: str
    """SHA-256 of the file, in hexadecimal."""


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
"""The official file of each encoder."""

OTHER_NAMES = {"dinov2_s": ("dinov2_vits14_fp16.safetensors",)}
"""Other files with the same weights, by encoder. They are used if the official file is missing. Their sha256 is not
known."""


def load_pretrained(model: ProMISe, weights: str | None, weights_dir: Path) -> str:
    """Load pretrained weights into the image encoder and freeze them.

    Without pretrained weights all parameters stay random and are trained.

    Args:
        model: ProMISe with random weights. It is changed in place.
        weights: Path of a file of weights, or `none` for random weights. None takes the official file from
            `weights_dir` or from the user's cache, or downloads it into the cache.
        weights_dir: Folder of pretrained weights in the workspace.

    Returns:
        Name and sha256 of the file, or `none`.

    Raises:
        CheckpointError: The file is missing or damaged, or belongs to another encoder.
    """
    encoder = model.config.encoder
    if weights is None and encoder not in OFFICIAL:
        return "none"  # the tiny encoder has no pretrained weights
    if weights == "none":
        warn(f"encoder {encoder} starts from random weights, and all of it is trained")
        return "none"
    path = _find_official(encoder, weights_dir) if weights is None else Path(weights)
    loaded = load_encoder_weights(model, path)
    if weights is None:
        _check_digest(encoder, path, loaded)
    model.freeze_encoder()
    say(
        f"pretrained weights: {path}, sha256 {loaded.sha256} ({_standing(encoder, loaded)}),"
        f" {counted(len(loaded.used), 'entry')} used, {len(loaded.unused)} unused{_unused_parts(loaded)}"
    )
    return f"{path.name} {loaded.sha256}"


def cache_dir() -> Path:
    """Return the folder of promise_cli in the user's cache."""
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
            f"{weights_dir / official.name}: no pretrained weights for {encoder}, and downloading {official.url} failed"
            f" ({error}); put the official file there or into {cache_dir()}, give --weights FILE, give --weights none"
            " to start from random weights, or use --preset tiny, which needs no weights"
        ) from None


def _check_digest(encoder: str, path: Path, loaded: LoadedWeights) -> None:
    """Refuse a file with the official name but another sha256. Otherwise damaged numbers would go unnoticed."""
    official = OFFICIAL[encoder]
    if path.name == official.name and loaded.sha256 != official.sha256:
        raise CheckpointError(
            f"{path}: has sha256 {loaded.sha256}, but the official file has {official.sha256}; remove the file and"
            f" download it again, or give --weights {path} to use it as it is"
        )


def _standing(encoder: str, loaded: LoadedWeights) -> str:
    known = encoder in OFFICIAL and loaded.sha256 == OFFICIAL[encoder].sha256
    return "the official file" if known else "not the official file"


def _unused_parts(loaded: LoadedWeights) -> str:
    """Return a text with the number of unused entries in each part of the file. It is empty if all are used."""
    parts = Counter(
        ".".join(name.split(".")[: 2 if name.startswith("image_encoder.") else 1])
        for name in loaded.unused
    )
    return f" ({', '.join(f'{part}: {n}' for part, n in parts.items())})" if parts else ""
