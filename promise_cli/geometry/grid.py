"""Where voxels lie: shape and affine of a volume, and the way between voxel indices and millimetres."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Affine = NDArray[np.float64]
Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]

LPS_FROM_RAS = np.array([-1.0, -1.0, 1.0])
"""ITK, DICOM and 3D Slicer's files count left and posterior as positive, NIfTI right and anterior."""

GRID_TOLERANCE = 0.1
"""How far corners of one grid in two files may lie apart, as a share of the smallest spacing: headers round."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A lattice of voxels in the world.

    Raises:
        ValueError: The affine is not finite or not invertible, or an axis is empty.
    """

    shape: Shape
    """Voxels along i, j, k."""
    affine: Affine
    """(4, 4), voxel index (i, j, k, 1) to RAS millimetres (x, y, z, 1)."""

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise ValueError(f"a grid of {format_shape(self.shape)} voxels is empty")
        if not np.isfinite(self.affine).all() or abs(np.linalg.det(self.affine[:3, :3])) < 1e-12:
            raise ValueError(f"the affine {np.asarray(self.affine).tolist()} cannot be inverted")

    @cached_property
    def spacing(self) -> Spacing:
        """Millimetres from one voxel to the next along i, j, k."""
        i, j, k = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)).tolist()
        return i, j, k

    @property
    def voxel_ml(self) -> float:
        """Millilitres of one voxel, which leaning axes make less than the product of its edges."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000

    @cached_property
    def shear_degrees(self) -> float:
        """Largest deviation of two axes from a right angle, in degrees."""
        unit = self.affine[:3, :3] / np.array(self.spacing)
        cosines = np.abs(unit.T @ unit - np.eye(3))
        return float(np.degrees(np.arcsin(min(1.0, cosines.max()))))

    def world(self, ijk: ArrayLike) -> NDArray[np.float64]:
        """Voxel indices `(..., 3)` to RAS millimetres."""
        return np.asarray(ijk, dtype=np.float64) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def ijk(self, world: ArrayLike) -> NDArray[np.float64]:
        """RAS millimetres `(..., 3)` to (fractional) voxel indices."""
        return (np.asarray(world, dtype=np.float64) - self.affine[:3, 3]) @ np.linalg.inv(
            self.affine[:3, :3]
        ).T

    def contains(self, ijk: ArrayLike) -> bool:
        """Whether the voxel nearest to `ijk` (3 numbers) is one of this grid's."""
        index = np.asarray(ijk, dtype=np.float64)
        return bool(np.all(index >= -0.5) and np.all(index < np.array(self.shape) - 0.5))

    def is_that_of(self, other: "Grid") -> bool:
        """Whether two grids are one but for the rounding of headers."""
        return self.distance_mm(other) <= GRID_TOLERANCE * min(other.spacing)

    def distance_mm(self, other: "Grid") -> float:
        """The largest distance between the same corners of two grids; infinite where their shapes differ."""
        if self.shape != other.shape:
            return float("inf")
        corners = (
            np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        )
        return float(np.linalg.norm(self.world(corners) - other.world(corners), axis=1).max())


def format_shape(shape: Sequence[int]) -> str:
    """`512 x 512 x 110`, as messages say it."""
    return " x ".join(str(int(n)) for n in shape)


def format_spacing(spacing: Sequence[float] | NDArray[np.float64]) -> str:
    """`0.8 x 0.8 x 2.5 mm`, as messages say it."""
    return " x ".join(f"{value:g}" for value in np.round(spacing, 4)) + " mm"
