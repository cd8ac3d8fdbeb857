"""Where the first windows lie: round clicks, or over a whole scan."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.grid import Shape
from promise_cli.geometry.patch import Patch

Indices = NDArray[np.int64]


def window_round(clicks: Indices, size: int, within: Shape | None = None) -> Patch:
    """The window of `size` voxels an edge round the middle of clicks `(N, 3)`, as the authors test.

    Where the shape of the scan is given, the window is moved into it.
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
    """Windows that hold all foreground clicks `(N, 3)`; those that are there already stay where they are.

    Clicks that fit into one window share it. A single window lies round the middle of all, also where it then holds
    none of them; one that is there and holds all stays.

    Args:
        clicks: On the plan's grid.
        size: Edge of a window in voxels.
        earlier: Windows of earlier clicks.
        single: Whether only one is allowed.
        within: Shape of the scan on the plan's grid, to move windows into it; None leaves the clicks in their middle.
    """
    if single:
        if earlier and earlier[0].inside(clicks).all():
            return earlier
        return (window_round(clicks, size, within),)
    groups: list[Indices] = []
    for click in clicks:
        if any(window.inside(click[None])[0] for window in earlier):
            continue
        for number, group in enumerate(groups):
            joined = np.vstack([group, click])
            if (np.ptp(joined, axis=0) <= size - 2).all():
                groups[number] = joined
                break
        else:
            groups.append(click[None])
    return (*earlier, *(window_round(group, size, within) for group in groups))


def windows_over(grid_shape: Shape, size: int) -> list[Patch]:
    """Windows that overlap by at least half and cover a grid."""
    starts = []
    for n in grid_shape:
        last = n - size
        count = max(1, -(-last // (size // 2)) + 1)
        if count == 1:
            starts.append([last // 2])
        else:
            starts.append([round(last * number / (count - 1)) for number in range(count)])
    return [Patch((i, j, k), (size, size, size)) for i, j, k in product(*starts)]
