"""The click that corrects a mask, as a user gives it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.box import bounding_box
from promise_cli.geometry.grid import Spacing

Mask = NDArray[np.bool_]


class Correction(NamedTuple):
    """Where to click."""

    voxel: tuple[int, int, int]
    foreground: bool
    """Whether that part was missed; otherwise it was added."""


def largest_error(
    target: Mask, prediction: Mask, spacing: Spacing, rng: np.random.Generator
) -> Correction | None:
    """The middle of the largest part that is missed or added; None where nothing is.

    Args:
        target: (I, J, K).
        prediction: The same voxels; empty before the first click.
        spacing: mm along i, j, k.
        rng: Chooses among voxels that are equally deep.
    """
    missed, added = _largest_part(target & ~prediction), _largest_part(prediction & ~target)
    size = max(_size(missed), _size(added))
    if size == 0:
        return None
    foreground = _size(missed) == size
    found = missed if foreground else added
    assert found is not None
    part, start = found
    i, j, k = (_deepest(part, spacing, rng) + start).tolist()
    return Correction((i, j, k), foreground)


def _largest_part(mask: Mask) -> tuple[Mask, NDArray[np.int64]] | None:
    """The largest of the parts that hang together by faces, edges or corners, and its first voxel."""
    from scipy import ndimage  # noqa: PLC0415

    if not mask.any():
        return None
    box = bounding_box(mask)
    parts, _ = ndimage.label(mask[box], structure=np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax(), np.array([part.start for part in box])


def _size(part: tuple[Mask, NDArray[np.int64]] | None) -> int:
    return 0 if part is None else int(np.count_nonzero(part[0]))


def _deepest(part: Mask, spacing: Spacing, rng: np.random.Generator) -> NDArray[np.int64]:
    """The voxel farthest from all that does not belong to a part; beyond the array nothing does."""
    from scipy import ndimage  # noqa: PLC0415

    depth = ndimage.distance_transform_edt(np.pad(part, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    deepest = np.argwhere(depth >= depth.max() * (1 - 1e-9))
    voxel: NDArray[np.int64] = deepest[rng.integers(len(deepest))]
    return voxel
