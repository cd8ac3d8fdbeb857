"""Draw a made-up part of an abdomen in HU: body wall, organs, bone, gas, and similar lumps in one organ.

One of the lumps is the target, and only a click can say which. Size, shape, HU, texture and place of all lumps are
drawn from the same distributions, and the target is chosen at random afterwards. Lengths are millimetres in the box of
the scan: its axes (i, j, k) point right, anterior and superior, and its origin is in the middle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from promise_cli.geometry.grid import Shape, Spacing

Field = NDArray[np.float32]
Vector = NDArray[np.float64]

LUMP_ACROSS_MM = (14.0, 25.0)
"""Range in mm of the diameter of a ball with about a lump's volume; most lumps are 16 to 32 mm long."""
LUMP_CONTRAST_HU = (25.0, 40.0)
"""Range of the difference in HU between the lumps of a case and their organ."""
LUMP_DISTANCE_MM = (28.0, 45.0)
"""Range of the distance between the centres of neighbouring lumps, in mm."""
LUMP_GAP_MM = 4.0
"""Smallest distance between the surfaces of two lumps, in mm."""
# These steps make coverage accurate to about 0.01 and are still quick on a laptop.
_FINE_MM = 0.5
_COARSE_MM = 1.5


@dataclass(frozen=True, eq=False)
class Blob:
    """An ellipsoid whose surface random waves push in and out; it is star-shaped, and therefore in one piece."""

    centre: Vector
    """Centre in mm, (3,)."""
    semi_axes: Vector
    """Half the lengths of the axes in mm, (3,)."""
    turn: Vector
    """Rotation matrix, (3, 3), whose columns are the directions of the blob's axes."""
    waves: Vector
    """Wave vectors of the waves on the unit sphere, (3, W), in radians per unit of length."""
    phases: Vector
    """Phases of the waves in radians, (W,)."""
    heights: Vector
    """Heights of the waves, (W,), as the natural logarithm of the factor that stretches the radius."""

    def depth_mm(self, points: Field) -> Field:
        """Return the depth in mm of points (..., 3) below the surface, negative outside; it is exact only near it."""
        scaled = (points - self.centre.astype(np.float32)) @ self.turn.astype(np.float32)
        scaled /= self.semi_axes.astype(np.float32)
        radius = np.maximum(np.sqrt(np.einsum("...a,...a->...", scaled, scaled)), np.float32(1e-3))
        scaled /= radius[..., None]
        crest = np.cos(scaled @ self.waves.astype(np.float32) + self.phases.astype(np.float32))
        surface = np.exp(crest @ self.heights.astype(np.float32))
        scaled /= self.semi_axes.astype(np.float32)  # now the gradient of `radius`, per mm
        slope = np.sqrt(np.einsum("...a,...a->...", scaled, scaled))
        depth: Field = (surface - radius) / slope
        return depth

    def surface(self, directions: Vector) -> Vector:
        """Return points of the surface (N, 3), one per unit vector (N, 3) of the ball from which the blob is made."""
        stretch = np.exp(np.cos(directions @ self.waves + self.phases) @ self.heights)
        return self.centre + (directions * stretch[:, None] * self.semi_axes) @ self.turn.T

    def reach_mm(self) -> float:
        """Return an upper bound of the distance in mm of the blob's points from its centre."""
        return float(self.semi_axes.max() * np.exp(np.abs(self.heights).sum()))


@dataclass(frozen=True, eq=False)
class Anatomy:
    """An anatomy on the scan's voxels, as a perfect scanner would show it."""

    image: Field
    """HU, (I, J, K), each averaged over its voxel."""
    lumps: tuple[NDArray[np.bool_], ...]
    """One mask (I, J, K) per lump, of the voxels that the lump fills at least by half."""
    target: int
    """Index of the lump that is the target."""


def draw_anatomy(shape: Shape, spacing: Spacing, rng: np.random.Generator) -> Anatomy:
    """Draw a random anatomy in a box of `shape` voxels with a spacing of `spacing` mm."""
    box = _Box(shape, spacing)
    body, inset, organ, lumps = _draw_layout(box, rng)
    image = np.full(shape, -1000, dtype=np.float32)
    shells = box.coverages(body, (0.0, 2.0, inset - 9.0, inset))
    for coverage, hu in zip(shells, (20.0, -105.0, 55.0, -95.0), strict=True):
        _paint(image, coverage, hu)
    cavity = shells[-1]
    for blob, rings in _draw_neighbours(rng):
        coverages = box.coverages(blob, [depth for depth, _ in rings])
        for coverage, (_, hu) in zip(coverages, rings, strict=True):
            _paint(image, coverage * (shells[1] if rings[0][1] > 300 else cavity), hu)
    organ_hu = rng.uniform(65, 95)
    organ_coverage = box.coverages(organ)[0] * cavity
    _paint(image, organ_coverage, organ_hu)
    for vessel in _draw_vessels(organ, rng):
        _paint(image, box.coverages(vessel)[0] * organ_coverage, organ_hu + 45)
    lump_hu = organ_hu + rng.uniform(*LUMP_CONTRAST_HU)
    coverages = [box.coverages(lump, step_mm=_FINE_MM)[0] for lump in lumps]
    for coverage in coverages:
        _paint(image, coverage, lump_hu)
    image += _texture(box, 4.0, rng) * 4 * shells[0]
    image += _texture(box, 2.0, rng) * 4 * np.sum(coverages, axis=0, dtype=np.float32)
    return Anatomy(
        image=image,
        lumps=tuple(coverage >= 0.5 for coverage in coverages),
        target=int(rng.integers(len(lumps))),
    )


