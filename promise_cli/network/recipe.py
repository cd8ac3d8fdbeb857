"""Training recipes: loss, augmentation and schedule, and the recipe of each preset.

A preset is a named `ModelConfig` together with a named `TrainConfig`. The presets cover the paper, the authors' code,
the rows of the paper's Table 2, the recommended network, and a small one for a laptop. Settings that users often change
are options of `promise-train`. All others are fields here, and each default is the paper's choice.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

from promise_cli.errors import PlanError, did_you_mean
from promise_cli.network.augmentation import AugmentConfig, Scheme
from promise_cli.network.parts import Freezing
from promise_cli.network.promise.config import (
    ALIASES,
    PRESETS,
    RECOMMENDED,
    ModelConfig,
    model_config,
)
from promise_cli.network.ranges import RANGES, check_range


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and options of the training loss (`train.losses.total_loss`). The defaults are the paper's (section 2).

    Raises:
        ValueError: A weight is negative, or the boundary kernel has an even edge.
    """

    dice_weight: float = 1.0
    """Weight of the soft Dice loss."""
    cross_entropy_weight: float = 1.0
    """Weight of the cross-entropy."""
    boundary_weight: float = 10.0
    """Weight of the boundary-aware loss (equation 2). With 0 it is not computed."""
    boundary_kernel: tuple[int, int, int] = (5, 5, 5)
    """Box over which boundary maps average, in voxels along i, j and k (the authors' code: 1, 5, 5)."""
    boundary_border: Literal["ignored", "counted"] = "ignored"
    """How boundary maps average at the patch's border: `ignored` averages over voxels inside the patch only, `counted`
    also over zeros outside it, as the authors' code does."""
    boundary_channels: Literal["foreground", "both"] = "foreground"
    """Channels whose boundary maps are compared: `foreground`, or `both` as in the authors' code."""
    boundary_without_foreground: bool = False
    """Whether the boundary-aware loss also counts for patches without foreground (the authors' code: no)."""

    def __post_init__(self) -> None:
        weights = (self.dice_weight, self.cross_entropy_weight, self.boundary_weight)
        if min(weights) < 0:
            raise ValueError(f"the loss weights {weights} must not be negative")
        check_range("the largest loss weight", max(weights), 0, 1e6)
        if any(edge < 1 or edge % 2 == 0 for edge in self.boundary_kernel):
            raise ValueError(f"boundary_kernel {self.boundary_kernel} must have odd edges")
        check_range("the longest edge of boundary_kernel", max(self.boundary_kernel), 1, 63)

    @classmethod
    def reference(cls) -> "LossConfig":
        """Return the loss of the authors' code.

        The authors' code pools (5, 5, 1) over arrays (D, H, W), which are our axes k, j, i.
        """
        return cls(
            dice_weight=0.5,
            cross_entropy_weight=0.5,
            boundary_weight=10.0,
            boundary_kernel=(1, 5, 5),
            boundary_border="counted",
            boundary_channels="both",
        )


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a network is trained. The run's folder holds this record as `config.json`.

    Raises:
        ValueError: A value is outside its range. The message names the field.
    """

    epochs: int = 200
    """Number of epochs."""
    learning_rate: float = 4e-4
    """Learning rate of AdamW in the first epoch. It falls linearly to zero over the epochs: by 2e-6 per epoch for the
    paper's 200 epochs (section 3)."""
    decay_horizon: int | None = None
    """Number of epochs over which the learning rate falls (the authors' code: 500). None means `epochs`."""
    final_learning_rate_share: float = 0.0
    """Learning rate at the end of the decay, as a share of the first one (the authors' code: 0.01)."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""
    gradient_clip: float = 1.0
    """Gradients with a larger L2 norm than this are scaled down to it."""
    batch_size: int = 1
    """Samples that one device computes at once."""
    accumulate: int = 1
    """Batches whose gradients are added up for one optimizer step."""
    patches_per_case: int = 1
    """Patches that are cut from each training case in one epoch."""
    foreground_share: float = 0.5
    """Chance that a patch is placed on a foreground voxel instead of a background voxel (paper, section 3: equal
    chance; the authors' code: 2/3)."""
    centre_jitter: float = 0.0
    """Largest distance between the patch's centre and the drawn voxel along each axis, as a share of the patch's edge
    (the authors' code: 13 of 128 voxels)."""
    num_foreground_clicks: int = 10
    """Foreground clicks on each training patch (paper, section 3). Patches without foreground get none."""
    num_background_clicks: int = 10
    """Background clicks on each training patch (paper, section 3)."""
    repeat_clicks: bool = False
    """Whether the same voxel may be drawn several times, as in the authors' code."""
    vary_clicks: bool = False
    """Whether the number of foreground clicks is drawn from 1 to `num_foreground_clicks`, so that the network also sees
    single clicks in training."""
    vary_background_clicks: bool = False
    """Whether the number of background clicks is drawn from 0 to `num_background_clicks`, so that the network also sees
    patches without background clicks in training."""
    corrections: int = 0
    """Largest number of correcting clicks per sample. Each lies where the current mask is wrong most deeply, in the
    middle of the largest cube that is wrong throughout. This goes beyond the paper."""
    first_answer_weight: float = 0.0
    """Weight in the loss of the logits before any correcting click. The logits after all correcting clicks have the
    rest of the weight, up to 1."""
    background_clicks: Literal["background", "anywhere"] = "background"
    """Voxels from which background clicks are drawn: the background, or `anywhere`, the target included, as in the
    authors' code."""
    validation_patches: int = 1
    """Patches per validation case, the same in every epoch. Each lies around one click drawn with the run's seed."""
    validation_clicks: int = 1
    """Foreground clicks on each validation patch: one, as in the paper's test (the authors' code: 10)."""
    validate_every: int = 1
    """Number of epochs from one validation to the next."""
    predict_with: Literal["best", "final"] = "best"
    """Epoch whose weights are used for prediction: the one with the best validation Dice, as in the paper, or the last
    one, as in nnU-Net."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of matrix products and convolutions. When the run starts, `auto` becomes the one that is faster on
    the device."""
    checkpoint_activations: bool = False
    """Whether each block is recomputed in the backward pass. This saves most of the memory but takes a third more
    time."""
    compile: bool = False
    """Whether `torch.compile` fuses the network's operations."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Weights and options of the loss."""
    freeze: Freezing = "nothing"
    """Part of the network that is not trained: `encoder`, or `all-but-head` for everything besides the last layers.
    Such a run starts from another network (`--from`)."""
    augmentation: Scheme = "paper"
    """How intensities are augmented: `paper` shifts them, `nnunet` changes them with nnU-Net's six transforms instead.
    Flips, rotations and zooms are the same. Runs of earlier versions mean `paper`."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Chances and ranges of the paper's augmentations."""

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            if (found := getattr(self, name)) is not None:
                check_range(name, found, least, most)
        if not 0 <= self.centre_jitter < 0.5:
            raise ValueError(
                f"centre_jitter must be at least 0 and less than 0.5 edges of the patch, found {self.centre_jitter}"
            )
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, found {self.learning_rate}")

    def learning_rate_at(self, epoch: int) -> float:
        """Return the learning rate of one epoch (paper, section 3).

        Args:
            epoch: Epoch, counted from 0.
        """
        share = min(1.0, epoch / (self.decay_horizon or self.epochs))
        return self.learning_rate * (1 - (1 - self.final_learning_rate_share) * share)


def preset(name: str) -> tuple[ModelConfig, TrainConfig]:
    """Return the network's config and the recipe of a preset.

    Raises:
        PlanError: The preset does not exist.
    """
    if name not in PRESETS:
        near = did_you_mean(name, PRESETS)
        raise PlanError(f"--preset {name}: unknown; use one of {', '.join(PRESETS)}{near}")
    return model_config(name), _train_config(ALIASES.get(name, name))


PLAIN_PRESETS = ("paper", "tiny")
"""Presets that rivals can use. All others are variants of ProMISe."""
TINY_PATCH = model_config("tiny").patch_size
"""Edge of the patch of preset `tiny`, in voxels."""


def plain_preset(name: str, network: str, *, clicks: bool) -> TrainConfig:
    """Return the recipe of a rival: the preset's recipe with Dice and cross-entropy as the loss.

    All rivals were published with this loss. The weights of the last epoch are used for prediction, as in nnU-Net.

    Args:
        name: Preset: `paper`, or `tiny` for a small network.
        network: Name of the rival, for messages.
        clicks: Whether clicks enter as channels. The number of clicks then varies from patch to patch, because the
            network sees every click in the image and must not rely on ten clicks.

    Raises:
        PlanError: The preset does not exist, or is a variant of ProMISe.
    """
    preset(name)
    if name not in PLAIN_PRESETS:
        raise PlanError(
            f"--preset {name}: is a variant of promise; with --network {network} use {' or '.join(PLAIN_PRESETS)}"
        )
    config = _train_config(name)
    return dataclasses.replace(
        config,
        loss=dataclasses.replace(config.loss, boundary_weight=0.0),
        # On the CPU, torch uses a slow kernel for a batch of one small volume (`promise.convolution`).
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
        # Correcting clicks teach the network to use its clicks (docs/results.md). The target lies as far from the
        # patch's centre as in the authors' code.
        return dataclasses.replace(
            paper,
            foreground_share=1.0,
            centre_jitter=0.1,
            num_foreground_clicks=1,
            num_background_clicks=0,
            corrections=3,
            # With click maps in the head the network learns corrections early. Without this weight its first masks get
            # worse.
            first_answer_weight=0.5,
            # With few validation cases the best epoch was an early one, in which the network did not use its clicks.
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
