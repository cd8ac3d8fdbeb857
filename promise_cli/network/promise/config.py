"""What the network is: the `ModelConfig` of each preset, plain enough to be a JSON file.

Where the paper and the authors' code differ, the default is the paper's and the field's docstring
names the other choice; `docs/method.md` has the table. Nothing here needs torch.
"""

from dataclasses import dataclass
from typing import Literal, get_args

EncoderName = Literal["sam_vit_b", "sam_vit_l", "sam_vit_h", "dinov2_s", "tiny"]

TOKEN_SIZE = 4
"""Edge of one token in voxels: the paper scales a patch by 4 and embeds squares of 16 pixels."""


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """Sizes of a pretrained 2D image transformer."""

    family: Literal["sam", "dinov2"]
    """`sam` has decomposed relative positions; `dinov2` is a plain ViT."""
    width: int
    """Channels of a token."""
    depth: int
    """Number of blocks, a multiple of four."""
    num_heads: int
    """Attention heads; they share `width` evenly."""
    vit_patch: int
    """Edge of the pretrained patch embedding, in pixels."""
    position_side: int
    """Edge of the pretrained grid of absolute positions, in tokens."""
    long_tables: tuple[int, ...] = ()
    """Blocks whose relative positions span the whole SAM image (its global attention); 0-based."""

    def table_rows(self, block: int) -> int:
        """Rows of a block's pretrained relative positions: SAM's window of 14 tokens, or its 64."""
        return 2 * (64 if block in self.long_tables else 14) - 1


