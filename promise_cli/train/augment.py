"""The paper's four augmentations: flip, rotation, zoom and intensity shift.

The augmentation of a patch is drawn before the patch is cut. The patch is then cut just wide enough that rotation and
zoom add no padding. Both stay in the plane of the slices (i, j), in which an anisotropic scan has its finest
spacing.

MONAI resamples, 30 times faster here than batchgenerators. numpy flips, 8 times faster than batchgenerators, and adds
the shift, as fast as batchgenerators (docs/benchmarks.md). With the scheme `nnunet`, batchgenerators changes the
intensities in place of the shift.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from promise_cli.network.augmentation import AugmentConfig, Scheme
from promise_cli.train.intensities import change_intensities

_PLANES = {"ij": (0, 1), "jk": (1, 2), "ik": (0, 2)}


@dataclass(frozen=True)
class Augmentation:
    """The changes to one patch."""

    angle: float = 0.0
    """Rotation in the plane (i, j), in radians."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Magnification along i and j."""
    flips: tuple[bool, bool, bool] = (False, False, False)
    """Whether to flip along i, j and k."""
    quarter_turns: int = 0
    """Number of turns by 90 degrees."""
    turn_axes: tuple[int, int] = (0, 1)
    """Plane of the quarter turns, as two axes."""
    shift: float = 0.0
    """Number to add to the normalised intensities of the first channel."""
    further_shifts: tuple[float, ...] = ()
    """Numbers to add to the normalised intensities of the channels after the first."""
    intensity_seed: int | None = None
    """Seed of nnU-Net's changes of intensities. None means that they are not applied."""

    @property
    def resamples(self) -> bool:
        """Whether a rotation or a zoom interpolates voxels."""
        return self.angle != 0 or self.zoom != (1.0, 1.0)

    def margin(self, patch_size: int) -> int:
        """Return the number of voxels to cut beyond the patch on each side along i and j."""
        if not self.resamples:
            return 0
        reach = (abs(math.cos(self.angle)) + abs(math.sin(self.angle))) / min(self.zoom)
        return max(0, math.ceil((reach - 1) * patch_size / 2)) + 1


def draw_augmentation(
    rng: np.random.Generator,
    config: AugmentConfig,
    shift_scale: float,
    further_scales: Sequence[float] = (),
    scheme: Scheme = "paper",
) -> Augmentation:
    """Draw the changes to one patch. The number of random draws is always the same.

    One draw decides for all channels whether intensities are shifted. Each channel then gets a shift of its own,
    because the channels of a scan are measured one after another.

    Args:
        rng: The patch's own generator.
        config: Chances and ranges of the changes.
        shift_scale: Hounsfield units (HU) per unit of normalised intensity.
        further_scales: The same for each channel after the first.
        scheme: How intensities change: by the paper's shift, or by nnU-Net's transforms. Everything else is the same
            with both, since the seed of the transforms comes from a generator that `rng` spawns.
    """
    chances = rng.random(7)
    angle = rng.uniform(-config.max_degrees, config.max_degrees)
    zoom = rng.uniform(*config.zoom_range, size=2)
    turns, shift = rng.integers(1, 4), rng.uniform(-config.max_shift_hu, config.max_shift_hu)
    further = rng.uniform(-config.max_shift_hu, config.max_shift_hu, size=len(further_scales))
    flip_i, flip_j, flip_k = (chances[4:] < config.flip_chance).tolist()
    shifts = scheme == "paper" and chances[3] < config.shift_chance
    return Augmentation(
        angle=math.radians(angle) if chances[0] < config.rotate_chance else 0.0,
        zoom=(float(zoom[0]), float(zoom[1])) if chances[1] < config.zoom_chance else (1.0, 1.0),
        flips=(flip_i, flip_j, flip_k),
        quarter_turns=int(turns) if chances[2] < config.quarter_turn_chance else 0,
        turn_axes=_PLANES[config.quarter_turn_plane],
        shift=float(shift) / shift_scale if shifts else 0.0,
        further_shifts=tuple((further / further_scales * shifts).tolist()),
        intensity_seed=int(rng.spawn(1)[0].integers(2**32)) if scheme == "nnunet" else None,
    )


def apply_augmentation(
    image: NDArray[np.float32],
    target: NDArray[np.uint8],
    augmentation: Augmentation,
    patch_size: int,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Apply to a patch the augmentation that was drawn for it.

    Args:
        image: Normalised intensities, (I, J, K) or (C, I, J, K), wider than the patch by `margin` on each side along i
            and j.
        target: Target in the same voxels, (I, J, K), 0 or 1.
        augmentation: The changes.
        patch_size: Edge of the returned patch in voxels.

    Returns:
        Image and target, whose spatial axes have `patch_size` voxels each.
    """
    if augmentation.resamples:
        image, target = _rotate_and_zoom(image, target, augmentation, patch_size)
    axes = tuple(axis - 3 for axis, flip in enumerate(augmentation.flips) if flip)
    turns = augmentation.quarter_turns
    plane = (augmentation.turn_axes[0] - 3, augmentation.turn_axes[1] - 3)
    image = np.rot90(np.flip(image, axes), turns, plane)
    target = np.rot90(np.flip(target, axes), turns, plane)
    shifts = np.array([augmentation.shift, *augmentation.further_shifts], dtype=np.float32)
    image = np.ascontiguousarray(image) + (
        shifts[:, None, None, None] if image.ndim == 4 else shifts[0]
    )
    if augmentation.intensity_seed is not None:
        image = change_intensities(image, augmentation.intensity_seed)
    return image, np.ascontiguousarray(target)


def _rotate_and_zoom(
    image: NDArray[np.float32],
    target: NDArray[np.uint8],
    augmentation: Augmentation,
    patch_size: int,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Rotate and zoom in the plane (i, j), and cut off the margin.

    The slices of image and target are the channels of one 2D image, so that a single resampling does both. This is
    exact, because nothing moves along k.
    """
    from monai.transforms import Affine  # noqa: PLC0415  takes seconds, and most patches do not need it

    *channels, _, _, depth = image.shape
    slices = np.moveaxis(image, -1, -3).reshape(-1, *image.shape[-3:-1])
    both = np.concatenate([slices, target.transpose(2, 0, 1).astype(np.float32)])
    affine = Affine(
        rotate_params=augmentation.angle,
        scale_params=[1 / augmentation.zoom[0], 1 / augmentation.zoom[1]],
        spatial_size=(patch_size, patch_size),
        mode="bilinear",
        padding_mode="border",
        image_only=True,
    )
    resampled = torch.as_tensor(affine(torch.from_numpy(both))).numpy()
    found = resampled[:-depth].reshape(*channels, depth, patch_size, patch_size)
    inside = (resampled[-depth:] > 0.5).astype(np.uint8)
    return np.moveaxis(found, -3, -1), inside.transpose(1, 2, 0)
