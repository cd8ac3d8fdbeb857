"""Loads pretrained image transformers from their official files into the image encoder, entry by entry."""

import errno
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from promise_cli.disk.regular import check_stored
from promise_cli.errors import CheckpointError, listed
from promise_cli.network.promise.config import ENCODERS, EncoderName
from promise_cli.network.promise.promise import ProMISe
from promise_cli.network.promise.sam import official_layout

_SAM_PREFIX = "image_encoder."
_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """Which entries of a file of pretrained weights were loaded."""

    path: str
    """Path of the file."""
    sha256: str
    """SHA-256 of the file, in hexadecimal."""
    used: tuple[str, ...]
    """Names of the entries that were loaded into the encoder, as in the file."""
    unused: tuple[str, ...]
    """Names of the entries that this network does not use, as in the file."""


def load_encoder_weights(model: ProMISe, path: Path) -> LoadedWeights:
    """Fill the image encoder of `model` from an official file.

    SAM's files contain all of SAM. MedSAM's files contain entries of the same names and are read in the same way. SAM's
    neck, prompt encoder and mask decoder are not used. The relative positions along depth start as the mean of those
    along height and width. DINOv2's layer scales are folded into the layers before them.

    Args:
        model: Network whose `config.encoder` says which transformer is expected. It is changed only if the file is
            valid.
        path: A `.pth` or `.safetensors` file.

    Raises:
        CheckpointError: The file cannot be read, or its entries are not those of this encoder. The message names the
            first entries that are missing, unknown or of another shape.
    """
    entries = read_tensors(path)
    encoder = model.config.encoder
    if encoder == "tiny":
        raise CheckpointError(
            f"{path}: the tiny encoder has no pretrained weights; use --weights none"
        )
    if model.config.shape.family == "sam":
        state, used = _from_sam(entries, encoder, path)
    else:
        state, used = _from_dinov2(entries, model, path)
    own = model.image_encoder.state_dict()
    model.image_encoder.load_state_dict({**own, **state})
    return LoadedWeights(
        path=str(path),
        sha256=sha256(path),
        used=used,
        unused=tuple(sorted(set(entries) - set(used))),
    )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a file of named tensors, such as an official file of weights, onto the CPU.

    Pickled code is never run.

    Raises:
        CheckpointError: The file is missing or damaged, or contains anything other than named tensors.
    """
    entries = read_checkpoint(path)
    if not isinstance(entries, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in entries.items()
    ):
        raise CheckpointError(f"{path}: must contain only named tensors; give the official file")
    return dict(entries)


def read_checkpoint(path: Path) -> Any:
    """Read a `.safetensors` or torch file that contains only tensors and plain types.

    Raises:
        CheckpointError: The file is missing or damaged, or contains code.
    """
    if path.is_dir():
        raise CheckpointError(f"{path}: is a folder; give the file of weights in it")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors" or _is_safetensors(path):
            return load_file(path)
        mapped = is_zipfile(
            path
        )  # torch's own format can be mapped, so that only used entries are read
        if mapped:
            check_stored(path)
        with warnings.catch_warnings(action="ignore"):  # torch's warnings address developers
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except OSError as error:
        advice = (
            "copy it again from a source that you trust"
            if error.errno == errno.EFBIG
            else "check its permissions and the disk"
        )
        raise CheckpointError(
            f"{path}: not readable ({error.strerror or error}); {advice}"
        ) from None
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged ({error}); download it again") from None
    except Exception as error:  # torch.load raises many kinds for damaged or hostile files
        raise CheckpointError(  # without torch's message, which advises weights_only=False
            f"{path}: not readable as tensors and plain types ({type(error).__name__}); it is truncated or"
            " holds pickled code; copy it again from a source that you trust"
        ) from None


def _is_safetensors(path: Path) -> bool:
    """Whether a file starts like a safetensors file: 8 bytes with the length of a JSON object, then a brace."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < 2**27


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_sam(
    entries: dict[str, Tensor], encoder: EncoderName, path: Path
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the encoder's tensors from the entries of a SAM file, and the names of the entries that were used."""
    layout = official_layout(encoder)
    needed = {name for name in layout if name.startswith(_SAM_PREFIX)}
    needed = {name for name in needed if not name.startswith(f"{_SAM_PREFIX}neck.")}
    unknown = sorted(set(entries) - set(layout))
    _check({name: layout[name] for name in needed}, entries, encoder, path)
    if unknown:
        raise CheckpointError(
            f"{path}: holds {listed(unknown, _SHOWN)}, which {encoder} does not have; give the official file"
        )
    state = {name.removeprefix(_SAM_PREFIX): entries[name].float() for name in needed}
    for index in range(ENCODERS[encoder].depth):
        attention = f"blocks.{index}.attn"
        state[f"{attention}.rel_pos_d"] = 0.5 * (
            state[f"{attention}.rel_pos_h"] + state[f"{attention}.rel_pos_w"]
        )
    return state, tuple(sorted(needed))


def _from_dinov2(
    entries: dict[str, Tensor], model: ProMISe, path: Path
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the encoder's tensors from the entries of a DINOv2 file, and the names of the entries that were used."""
    shape = model.config.shape
    side = shape.position_side
    own = dict(model.image_encoder.named_parameters())
    names = set(model.image_encoder.pretrained_parameters())
    names |= {name for name in own if name.startswith("blocks.") and ".norm" in name}
    layout = {_dinov2_name(name): own[name].shape for name in names}
    layout["pos_embed"] = torch.Size((1, side * side + 1, shape.width))
    for index in range(shape.depth):
        for scale in ("ls1", "ls2"):
            layout[f"blocks.{index}.{scale}.gamma"] = torch.Size((shape.width,))
    _check(layout, entries, model.config.encoder, path)
    if "register_tokens" in entries:
        raise CheckpointError(
            f"{path}: holds register_tokens, so it belongs to DINOv2 with registers, which is another network;"
            " give the plain dinov2_vits14"
        )
    state = {name: entries[_dinov2_name(name)].float() for name in names}
    positions = state["pos_embed"][:, 1:]  # without the class token, which comes first
    state["pos_embed"] = positions.reshape(1, side, side, shape.width)
    for index in range(shape.depth):
        for scale, layer in (("ls1", "attn.proj"), ("ls2", "mlp.lin2")):
            gamma = entries[f"blocks.{index}.{scale}.gamma"].float()
            weight, bias = (f"blocks.{index}.{layer}.{kind}" for kind in ("weight", "bias"))
            state[weight] = gamma[:, None] * state[weight]
            state[bias] = gamma * state[bias]
    return state, tuple(sorted(layout))


def _dinov2_name(name: str) -> str:
    return name.replace(".mlp.lin", ".mlp.fc")


def _check(
    layout: Mapping[str, torch.Size], entries: dict[str, Tensor], encoder: EncoderName, path: Path
) -> None:
    """Refuse a file in which an entry of `layout` is missing, has another shape, or is not finite."""
    missing = sorted(set(layout) - set(entries))
    if missing:
        raise CheckpointError(
            f"{path}: not a complete file of {encoder} (missing: {listed(missing, _SHOWN)}); download it again, or"
            " choose the --encoder that the file was made for"
        )
    for name in sorted(layout):
        found = tuple(entries[name].shape)
        if found != tuple(layout[name]):
            raise CheckpointError(
                f"{path}: {name} has shape {found}, but {encoder} has {tuple(layout[name])};"
                " choose the --encoder that the file was made for"
            )
        if not (entries[name].is_floating_point() and torch.isfinite(entries[name]).all()):
            raise CheckpointError(
                f"{path}: {name} has values that are not finite floating-point numbers; download the file again"
            )
