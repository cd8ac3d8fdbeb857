"""Draws three slices through a scan with the outlines of masks, as pictures inside a page."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.box import Box, Index, bounding_box
from promise_cli.geometry.grid import Spacing

MARGIN_MM = 25.0
"""Width of the margin around the masks in a picture, in mm."""
LEAST_MM = 80.0
"""Smallest width and height of a picture, in mm, unless the scan is smaller."""
CROSS_MM = 6.0
"""Length of the lines of a click's cross, in mm."""
BACKGROUND_CLICK = "background-click"
"""CSS class of a background click. Its cross is drawn as an X; other crosses are upright."""
BARS_MM = (1, 2, 5, 10, 20, 50, 100)
"""Lengths that a scale bar may have, in mm."""
QUALITY = 80
"""JPEG quality, 1 to 95."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A mask whose outline is drawn."""

    name: str
    """CSS class of its line, such as `label` or `prediction`."""
    mask: NDArray[np.bool_]
    """Voxels of the mask, (I, J, K), with axes RAS."""


@dataclass(frozen=True)
class SlicePicture:
    """One slice as radiologists see it: the patient's right is at the left, and anterior or superior is at the top."""

    plane: str
    left: str
    """Side of the patient at the left of the picture, such as R."""
    top: str
    """Side of the patient at the top of the picture, such as A."""
    number: int
    """Number of the slice, counted from 1."""
    of: int
    """Number of slices of the scan in this plane."""
    counted_from: str
    """Side of the patient where the first slice lies."""
    width_mm: float
    height_mm: float
    columns: int
    rows: int
    image: str | None
    """Grey picture as a `data:` address; None if there is no scan."""
    outlines: tuple[tuple[str, str], ...]
    """CSS class and SVG path, in voxels, of each mask and cross that meets the slice."""
    window: tuple[float, float] | None = None
    """Width and level of the greys, in the scan's intensities (HU for CT); None if there is no scan."""

    @property
    def bar_mm(self) -> int:
        """Length of the scale bar: the longest of a few round numbers that takes at most a third of the picture."""
        return max((mm for mm in BARS_MM if mm <= self.width_mm / 3), default=BARS_MM[0])

    @property
    def window_text(self) -> str:
        """Width and level of the greys, such as `W 295 L 30` or `W 0.980 L 0.512`; empty without a scan.

        Both have as many decimals as the width needs for three digits.
        """
        if self.window is None:
            return ""
        width, level = self.window
        places = max(0, 2 - math.floor(math.log10(width))) if width > 0 else 0
        return f"W {width:.{places}f} L {level:.{places}f}"

    @property
    def spacing(self) -> tuple[float, float]:
        """Distance between columns and between rows, in mm."""
        return self.width_mm / self.columns, self.height_mm / self.rows


_PLANES = (
    # name, axis across the plane, side at which it begins, axes of columns and rows, sides at which these begin
    ("axial", 2, "below", 0, 1, "R", "A"),
    ("coronal", 1, "behind", 0, 2, "R", "S"),
    ("sagittal", 0, "the left", 1, 2, "A", "S"),
)
"""Planes of the pictures. Columns and rows run against the RAS axes: columns from the patient's right or anterior side,
rows from the anterior or superior side."""


def draw_slices(
    image: NDArray[Any] | None,
    outlines: Sequence[Outline],
    spacing: Spacing,
    at: Index | None = None,
    clicks: Sequence[tuple[str, Index]] = (),
    *,
    project_clicks: bool = False,
) -> tuple[SlicePicture, ...]:
    """Draw axial, coronal and sagittal slices, cut to the masks and a margin around them.

    Args:
        image: Intensities (I, J, K) with axes RAS; None if there is no scan.
        outlines: Masks of the same voxels, at least one.
        spacing: Spacing in mm along i, j, k.
        at: Voxel through which the slices go. With None, they are the slices in which the first two masks differ most,
            or those in which a single mask is largest.
        clicks: CSS class and voxel of each cross. A cross is drawn in the slices in which it lies.
        project_clicks: Whether to draw clicks of other slices too, with the further CSS class `elsewhere`.

    Returns:
        Three pictures. None at all if all masks are empty and `at` is None.
    """
    spans = [box for outline in outlines if _is_filled(box := bounding_box(outline.mask))]
    if at is not None:
        spans.append((slice(at[0], at[0] + 1), slice(at[1], at[1] + 1), slice(at[2], at[2] + 1)))
    if not spans:
        return ()
    i, j, k = (
        _around([span[axis] for span in spans], spacing[axis], outlines[0].mask.shape[axis])
        for axis in range(3)
    )
    box = (i, j, k)
    first = [span.start for span in box]
    cut = [Outline(outline.name, outline.mask[box]) for outline in outlines]
    centre = (
        _fullest_slices([outline.mask for outline in cut])
        if at is None
        else [index - start for index, start in zip(at, first, strict=True)]
    )
    crosses = [
        (name, [index - start for index, start in zip(voxel, first, strict=True)])
        for name, voxel in clicks
    ]
    greys, window = (None, None) if image is None else _to_greys(image[box])
    size = outlines[0].mask.shape
    shown = _Shown(greys, window, cut, crosses, project_clicks, spacing, centre, first, size)
    return tuple(_draw(plane, shown) for plane in _PLANES)