ENCODERS: dict[EncoderName, EncoderShape] = {
    "sam_vit_b": EncoderShape(
        family="sam", width=768, depth=12, num_heads=12, vit_patch=16, position_side=64,
        long_tables=(2, 5, 8, 11),
    ),
    "sam_vit_l": EncoderShape(
        family="sam", width=1024, depth=24, num_heads=16, vit_patch=16, position_side=64,
        long_tables=(5, 11, 17, 23),
    ),
    "sam_vit_h": EncoderShape(
        family="sam", width=1280, depth=32, num_heads=16, vit_patch=16, position_side=64,
        long_tables=(7, 15, 23, 31),
    ),
    "dinov2_s": EncoderShape(
        family="dinov2", width=384, depth=12, num_heads=6, vit_patch=14, position_side=37
    ),
    "tiny": EncoderShape(
        family="sam", width=96, depth=4, num_heads=3, vit_patch=16, position_side=12
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides the network's parameters and what it computes.

    Raises:
        ValueError: A size that does not fit the others; the message names the field.
    """

    encoder: EncoderName = "sam_vit_b"
    """Family and size of the pretrained image transformer."""
    patch_size: int = 128
    """Edge of the cubic patch in voxels (section 3)."""
    window_size: int = 8
    """Edge of an attention window in tokens; every other block shifts its windows by half of it."""
    adapters: Literal[1, 2] = 2
    """Adapters per block: before the attention, and also before the block's output (section 2)."""
    adapter_width: int = 384
    """Channels of the adapters' bottleneck."""
    adapter2_residual: Literal["single", "double"] = "single"
    """`double` adds the block's output a second time, as the authors' code does: x <- 2x + f(x)."""
    relative_position: Literal["interpolate", "crop"] = "interpolate"
    """How pretrained tables fit a window: all rows resized, or the central ones cut out."""
    depth_position: Literal["zeros", "ones"] = "zeros"
    """Start of the depth positions; the authors' code takes ones."""
    slice_embedding: Literal["random", "average"] = "random"
    """Start of the embedding along depth: random, as in the authors' code, which mixes the slices of a token with
    either sign, or, beyond the paper, their average, whose tokens are the pretrained ones of the mean slice."""
    neck_norm: Literal["channels", "patch"] = "channels"
    """What the necks' norms go over: a token's channels, as in SAM, or, beyond the paper, a channel's patch."""
    feature_width: int = 256
    """Channels of the four feature levels and of the prompt encoder."""
    num_global_queries: int = 10
    """Learnt queries of each prompt layer (Fig. 3)."""
    prompt_mlp_width: int = 2048
    """Hidden channels of the prompt encoder's MLP."""
    prompt_heads: int = 8
    """Attention heads of the prompt encoder."""
    token_attention: Literal["absent", "idle"] = "absent"
    """`idle` keeps an attention that the authors' code holds and never calls, for equal counts."""
    decoder_width: int = 128
    """Channels of the decoder's branches and of the CNN encoder."""
    upsampling: Literal["convolution", "trilinear"] = "convolution"
    """Upsampling from tokens to half the patch's resolution: transposed convolution (section 2) or trilinear."""
    fusion: Literal["concat", "residual", "none"] = "concat"
    """How CNN features enter the decoder (Table 2: -C, -R); `residual` is our reading of -R."""
    click_map: bool = False
    """Beyond the paper: Gaussians round the clicks, of three widths, join the deepest features."""
    click_map_in_head: bool = False
    """Beyond the paper: the same Gaussians join the decoder's head, too: a short way, on which training finds them
    early."""

    def __post_init__(self) -> None:
        shape = self.shape
        if self.patch_size < TOKEN_SIZE or self.patch_size % TOKEN_SIZE:
            raise ValueError(f"patch_size {self.patch_size} is not a multiple of {TOKEN_SIZE}")
        if self.window_size < 2 or self.window_size % 2:
            raise ValueError(f"window_size {self.window_size} is not an even number above zero")
        if self.feature_width % (4 * self.prompt_heads):
            raise ValueError(
                f"feature_width {self.feature_width} is not a multiple of 4 x {self.prompt_heads}"
                " (four times prompt_heads)"
            )
        if min(self.adapter_width, self.decoder_width, self.num_global_queries) < 1:
            raise ValueError("adapter_width, decoder_width and num_global_queries must be positive")
        if self.click_map_in_head and not self.click_map:
            raise ValueError(
                "click_map_in_head needs click_map; set click_map=true, or click_map_in_head=false, too"
            )
        if self.relative_position == "crop" and 2 * self.window_size - 1 > shape.table_rows(0):
            raise ValueError(f"window_size {self.window_size} exceeds the tables that are cropped")

    @property
    def shape(self) -> EncoderShape:
        """Sizes of the image transformer that `encoder` names."""
        return ENCODERS[self.encoder]

    @property
    def num_tokens(self) -> int:
        """Tokens along one edge of a patch."""
        return self.patch_size // TOKEN_SIZE


_TINY = ModelConfig(
    encoder="tiny",
    patch_size=48,
    window_size=4,
    adapter_width=48,
    feature_width=32,
    num_global_queries=10,
    prompt_mlp_width=128,
    prompt_heads=4,
    decoder_width=16,
    click_map=True,  # without it the click does nothing but place the window (docs/results.md)
    slice_embedding="average",
    neck_norm="patch",  # otherwise the transformer soon says the same of every image
)

_PAPER = ModelConfig()
_RECOMMENDED = ModelConfig(
    click_map=True, click_map_in_head=True, slice_embedding="average", neck_norm="patch"
)
_TWO_ADAPTERS = ModelConfig(upsampling="trilinear", fusion="none")

_PRESETS: dict[str, ModelConfig] = {
    "recommended": _RECOMMENDED,
    "paper": _PAPER,
    "reference": ModelConfig(
        adapter2_residual="double", depth_position="ones", token_attention="idle"
    ),
    "baseline-3dsam": ModelConfig(adapters=1, upsampling="trilinear", fusion="none"),
    "two-adapters": _TWO_ADAPTERS,
    "up-conv": ModelConfig(fusion="none"),
    "promise-r": ModelConfig(fusion="residual"),
    "promise-r-b": ModelConfig(fusion="residual"),
    "promise-c": _PAPER,
    "tiny": _TINY,
}

RECOMMENDED = "recommended"
"""The preset of ProMISe where none is named: the paper's network with what it was measured to lack."""

ALIASES = {"promise-c-b": "paper"}
"""The last row of Table 2 is the paper's network and recipe."""

PRESETS: tuple[str, ...] = (*_PRESETS, *ALIASES)
"""Names that `model_config` knows. Presets that differ in the loss alone share one network."""

ENCODER_NAMES: tuple[EncoderName, ...] = get_args(EncoderName)


def model_config(preset: str) -> ModelConfig:
    """The network of a preset.

    Raises:
        ValueError: No such preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"no preset '{preset}'; use one of {', '.join(PRESETS)}")
    return _PRESETS[ALIASES.get(preset, preset)]
