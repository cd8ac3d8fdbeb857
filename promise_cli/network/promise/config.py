"""Config of ProMISe, and the config of each preset. Configs hold only plain types, so they can be stored as JSON.

Where the paper and the authors' code differ, the default is the paper's choice, and the field's docstring names the
other one. `docs/method.md` has a table of all differences. Nothing here imports torch.
"""

from dataclasses import dataclass
from typing import Literal, get_args

EncoderName = Literal["sam_vit_b", "sam_vit_l", "sam_vit_h", "dinov2_s", "tiny"]

MOST_CHANNELS, MOST_WINDOW = 8192, 64
"""Largest sizes of a network: channels, and tokens along a window."""
MOST_IMAGE_CHANNELS = 64
"""Largest number of channels of the image."""
TOKEN_SIZE = 4
"""Edge of one token in voxels. The paper scales a patch up by 4 and embeds squares of 16 pixels."""


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """Sizes of a pretrained 2D image transformer."""

    family: Literal["sam", "dinov2"]
    """Kind of transformer: `sam` has decomposed relative positions, and `dinov2` is a plain ViT."""
    width: int
    """Channels of a token."""
    depth: int
    """Number of blocks, a multiple of four."""
    num_heads: int
    """Number of attention heads, which share the `width` channels evenly."""
    vit_patch: int
    """Edge of the pretrained patch embedding, in pixels."""
    position_side: int
    """Edge of the pretrained grid of absolute positions, in tokens."""
    long_tables: tuple[int, ...] = ()
    """Blocks, counted from 0, in which SAM attends globally. Their relative positions span SAM's whole image."""

    def table_rows(self, block: int) -> int:
        """Return the number of rows in a block's pretrained tables of relative positions.

        There is one row for each offset between two tokens, within SAM's window of 14 tokens or, in blocks of
        `long_tables`, within its image of 64 tokens.
        """
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
    """Sizes and options that determine the network's parameters and what it computes.

    Raises:
        ValueError: A size does not fit the others. The message names the field.
    """

    encoder: EncoderName = "sam_vit_b"
    """Family and size of the pretrained image transformer."""
    patch_size: int = 128
    """Edge of the cubic patch in voxels (section 3)."""
    channels: int = 1
    """Channels of the image. The paper has one. Several are mixed into the three inputs of the pretrained patch
    embedding, with weights that are learnt."""
    window_size: int = 8
    """Edge of an attention window in tokens, an even number. Every other block shifts its windows by half
    this edge."""
    adapters: Literal[1, 2] = 2
    """Number of adapters in each block: 1 has one before the attention, 2 has another before the block's output
    (section 2)."""
    adapter_width: int = 384
    """Channels of the adapters' bottleneck."""
    adapter2_residual: Literal["single", "double"] = "single"
    """Residual connection of the second adapter f: `single` computes x + f(x), and `double` computes 2x + f(x), as the
    authors' code does."""
    relative_position: Literal["interpolate", "crop"] = "interpolate"
    """How pretrained tables of relative positions are fitted to a window: `interpolate` resizes all rows, and `crop`
    takes the central rows."""
    depth_position: Literal["zeros", "ones"] = "zeros"
    """Initial values of the positions along depth (the authors' code: ones)."""
    slice_embedding: Literal["random", "average"] = "random"
    """Initial weights of the embedding along depth. `random`, as in the authors' code, mixes the slices of a token with
    weights of either sign. `average` takes their mean, so that a token is the pretrained token of the mean slice. This
    goes beyond the paper."""
    neck_norm: Literal["channels", "patch"] = "channels"
    """Values over which the norms of the necks are computed. `channels` means all channels of one token, as in SAM.
    `patch` means all tokens of one channel, which goes beyond the paper."""
    feature_width: int = 256
    """Channels of the four feature levels and of the prompt encoder."""
    num_global_queries: int = 10
    """Number of learnt queries in each prompt layer (Fig. 3)."""
    prompt_mlp_width: int = 2048
    """Hidden channels of the prompt encoder's MLP."""
    prompt_heads: int = 8
    """Attention heads of the prompt encoder."""
    token_attention: Literal["absent", "idle"] = "absent"
    """Whether prompt layers have the attention that the authors' code creates but never calls. `idle` creates it, so
    that the number of parameters equals theirs."""
    decoder_width: int = 128
    """Channels of the decoder's branches and of the CNN encoder."""
    upsampling: Literal["convolution", "trilinear"] = "convolution"
    """Method that upsamples from tokens to half the patch's resolution: a transposed `convolution` (section 2), or
    `trilinear` interpolation."""
    fusion: Literal["concat", "residual", "none"] = "concat"
    """How features of the CNN encoder enter the decoder. `concat` is the paper's variant -C in Table 2, and `residual`
    is our reading of its variant -R. `none` leaves the CNN encoder out."""
    click_map: bool = False
    """Whether maps of the clicks are added to the deepest features. A map has a Gaussian around each click, and there
    are maps of three widths. This goes beyond the paper."""
    click_map_in_head: bool = False
    """Whether the same maps also enter the decoder's head. On this short path, training learns early to use them. This
    goes beyond the paper."""

    def __post_init__(self) -> None:
        shape = self.shape
        if self.patch_size < TOKEN_SIZE or self.patch_size % TOKEN_SIZE:
            raise ValueError(f"patch_size {self.patch_size} is not a multiple of {TOKEN_SIZE}")
        if not 2 <= self.window_size <= MOST_WINDOW or self.window_size % 2:
            raise ValueError(
                f"window_size {self.window_size} is not an even number from 2 to {MOST_WINDOW}"
            )
        if not 1 <= self.channels <= MOST_IMAGE_CHANNELS:
            raise ValueError(
                f"channels must be from 1 to {MOST_IMAGE_CHANNELS}, found {self.channels}"
            )
        for name in ("prompt_heads", "feature_width", "prompt_mlp_width", "adapter_width",
                     "decoder_width", "num_global_queries"):  # fmt: skip
            if not 1 <= getattr(self, name) <= MOST_CHANNELS:
                raise ValueError(
                    f"{name} must be positive and at most {MOST_CHANNELS}, found {getattr(self, name)}"
                )
        if self.feature_width % (4 * self.prompt_heads):
            raise ValueError(
                f"feature_width {self.feature_width} is not a multiple of 4 x {self.prompt_heads}"
                " (four times prompt_heads)"
            )
        if self.click_map_in_head and not self.click_map:
            raise ValueError(
                "click_map_in_head=true needs click_map=true; set both, or set click_map_in_head=false"
            )
        if self.relative_position == "crop" and 2 * self.window_size - 1 > shape.table_rows(0):
            raise ValueError(
                f"window_size {self.window_size} needs more rows than the pretrained tables have; choose a smaller"
                " one, or relative_position=interpolate"
            )

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
    click_map=True,  # otherwise a click only decides where the window lies (docs/results.md)
    slice_embedding="average",
    neck_norm="patch",  # otherwise features soon become the same for every image (see `Neck`)
)