@dataclass(frozen=True, eq=False)
class _Shown:
    """The part of a scan that is drawn. Voxels are counted from the first voxel of this part."""

    greys: NDArray[np.uint8] | None
    window: tuple[float, float] | None
    outlines: Sequence[Outline]
    crosses: Sequence[tuple[str, list[int]]]
    project_clicks: bool
    spacing: Spacing
    centre: list[int]
    first: list[int]
    """Voxel of the scan at which this part begins."""
    size: Sequence[int]
    """Shape of the whole scan, (I, J, K)."""


def _draw(plane: tuple[str, int, str, int, int, str, str], shown: _Shown) -> SlicePicture:
    name, across, counted_from, column, row, left, top = plane

    def cut(array: NDArray[Any]) -> NDArray[Any]:
        at = tuple(shown.centre[across] if axis == across else slice(None) for axis in range(3))
        flat: NDArray[Any] = array[at]  # the two other axes in ascending order: column, row
        return flat.T[::-1, ::-1]

    columns, rows = (shown.outlines[0].mask.shape[axis] for axis in (column, row))
    steps = shown.spacing[column], shown.spacing[row]
    paths = [(outline.name, outline_path(cut(outline.mask))) for outline in shown.outlines]
    for kind, voxel in shown.crosses:
        here = voxel[across] == shown.centre[across]
        draw = _diagonal_path if kind == BACKGROUND_CLICK else _cross_path
        path = draw(columns - voxel[column] - 0.5, rows - voxel[row] - 0.5, steps)
        if here or shown.project_clicks:
            paths.append((kind if here else f"{kind} elsewhere", path))
    return SlicePicture(
        plane=name,
        left=left,
        top=top,
        number=shown.first[across] + shown.centre[across] + 1,
        of=shown.size[across],
        counted_from=counted_from,
        width_mm=columns * steps[0],
        height_mm=rows * steps[1],
        columns=columns,
        rows=rows,
        image=None if shown.greys is None else _to_jpeg(cut(shown.greys)),
        outlines=tuple((kind, path) for kind, path in paths if path),
        window=shown.window,
    )


def _cross_path(x: float, y: float, steps: tuple[float, float]) -> str:
    """Return the SVG path of an upright cross around a point, in voxels whose edges are `steps` mm long."""
    reach_x, reach_y = (CROSS_MM / 2 / step for step in steps)
    return f"M{x - reach_x:g} {y:g}h{2 * reach_x:g}M{x:g} {y - reach_y:g}v{2 * reach_y:g}"


def _diagonal_path(x: float, y: float, steps: tuple[float, float]) -> str:
    """Return the SVG path of an X around a point. Its lines are as long as those of an upright cross."""
    across, down = (CROSS_MM / 2 / math.sqrt(2) / step for step in steps)
    lines = ((-across, -down, 2 * across, 2 * down), (-across, down, 2 * across, -2 * down))
    return "".join(f"M{x + dx:g} {y + dy:g}l{to_x:g} {to_y:g}" for dx, dy, to_x, to_y in lines)


def outline_path(mask: NDArray[np.bool_]) -> str:
    """Return the SVG path along the outline of a mask (rows, columns), in voxels. It is empty for an empty mask."""
    padded = np.pad(mask, 1).astype(np.int8)
    parts = []
    for across, letter in ((0, "h"), (1, "v")):
        edges = np.diff(padded, axis=across) != 0
        lines = edges[:, 1:-1] if across == 0 else edges[1:-1].T
        for at, line in enumerate(lines):
            ends = np.flatnonzero(np.diff(np.concatenate(([0], line.view(np.int8), [0]))))
            for begin, end in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True):
                x, y = (begin, at) if across == 0 else (at, begin)
                parts.append(f"M{x} {y}{letter}{end - begin}")
    return "".join(parts)


def _fullest_slices(masks: Sequence[NDArray[np.bool_]]) -> list[int]:
    """Return the slice across each axis in which the first two masks differ most.

    If there is one mask, or they do not differ, it is the slice that holds most voxels of the masks.
    """
    union = np.logical_or.reduce(masks)
    differing = masks[0] ^ masks[1] if len(masks) > 1 else union
    shown = differing if differing.any() else union
    return [
        int(np.count_nonzero(shown, axis=others).argmax()) for others in ((1, 2), (0, 2), (0, 1))
    ]


def _is_filled(box: Box) -> bool:
    return box[0].stop > box[0].start


def _around(spans: Sequence[slice], step: float, size: int) -> slice:
    """Return the part that a picture shows of an axis with `size` voxels of `step` mm."""
    first, stop = min(span.start for span in spans), max(span.stop for span in spans)
    extent = max((stop - first) * step + 2 * MARGIN_MM, LEAST_MM)
    middle, half = (first + stop) / 2, extent / step / 2
    return slice(max(0, round(middle - half)), min(size, round(middle + half)))


def _to_greys(image: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Map intensities from the 1st to the 99th percentile to 0 to 255. Return also this window's width and level."""
    shown = np.asarray(image, dtype=np.float32)
    low, high = np.percentile(shown, (1, 99)).tolist()
    scaled = (shown - low) / max(high - low, 1e-6) * 255
    greys: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return greys, (high - low, (high + low) / 2)


def _to_jpeg(greys: NDArray[np.uint8]) -> str:
    from PIL import Image  # noqa: PLC0415

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(greys)).save(file, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
