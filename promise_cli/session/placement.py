"""Places the first windows around clicks, or over a whole scan."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Shape
from promise_cli.geometry.patch import Patch

Indices = NDArray[np.int64]


def window_around(clicks: Indices, size: int, within: Shape | None = None) -> Patch:
    """Return the window around the middle of clicks `(N, 3)`, as in the authors' test.

    Args:
        clicks: Clicks on the plan's grid. The middle is that of their bounding box.
        size: Edge of the window in voxels.
        within: Shape of the scan on the plan's grid, into which the window is moved. None keeps the clicks in the
            middle.
    """
    centre = (clicks.max(axis=0) + clicks.min(axis=0)) // 2
    window = Patch.centred(centre.tolist(), (size, size, size))
    return window if within is None else window.moved_into(within)


def windows_for(
    clicks: Indices,
    size: int,
    earlier: tuple[Patch, ...],
    *,
    single: bool,
    within: Shape | None = None,
) -> tuple[Patch, ...]:
    """Return windows that contain all foreground clicks `(N, 3)`. Windows of earlier clicks stay where they are.

    Clicks that fit into one window share it. If only a single window is allowed, the earlier window is kept if it
    contains all clicks. If it does not, a new window lies around the middle of all clicks, even if it contains none of
    them.

    Args:
        clicks: Clicks on the plan's grid.
        size: Edge of a window in voxels.
        earlier: Windows of earlier clicks.
        single: Whether only one window is allowed.
        within: Shape of the scan on the plan's grid, into which windows are moved. None keeps the clicks in the middle.
    """
    if single:
        if earlier and earlier[0].inside(clicks).all():
            return earlier
        return (window_around(clicks, size, within),)
    groups: list[Indices] = []  # the lower and the upper corner of the clicks of each window
    for click in clicks:
        if any(window.inside(click[None])[0] for window in earlier):
            continue
        for number, (lower, upper) in enumerate(groups):
            joined = np.stack([np.minimum(lower, click), np.maximum(upper, click)])
            if (joined[1] - joined[0] <= size - 2).all():
                groups[number] = joined
                break
        else:
            groups.append(np.stack([click, click]))
    return (*earlier, *(window_around(group, size, within) for group in groups))


def windows_over(grid_shape: Shape, size: int) -> list[Patch]:
    """Return windows of edge `size` that cover a grid and overlap by at least half."""
    starts = []
    for n in grid_shape:
        last = n - size
        count = max(1, -(-last // (size // 2)) + 1)
        if count == 1:
            starts.append([last // 2])
        else:
            starts.append([round(last * number / (count - 1)) for number in range(count)])
    return [Patch((i, j, k), (size, size, size)) for i, j, k in product(*starts)]