class _Box:
    """The voxels of a scan, for computing the share of each voxel that a blob covers."""

    def __init__(self, shape: Shape, spacing: Spacing) -> None:
        self.shape = shape
        self.spacing = np.array(spacing)
        self.half_mm = self.spacing * shape / 2

    def coverages(
        self, blob: Blob, insets_mm: Sequence[float] = (0.0,), step_mm: float = _COARSE_MM
    ) -> list[Field]:
        """Return, for each depth in `insets_mm`, the share (I, J, K) of every voxel that lies deeper in the blob.

        Voxels are divided into parts of at most `step_mm`. A part that the surface crosses counts in proportion to its
        depth.
        """
        low = np.floor((blob.centre - blob.reach_mm() + self.half_mm) / self.spacing).astype(int)
        high = np.ceil((blob.centre + blob.reach_mm() + self.half_mm) / self.spacing).astype(int)
        low, high = np.clip(low, 0, self.shape), np.clip(high, 0, self.shape)
        parts = np.ceil(self.spacing / step_mm).astype(int)
        steps = self.spacing / parts
        inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [
            (np.arange(low[a] * parts[a], high[a] * parts[a]) + 0.5) * steps[a] - self.half_mm[a]
            for a in range(3)
        ]
        # One plane at a time fits into the processor's cache.
        depth = np.stack([blob.depth_mm(_plane(i, axes[1], axes[2])) for i in axes[0]])
        split = [n for a in range(3) for n in (high[a] - low[a], parts[a])]
        found = []
        for inset in insets_mm:
            share = np.clip((depth - inset) / np.float32(steps.mean()) + 0.5, 0, 1)
            coverage = np.zeros(self.shape, dtype=np.float32)
            coverage[inside] = share.reshape(split).mean(axis=(1, 3, 5))
            found.append(coverage)
        return found


def _plane(i: float, j: Vector, k: Vector) -> Field:
    """Return the points (J, K, 3) of one plane perpendicular to the first axis."""
    points = np.empty((len(j), len(k), 3), dtype=np.float32)
    points[..., 0], points[..., 1], points[..., 2] = i, j[:, None], k
    return points


def _draw_layout(box: _Box, rng: np.random.Generator) -> tuple[Blob, float, Blob, list[Blob]]:
    """Draw body, thickness of its wall in mm, organ, and three to five lumps well inside all of these."""
    while True:
        body = _draw_blob(rng, (-45, 0, 0), (118, 92, 400), spread=(8, 6, 10), height=0.01, tilt=0)
        inset = rng.uniform(17, 24)
        organ = _draw_blob(rng, (3, 6, 0), (52, 46, 58), spread=(4, 4, 6), height=0.08, tilt=0.3)
        num_lumps = int(rng.integers(3, 6))
        has_room = partial(_has_room, box=box, body=body, inset=inset, organ=organ)
        lumps = _draw_lumps(num_lumps, has_room, rng)
        if lumps is not None:
            return body, inset, organ, lumps


def _has_room(surface: Vector, box: _Box, body: Blob, inset: float, organ: Blob) -> bool:
    """Whether points (N, 3) of a surface lie well inside the scan, the organ and the body's wall."""
    points = surface.astype(np.float32)
    return bool(
        np.all(box.half_mm - np.abs(surface) > 3)
        and np.all(organ.depth_mm(points) > 3)
        and np.all(body.depth_mm(points) > inset + 2)
    )


