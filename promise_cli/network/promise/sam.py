"""Parts that are taken from Segment Anything (Apache-2.0, github.com/facebookresearch/segment-anything).

Only its subpackage `modeling` is loaded, because the package itself imports torchvision, which nothing here needs.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from promise_cli.network.promise.config import ENCODERS, EncoderName

_MODELING = "segment_anything_modeling"


@cache
def _modeling() -> ModuleType:
    """Import `segment_anything.modeling` under another module name, so that its parent package is not imported."""
    package = importlib.util.find_spec("segment_anything")
    if package is None or package.origin is None:
        raise ImportError("segment-anything is not installed")
    folder = Path(package.origin).parent / "modeling"
    spec = importlib.util.spec_from_file_location(
        _MODELING, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder}: does not contain SAM's network as a Python package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODELING] = (
        module  # before it runs, because its files import each other by this name
    )
    spec.loader.exec_module(module)
    return module


def mlp_block(width: int, hidden: int, activation: type[nn.Module]) -> nn.Module:
    """Build SAM's two-layer perceptron, with `width` channels in and out: `lin1`, activation, `lin2`."""
    _modeling()
    block: nn.Module = sys.modules[f"{_MODELING}.common"].MLPBlock(width, hidden, activation)
    return block


@cache
def official_layout(encoder: EncoderName) -> dict[str, torch.Size]:
    """Return the name and shape of every entry of an official SAM file, as SAM's own classes define them.

    Args:
        encoder: `sam_vit_b`, `sam_vit_l` or `sam_vit_h`.
    """
    shape = ENCODERS[encoder]
    modeling: Any = _modeling()
    with torch.device("meta"):
        sam = modeling.Sam(
            image_encoder=modeling.ImageEncoderViT(
                depth=shape.depth,
                embed_dim=shape.width,
                num_heads=shape.num_heads,
                use_rel_pos=True,
                window_size=14,
                global_attn_indexes=shape.long_tables,
            ),
            prompt_encoder=modeling.PromptEncoder(
                embed_dim=256,
                image_embedding_size=(64, 64),
                input_image_size=(1024, 1024),
                mask_in_chans=16,
            ),
            mask_decoder=modeling.MaskDecoder(
                transformer_dim=256,
                transformer=modeling.TwoWayTransformer(
                    depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8
                ),
            ),
        )
    return {name: tensor.shape for name, tensor in sam.state_dict().items()}
