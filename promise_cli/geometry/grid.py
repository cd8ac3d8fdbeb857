"""Grid of a volume: its shape and affine, and the conversion between voxel indices and millimetres."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Affine = NDArray[np.float64]
Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]

LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])
"""Factors that convert RAS to LPS coordinates and back.

ITK, DICOM and 3D Slicer's files use LPS: left and posterior are positive. NIfTI uses RAS: right and anterior are
positive.
"""

GRID_TOLERANCE = 0.1
"""Largest distance between the corners of two grids that count as equal, as a share of the smallest spacing.

It allows for rounded numbers in file headers.
"""


@dataclass(frozen=True, eq=False)
class Grid:
    """Regular grid of voxels in world space.

    Raises:
        ValueError: The affine is not finite or not invertible, or an axis has no voxel.
    """

    shape: Shape
    """Number of voxels along each axis, (I, J, K)."""
    affine: Affine
    """Matrix (4, 4) that converts a voxel index (i, j, k, 1) to RAS millimetres (x, y, z, 1)."""

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise ValueError(f"a grid of {format_shape(self.shape)} voxels is empty")
        if not np.isfinite(self.affine).all() or abs(np.linalg.det(self.affine[:3, :3])) < 1e-12:
            raise ValueError(f"the affine {np.asarray(self.affine).tolist()} cannot be inverted")

    @cached_property
    def spacing(self) -> Spacing:
        """Distance between neighbouring voxels in mm along i, j, k."""
        i, j, k = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)).tolist()
        return i, j, k

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml. If the axes are sheared, it is less than the product of the spacings."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000

    @cached_property
    def shear_degrees(self) -> float:
        """Largest deviation of two axes from a right angle, in degrees."""
        unit = self.affine[:3, :3] / np.array(self.spacing)
        cosines = np.abs(unit.T @ unit - np.eye(3))
        return float(np.degrees(np.arcsin(min(1.0, cosines.max()))))

    def world(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """Convert voxel indices `(..., 3)` to RAS millimetres `(..., 3)`."""
        return np.asarray(ijk, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def ijk(self, world: ArrayLike) -> NDArray[np.float64]:
        """Convert RAS millimetres `(..., 3)` to fractional voxel indices `(..., 3)`."""
        return (np.asarray(world, dtype=np.float64) - self.affine[:3, 3]) @ np.linalg.inv(
            self.affine[:3, :3]
        ).T

    def contains(self, ijk: ArrayLike) -> bool:
        """Whether the voxel nearest to the index `ijk` (3 numbers) lies in this grid."""
        index = np.asarray(ijk, dtype=np.float64)
        return bool(np.all(index >= -0.5) and np.all(index < np.array(self.shape) - 0.5))

    def is_that_of(self, other: "Grid") -> bool:
        """Whether two grids are equal, apart from rounded numbers in file headers (see `GRID_TOLERANCE`)."""
        return self.distance_mm(other) <= GRID_TOLERANCE * min(other.spacing)

    def distance_mm(self, other: "Grid") -> float:
        """Measure the largest distance in mm between corresponding corners; infinite if the shapes differ."""
        if self.shape != other.shape:
            return float("inf")
        corners = (
            np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        )
        return float(np.linalg.norm(self.world(corners) - other.world(corners), axis=1).max())


def format_shape(shape: Sequence[int]) -> str:
    """Format a shape for messages, such as `512 x 512 x 110`."""
    return " x ".join(str(int(n)) for n in shape)


def format_spacing(spacing: Sequence[float] | NDArray[np.float64]) -> str:
    """Format a spacing for messages, such as `0.8 x 0.8 x 2.5 mm`."""
    return " x ".join(f"{value:g}" for value in np.round(spacing, 4)) + " mm"
