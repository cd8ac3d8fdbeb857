"""Chooses the next window for a lesion that reaches the border of a window.

The border is open where the mask touches it and the scan continues on the other side with tissue that no window has
covered. Each further window covers at least one such voxel, so the search ends.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from promise_cli.geometry.box import bounding_box
from promise_cli.geometry.grid import Shape
from promise_cli.geometry.patch import Patch
from promise_cli.session.fusion import Canvas

Mask = NDArray[np.bool_]
IsTissue = Callable[[NDArray[np.int64]], Mask]
"""Function that says which of the indices `(N, 3)` inside the grid are tissue."""

MAX_WINDOWS = 20
"""Largest number of windows for one lesion. A ball with a diameter of 200 mm takes 9 to 14 windows of 128 mm, depending
on where it is clicked."""

MIN_CONTACT_MM2 = 25.0
"""Smallest contact area of mask and border, in mm^2, at which a lesion is followed. A few voxels with probability 0.51
at the border do not show that the lesion continues."""

NEAR_CLICK = 3
"""Largest distance along each axis, in voxels, between a click and the part of the mask that it selects."""


@dataclass(frozen=True, eq=False)
class _Contact:
    """Open part of one face of a window, where the lesion may continue."""

    window: Patch
    axis: int
    side: int
    """Face of the window along `axis`: -1 for the lower one, 1 for the upper one."""
    beyond: NDArray[np.int64]
    """Voxels of the plan's grid on the other side of the face, `(N, 3)`."""


def part_of_clicks(mask: Mask, clicks: NDArray[np.int64]) -> Mask:
    """Return the connected parts of a mask that contain a click or lie within `NEAR_CLICK` voxels of one.

    Args:
        mask: Mask, `(I, J, K)`.
        clicks: `(N, 3)`, indices into the mask. They may lie outside it.
    """
    kept = np.zeros(mask.shape, dtype=bool)
    box = bounding_box(mask)
    parts, _ = ndimage.label(mask[box])
    meant: set[int] = set()
    for click in clicks - np.array([span.start for span in box]):
        near = tuple(
            slice(max(0, index - NEAR_CLICK), max(0, index + NEAR_CLICK + 1)) for index in click
        )
        meant |= set(np.unique(parts[near]).tolist())
    for part in meant - {0}:
        kept[box] |= parts == part
    return kept


def next_window(
    canvas: Canvas,
    lesion: Mask,
    grid_shape: Shape,
    is_tissue: IsTissue,
    face_mm2: tuple[float, float, float],
) -> Patch | None:
    """Return the window that covers most of the lesion's open border, or None if no border is open.

    Args:
        canvas: Probabilities in the windows so far.
        lesion: Mask of the lesion on the canvas' block.
        grid_shape: Shape of the scan on the plan's grid.
        is_tissue: Function that says which voxels of the plan's grid are tissue.
        face_mm2: Area of a voxel's face perpendicular to each axis, in mm^2.
    """
    contacts = list(_contacts(canvas, lesion, grid_shape, is_tissue, face_mm2))
    if not contacts:
        return None
    beyond = np.concatenate([contact.beyond for contact in contacts])
    best, most = None, 0
    for candidate in _candidates(contacts, grid_shape):
        count = int(candidate.inside(beyond).sum())
        if count > most:
            best, most = candidate, count
    if best is None:  # after being moved into the scan, no candidate covers an open voxel
        largest = max(contacts, key=lambda contact: len(contact.beyond)).beyond
        middle = largest[np.argmin(((largest - largest.mean(axis=0)) ** 2).sum(axis=1))]
        best = Patch.centred(middle.tolist(), contacts[0].window.shape).moved_into(grid_shape)
    return best


def deepest_voxel(mask: Mask) -> tuple[int, int, int]:
    """Return the voxel of a mask that is farthest from its surface.

    Among several such voxels, it is the one nearest to the middle of the array. The array's own border does not count
    as a surface.
    """
    if mask.all():
        depth = np.ones(mask.shape, dtype=np.int32)
    else:
        depth = ndimage.distance_transform_cdt(mask, metric="taxicab")
    places = np.argwhere(depth == depth.max())
    middle = (np.array(mask.shape) - 1) / 2
    i, j, k = places[np.argmin(((places - middle) ** 2).sum(axis=1))].tolist()
    return i, j, k


def _contacts(
    canvas: Canvas,
    lesion: Mask,
    grid_shape: Shape,
    is_tissue: IsTissue,
    face_mm2: tuple[float, float, float],
) -> Iterator[_Contact]:
    """Yield the open part of each face of each window, unless its area is below `MIN_CONTACT_MM2`."""
    assert canvas.block is not None
    covered, corner = canvas.covered, np.array(canvas.block.origin)
    for window in canvas.windows:
        there = canvas.place(window)
        for axis, side in product(range(3), (-1, 1)):
            face = list(there)
            last = there[axis].start if side < 0 else there[axis].stop - 1
            face[axis] = slice(last, last + 1)
            inside = np.argwhere(lesion[tuple(face)]) + [span.start for span in face]
            beyond = inside.copy()
            beyond[:, axis] += side
            places = beyond + corner
            in_scan = np.all((places >= 0) & (places < np.array(grid_shape)), axis=1)
            beyond, places = beyond[in_scan], places[in_scan]
            in_block = np.all((beyond >= 0) & (beyond < covered.shape), axis=1)
            seen = np.zeros(len(beyond), dtype=bool)
            seen[in_block] = covered[tuple(beyond[in_block].T)]
            places = places[~seen]
            places = places[is_tissue(places)] if len(places) else places
            if len(places) * face_mm2[axis] >= MIN_CONTACT_MM2:
                yield _Contact(window, axis, side, places)


def _candidates(contacts: Sequence[_Contact], grid_shape: Shape) -> Iterator[Patch]:
    """Yield candidates for the next window, for each window with an open face.

    Along an axis with an open face, a candidate lies half an edge further on that side. If both faces are open, there
    are candidates on both sides. Along an axis without an open face, a candidate is moved to the middle of the
    contacts. A lesion that leaves a window on all sides is thus followed along the diagonals, which takes the fewest
    windows.
    """
    for window in dict.fromkeys(contact.window for contact in contacts):
        own = [contact for contact in contacts if contact.window == window]
        middle = np.concatenate([contact.beyond for contact in own]).mean(axis=0)
        shifts: list[list[int]] = []
        for axis, edge in enumerate(window.shape):
            open_sides = sorted({contact.side for contact in own if contact.axis == axis})
            centre = window.origin[axis] + (edge - 1) / 2
            aside = round(float(np.clip(middle[axis] - centre, -edge / 2, edge / 2)))
            shifts.append([side * (edge // 2) for side in open_sides] or [aside])
        for shift in product(*shifts):
            i, j, k = (start + by for start, by in zip(window.origin, shift, strict=True))
            yield Patch((i, j, k), window.shape).moved_into(grid_shape)
