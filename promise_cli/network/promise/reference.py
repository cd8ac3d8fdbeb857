"""The authors' published checkpoints: their layout to ours."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promise_cli.errors import CheckpointError
from promise_cli.network.promise.config import ModelConfig, model_config
from promise_cli.network.promise.promise import ProMISe
from promise_cli.network.promise.weights import read_checkpoint

_SECTIONS = ("encoder_dict", "feature_dict", "decoder_dict")
_NUM_PROMPT_ENCODERS = 4  # only the last one, on the deepest features, was ever used
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
    """Whether a file is a checkpoint with the authors' sections.

    Raises:
        CheckpointError: The file cannot be read safely.
    """
    return _has_sections(_read(path))


def import_reference_checkpoint(path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Read a checkpoint in the authors' layout.

    Shift masks and the unused positional encoding are left out, and so are the three prompt
    encoders that were never called. Both names of the head (`head`, in released files `cls_hao`)
    are understood.

    Returns:
        The `reference` configuration, and a state dict for it that is complete.

    Raises:
        CheckpointError: The file cannot be read safely, or entries are missing, unknown or of
            another shape.
    """
    content = _read(path)
    if not _has_sections(content):
        raise CheckpointError(
            f"{path}: not in the authors' layout; expected the sections {', '.join(_SECTIONS)}"
        )
    features = content["feature_dict"]
    if not isinstance(features, list | tuple) or len(features) != _NUM_PROMPT_ENCODERS:
        raise CheckpointError(f"{path}: feature_dict is not a list of {_NUM_PROMPT_ENCODERS}")
    sections = {**content, "feature_dict": features[-1]}
    state: dict[str, Tensor] = {}
    for section in _SECTIONS:
        for name, tensor in _tensors(sections[section], section, path).items():
            renamed = _rename(f"{section}.{name}")
            if f".{name}".endswith(_NOT_WEIGHTS):
                continue
            if renamed in state:
                raise CheckpointError(
                    f"{path}: {section} holds {name} under two names; keep one of head and cls_hao"
                )
            state[renamed] = tensor
    config = model_config("reference")
    return config, _fit(state, config, path)


def _tensors(section: Any, name: str, path: Path) -> dict[str, Tensor]:
    if not isinstance(section, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in section.items()
    ):
        raise CheckpointError(f"{path}: {name} holds more than tensors by name; copy it again")
    return section


def _read(path: Path) -> Any:
    """Read tensors, plain types, and numpy's scalars and arrays, which the authors stored as losses."""
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


def _has_sections(content: Any) -> bool:
    return isinstance(content, dict) and all(section in content for section in _SECTIONS)


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _fit(state: dict[str, Tensor], config: ModelConfig, path: Path) -> dict[str, Tensor]:
    """Check names and shapes against the network; 1x1x1 convolutions become linear layers."""
    with torch.device("meta"):
        expected = ProMISe(config).state_dict()
    for kind, names in (
        ("missing", set(expected) - set(state)),
        ("unknown", set(state) - set(expected)),
    ):
        if names:
            first = ", ".join(sorted(names)[:4])
            raise CheckpointError(f"{path}: {len(names)} entries are {kind}: {first}")
    fitted = {}
    for name, tensor in state.items():
        shape = expected[name].shape
        squeezed = tensor.flatten(1) if name.endswith(".linear.weight") else tensor
        if squeezed.shape != shape:
            raise CheckpointError(
                f"{path}: {name} is {tuple(tensor.shape)}, expected {tuple(shape)}"
            )
        fitted[name] = squeezed.float()
    return fitted