_PAPER = ModelConfig()
_RECOMMENDED = ModelConfig(
    click_map=True, click_map_in_head=True, slice_embedding="average", neck_norm="patch"
)
_TWO_ADAPTERS = ModelConfig(upsampling="trilinear", fusion="none")

_PRESETS: dict[str, ModelConfig] = {  # in the order in which messages list them
    "recommended": _RECOMMENDED,
    "paper": _PAPER,
    "tiny": _TINY,
    "reference": ModelConfig(
        adapter2_residual="double", depth_position="ones", token_attention="idle"
    ),
    "baseline-3dsam": ModelConfig(adapters=1, upsampling="trilinear", fusion="none"),
    "two-adapters": _TWO_ADAPTERS,
    "up-conv": ModelConfig(fusion="none"),
    "promise-r": ModelConfig(fusion="residual"),
    "promise-r-b": ModelConfig(fusion="residual"),
    "promise-c": _PAPER,
}

RECOMMENDED = "recommended"
"""Preset of ProMISe that is used if none is named: the paper's network with changes that improved it in our
measurements (docs/results.md)."""

ALIASES = {"promise-c-b": "paper"}
"""Other names of presets. `promise-c-b` is the last row of Table 2, which is the paper's network and recipe."""

PRESETS: tuple[str, ...] = (*_PRESETS, *ALIASES)
"""Names that `model_config` accepts. Presets that differ only in the loss share one network."""

ENCODER_NAMES: tuple[EncoderName, ...] = get_args(EncoderName)


def model_config(preset: str) -> ModelConfig:
    """Return the network's config of a preset.

    Raises:
        ValueError: The preset does not exist.
    """
    if preset not in PRESETS:
        raise ValueError(f"no preset '{preset}'; use one of {', '.join(PRESETS)}")
    return _PRESETS[ALIASES.get(preset, preset)]
