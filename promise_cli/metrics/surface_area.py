"""How much surface passes through a 2 x 2 x 2 block of voxels: marching cubes as a table.

The patterns below were reduced from the 256 rows of `lookup_tables.py` in
google-deepmind/surface-distance, Copyright 2018 Google Inc., licensed under the Apache License,
Version 2.0 (http://www.apache.org/licenses/LICENSE-2.0). Changed: 13 patterns instead of 256 rows,
which follow by symmetry, and no signs, which an area does not need.
"""

from functools import cache, lru_cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from promise_cli.grid import Spacing

NUM_CODES = 256

_PATTERNS: tuple[tuple[int, tuple[tuple[int, int, int], ...]], ...] = (
    (0b00000001, ((1, 1, 1),)),
    (0b00000011, ((2, 2, 0), (2, 2, 0))),
    (0b00000110, ((1, 1, 1), (1, 1, 1))),
    (0b00000111, ((1, 1, 1), (2, 2, 2), (4, 0, 0))),
    (0b00001111, ((4, 0, 0), (4, 0, 0))),
    (0b00010110, ((1, 1, 1), (1, 1, 1), (1, 1, 1))),
    (0b00010111, ((1, 1, 1), (1, 1, 1), (2, 2, 2), (2, 2, 2))),
    (0b00011000, ((1, 1, 1), (1, 1, 1))),
    (0b00011001, ((0, 2, 2), (0, 2, 2), (1, 1, 1))),
    (0b00011011, ((0, 2, 2), (1, 1, 1), (2, 0, 2), (3, 3, 3))),
    (0b00011110, ((1, 1, 1), (1, 1, 1), (2, 2, 2), (4, 0, 0))),
    (0b00111100, ((2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0))),
    (0b01101001, ((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1))),
)
"""How a surface can cross a block, up to rotation, mirror and exchange of inside and outside.

The code has one bit per voxel: 128 for (0, 0, 0), 64 for (0, 0, 1), ... 1 for (1, 1, 1). Then come
the triangles, each as the normal whose length is its area, in eighths of a block's faces.
"""


@lru_cache(
    maxsize=64
)  # the labels of a case, and often the cases of a dataset, share their spacing
def surface_areas(spacing: Spacing) -> NDArray[np.float64]:
    """(256,) mm2: area of the surface in a block of each code; 0 for the empty and the full one.

    Args:
        spacing: mm along the three axes of the array from which the codes come.
    """
    s0, s1, s2 = (float(value) for value in spacing)
    faces = np.array([s1 * s2, s0 * s2, s0 * s1])
    areas: NDArray[np.float64] = np.sqrt(((_normals() * faces) ** 2).sum(axis=-1)).sum(axis=-1)
    return areas


@cache
def _normals() -> NDArray[np.float64]:
    """(256, 4, 3): each code's triangles as normals, in block faces; unused ones are zero."""
    normals = np.zeros((NUM_CODES, 4, 3))
    for pattern, triangles in _PATTERNS:
        base = np.zeros((4, 3))
        base[: len(triangles)] = np.array(triangles) / 8
        bits = np.array([pattern >> shift & 1 for shift in range(7, -1, -1)]).reshape(2, 2, 2)
        for axes, flips in product(permutations(range(3)), product((1, -1), repeat=3)):
            turned = bits[:: flips[0], :: flips[1], :: flips[2]].transpose(axes)
            code = int(np.packbits(turned.astype(np.uint8))[0])
            normals[[code, NUM_CODES - 1 - code]] = base[:, axes]
    return normals