def _draw_lumps(
    num_lumps: int, has_room: Callable[[Vector], bool], rng: np.random.Generator
) -> list[Blob] | None:
    """Draw lumps next to each other; return None if no room was found for that many."""
    lumps: list[Blob] = []
    surfaces: list[Vector] = []
    directions = _unit_vectors(400, rng)
    for _ in range(300):
        beside = lumps[rng.integers(len(lumps))].centre if lumps else np.zeros(3)
        way = _unit_vectors(1, rng)[0]
        lump = _draw_lump(beside + way * (rng.uniform(*LUMP_DISTANCE_MM) if lumps else 15), rng)
        surface = lump.surface(directions)
        apart = [np.linalg.norm(lump.centre - other.centre) for other in lumps]
        if (
            all(distance >= LUMP_DISTANCE_MM[0] for distance in apart)
            and has_room(surface)
            and all(_gap_mm(surface, other) >= LUMP_GAP_MM for other in surfaces)
        ):
            lumps.append(lump)
            surfaces.append(surface)
        if len(lumps) == num_lumps:
            return lumps
    return None


def _gap_mm(one: Vector, other: Vector) -> float:
    return float(np.linalg.norm(one[:, None] - other[None], axis=-1).min())


def _draw_lump(centre: Vector, rng: np.random.Generator) -> Blob:
    across = rng.uniform(*LUMP_ACROSS_MM)
    stretch = rng.uniform(0.85, 1.2, size=3)
    semi_axes = across / 2 * stretch / np.cbrt(np.prod(stretch))
    return _draw_blob(rng, centre, semi_axes, height=0.11, tilt=np.pi, steep=6.0)


def _draw_neighbours(rng: np.random.Generator) -> list[tuple[Blob, list[tuple[float, float]]]]:
    """Draw what lies around the organ, in the order of painting.

    Returns:
        Each blob with its layers, from the outside to the inside: depth in mm where the layer begins, and its HU.
    """
    found = []
    for height in (-28, 14, 46):  # one rib at each height in mm
        rib = _draw_blob(rng, (58, 0, height), (4.5, 26, 6), spread=(2, 8, 4), height=0.04)
        found.append((rib, [(0.0, 480.0), (2.0, 170.0)]))
    spine = _draw_blob(rng, (-56, -44, 0), (21, 17, 300), spread=(4, 4, 0), height=0.06, tilt=0)
    found.append((spine, [(0.0, 420.0), (2.0, 180.0)]))
    kidney = _draw_blob(rng, (-12, -44, -8), (20, 17, 42), spread=(5, 4, 10), height=0.05)
    found.append((kidney, [(0.0, rng.uniform(130, 170)), (9.0, 60.0)]))
    for _ in range(3):
        bowel = _draw_blob(rng, (-42, 26, 0), (13, 13, 22), spread=(10, 16, 35), height=0.12)
        filling = -700.0 if rng.random() < 0.5 else 15.0
        found.append((bowel, [(0.0, 45.0), (2.5, filling)]))
    return found


def _draw_vessels(organ: Blob, rng: np.random.Generator) -> list[Blob]:
    ways = _unit_vectors(4, rng)
    return [
        _draw_blob(rng, organ.centre + way * 22, (2.2, 2.6, 30), height=0.06, tilt=np.pi)
        for way in ways
    ]


def _draw_blob(
    rng: np.random.Generator,
    centre: Sequence[float] | Vector,
    semi_axes: Sequence[float] | Vector,
    *,
    spread: Sequence[float] = (0, 0, 0),
    height: float = 0.1,
    tilt: float = 0.35,
    steep: float = 3.0,
) -> Blob:
    """Draw a blob of about this place and size.

    Its centre lies at most `spread` mm from `centre` along each axis, and it is turned by at most `tilt` radians. The
    largest height of a wave is `height` (see `Blob.heights`), and the longest wave vector has the length `steep`.
    """
    waves = _unit_vectors(7, rng).T * rng.uniform(1.5, steep, size=7)
    return Blob(
        centre=np.asarray(centre) + rng.uniform(-1, 1, size=3) * spread,
        semi_axes=np.asarray(semi_axes, dtype=np.float64) * rng.uniform(0.95, 1.05, size=3),
        turn=rotation(_unit_vectors(1, rng)[0], rng.uniform(-tilt, tilt)),
        waves=waves,
        phases=rng.uniform(0, 2 * np.pi, size=7),
        heights=rng.uniform(0.5, 1, size=7) * height,
    )


def rotation(axis: Vector, angle: float) -> Vector:
    """Return the matrix (3, 3) that turns by `angle` radians around the unit vector `axis` (Rodrigues' formula)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: Vector = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn


def _unit_vectors(count: int, rng: np.random.Generator) -> Vector:
    vectors = rng.normal(size=(count, 3))
    unit: Vector = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _paint(image: Field, coverage: Field, hu: float) -> None:
    image += coverage * (np.float32(hu) - image)


def _texture(box: _Box, size_mm: float, rng: np.random.Generator) -> Field:
    """Draw smooth random noise (I, J, K) with standard deviation 1, in spots of about twice `size_mm`."""
    grain = rng.standard_normal(box.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(grain, size_mm / box.spacing, mode="wrap")
    return grain / grain.std()
