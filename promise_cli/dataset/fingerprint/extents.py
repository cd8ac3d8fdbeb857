"""Measure how large a target and its lesions are, to judge whether they fit into the network's window."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from promise_cli.geometry.box import crop_mask
from promise_cli.geometry.grid import Spacing


def target_extents(mask: NDArray[np.bool_], spacing: Spacing) -> tuple[Spacing, Spacing]:
    """Measure the box around a target, and the largest extent of its lesions along each axis.

    Args:
        mask: The target, (I, J, K), with at least one voxel. Voxels that touch at a corner belong to one lesion.
        spacing: Spacing of the voxels in mm.

    Returns:
        Edges in mm along i, j and k of the box around the whole target, and the longest edges among the boxes around
        single lesions. The longest edges along different axes may belong to different lesions.
    """
    inside = crop_mask(mask).inside
    parts, _ = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    boxes = ndimage.find_objects(parts)
    longest = np.max([[part.stop - part.start for part in box] for box in boxes], axis=0)
    return _in_mm(inside.shape, spacing), _in_mm(longest.tolist(), spacing)


def _in_mm(voxels: tuple[int, ...] | list[int], spacing: Spacing) -> Spacing:
    i, j, k = (round(n * mm, 2) for n, mm in zip(voxels, spacing, strict=True))
    return i, j, k
