"""Converts the checkpoints that the paper's authors published to the layout of this package."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promise_cli.console import counted
from promise_cli.errors import CheckpointError
from promise_cli.network.promise.config import ModelConfig, model_config
from promise_cli.network.promise.promise import ProMISe
from promise_cli.network.promise.weights import read_checkpoint

_SECTIONS = ("encoder_dict", "feature_dict", "decoder_dict")
_NUM_PROMPT_ENCODERS = 4  # the authors' code uses only the last one, on the deepest features
_RENAMED = (
    (r"^encoder_dict\.neck_3d\.(\d)\.0\.", r"image_encoder.necks.\1.linear."),
    (r"^encoder_dict\.neck_3d\.(\d)\.1\.", r"image_encoder.necks.\1.norm1."),
    (r"^encoder_dict\.neck_3d\.(\d)\.2\.", r"image_encoder.necks.\1.conv."),
    (r"^encoder_dict\.neck_3d\.(\d)\.3\.", r"image_encoder.necks.\1.norm2."),
    (r"^encoder_dict\.", r"image_encoder."),
    (r"\.adapter\.", r".adapter1."),
    (r"\.adapter_back\.", r".adapter2."),
    (r"\.attn\.lr$", r".attn.rel_pos_scale"),
    (r"^feature_dict\.transformer\.", r"prompt_encoder."),
    (r"^decoder_dict\.mlahead\.head2\.", r"mask_decoder.branches.0.blocks."),
    (r"^decoder_dict\.mlahead\.head3\.", r"mask_decoder.branches.1.blocks."),
    (r"^decoder_dict\.mlahead\.head4\.", r"mask_decoder.branches.2.blocks."),
    (r"^decoder_dict\.mlahead\.head5\.", r"mask_decoder.branches.3.blocks."),
    (r"^decoder_dict\.mlahead\.up2\.", r"mask_decoder.branches.0.up."),
    (r"^decoder_dict\.mlahead\.up3\.", r"mask_decoder.branches.1.up."),
    (r"^decoder_dict\.mlahead\.up4\.", r"mask_decoder.branches.2.up."),
    (r"^decoder_dict\.mlahead\.up5\.", r"mask_decoder.branches.3.up."),
    (r"^decoder_dict\.image_feature_extractor\.", r"mask_decoder.cnn."),
    (r"^decoder_dict\.(head|cls_hao)\.0\.", r"mask_decoder.head1."),
    (r"^decoder_dict\.(head|cls_hao)\.3\.", r"mask_decoder.head2."),
    (r"\.(blocks|cnn)\.0\.weight$", r".\1.0.conv.weight"),
    (r"\.(blocks|cnn)\.3\.weight$", r".\1.1.conv.weight"),
)
_NOT_WEIGHTS = (".attn_mask", ".positional_encoding_gaussian_matrix")


def is_reference_checkpoint(path: Path) -> bool:
    """Return whether a file is a checkpoint with the authors' sections.

    Raises:
        CheckpointError: The file cannot be read safely.
    """
    return has_sections(_read(path))


def has_sections(content: Any) -> bool:
    """Return whether the content of a file has the authors' sections."""
    return isinstance(content, dict) and all(section in content for section in _SECTIONS)


def import_reference_checkpoint(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Read a checkpoint in the authors' layout.

    Shift masks, the unused positional encoding, and the three prompt encoders that were never called are left out. The
    head may be named `head` or, as in released files, `cls_hao`.

    Returns:
        The config of preset `reference`, and a complete state dict for it.

    Raises:
        CheckpointError: The file cannot be read safely, or an entry is missing, unknown or of another shape.
    """
    content = _read(path)
    if not has_sections(content):
        raise CheckpointError(
            f"{path}: not in the authors' layout; give a file with the sections {', '.join(_SECTIONS)}"
        )
    features = content["feature_dict"]
    if not isinstance(features, list | tuple) or len(features) != _NUM_PROMPT_ENCODERS:
        raise CheckpointError(
            f"{path}: feature_dict is not a list of {_NUM_PROMPT_ENCODERS} prompt encoders; copy the file again"
        )
    sections = {**content, "feature_dict": features[-1]}
    state: dict[str, Tensor] = {}
    for section in _SECTIONS:
        for name, tensor in _tensors(sections[section], section, path).items():
            renamed = _rename(f"{section}.{name}")
            if f".{name}".endswith(_NOT_WEIGHTS):
                continue
            if renamed in state:
                raise CheckpointError(
                    f"{path}: {section} contains {name} under two names; keep only one of head and cls_hao"
                )
            state[renamed] = tensor
    config = model_config("reference")
    return config, _fit(state, config, path)


def _tensors(section: Any, name: str, path: Path) -> dict[str, Tensor]:
    if not isinstance(section, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in section.items()
    ):
        raise CheckpointError(
            f"{path}: {name} must contain only named tensors, but has other values; copy the file again"
        )
    return section


def _read(path: Path) -> Any:
    """Read a file of tensors, plain types, and numpy scalars and arrays, in which the authors stored losses."""
    scalar: Any = np.float64(0).__reduce__()[0]
    array: Any = np.zeros(0).__reduce__()[0]
    allowed: list[Any] = [
        *((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
        *((array, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
        np.ndarray,
        np.dtype,
        *{type(np.dtype(kind)) for kind in "?bhilqBHILQefd"},
        defaultdict,
        dict,
    ]
    with torch.serialization.safe_globals(allowed):
        return read_checkpoint(path)


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _fit(state: dict[str, Tensor], config: ModelConfig, path: Path) -> dict[str, Tensor]:
    """Check names and shapes against the network, and convert weights to float32.

    Weights of 1x1x1 convolutions get the shape of linear layers.
    """
    with torch.device("meta"):
        expected = ProMISe(config).state_dict()
    for kind, names in (
        ("missing", set(expected) - set(state)),
        ("unknown", set(state) - set(expected)),
    ):
        if names:
            first = ", ".join(sorted(names)[:4])
            raise CheckpointError(
                f"{path}: {counted(len(names), 'entry', 'are')} {kind}, such as {first}; give the file as the"
                " authors published it"
            )
    fitted = {}
    for name, tensor in state.items():
        shape = expected[name].shape
        squeezed = tensor.flatten(1) if name.endswith(".linear.weight") else tensor
        if squeezed.shape != shape:
            raise CheckpointError(
                f"{path}: {name} has shape {tuple(tensor.shape)} instead of {tuple(shape)}; copy the file again"
            )
        fitted[name] = squeezed.float()
    return fitted
