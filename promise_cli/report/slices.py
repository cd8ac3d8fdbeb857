"""Three slices through a scan with the outlines of masks, as pictures that stand inside a page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.bounding_box import Box, bounding_box
from promise_cli.grid import Spacing

MARGIN_MM = 25.0
"""A picture shows so much round the masks."""
LEAST_MM = 80.0
"""And no less than this from edge to edge."""
QUALITY = 80
"""Of the JPEG."""


@dataclass(frozen=True, eq=False)
class Outline:
    """One mask to draw."""

    name: str
    """CSS class of its line, such as `label` or `prediction`."""
    mask: NDArray[np.bool_]
    """(I, J, K), axes RAS."""


@dataclass(frozen=True)
class SlicePicture:
    """One slice, seen as radiologists do: the patient's right at the left, anterior or superior at the top."""

    plane: str
    left: str
    """Which side of the patient is at the left of the picture; `top` likewise."""
    top: str
    position_mm: float
    """Of the slice along its axis, from the first."""
    width_mm: float
    height_mm: float
    columns: int
    rows: int
    image: str | None
    """`data:` address of the greys; None where there is no scan."""
    outlines: tuple[tuple[str, str], ...]
    """Name and SVG path, in voxels, of each mask that meets the slice."""


_PLANES = (
    # across, then the axes of columns and rows, and whether they run against the picture
    ("axial", 2, 0, 1, "R", "A"),
    ("coronal", 1, 0, 2, "R", "S"),
    ("sagittal", 0, 1, 2, "A", "S"),
)
"""In RAS, columns run from right to left of the patient, or from anterior; rows from anterior or superior: all
against the axis."""


def draw_slices(
    image: NDArray[Any] | None, outlines: Sequence[Outline], spacing: Spacing
) -> tuple[SlicePicture, ...]:
    """Axial, coronal and sagittal slices where the first two masks differ most, cut to what is round them.

    Args:
        image: (I, J, K) intensities, axes RAS; None where there is no scan.
        outlines: Masks of the same voxels; with one mask, its largest slices are shown.
        spacing: mm along i, j, k.

    Returns:
        Three pictures; none where all masks are empty.
    """
    filled = [box for outline in outlines if _is_filled(box := bounding_box(outline.mask))]
    if not filled:
        return ()
    i, j, k = (
        _around([span[axis] for span in filled], spacing[axis], outlines[0].mask.shape[axis])
        for axis in range(3)
    )
    box = (i, j, k)
    masks = [outline.mask[box] for outline in outlines]
    union = np.logical_or.reduce(masks)
    differing = masks[0] ^ masks[1] if len(masks) > 1 else union
    centre = [_fullest(differing if differing.any() else union, axis) for axis in range(3)]
    greys = None if image is None else _to_greys(image[box])
    cut = [Outline(outline.name, mask) for outline, mask in zip(outlines, masks, strict=True)]
    first = [span.start for span in box]
    return tuple(_draw(plane, greys, cut, spacing, centre, first) for plane in _PLANES)


def _draw(
    plane: tuple[str, int, int, int, str, str],
    greys: NDArray[np.uint8] | None,
    outlines: Sequence[Outline],
    spacing: Spacing,
    centre: list[int],
    first: list[int],
) -> SlicePicture:
    """One plane of what is shown already; `first` is where that begins in the scan."""
    name, across, column, row, left, top = plane

    def cut(array: NDArray[Any]) -> NDArray[Any]:
        at = tuple(centre[across] if axis == across else slice(None) for axis in range(3))
        flat: NDArray[Any] = array[at]  # the two other axes in ascending order: column, row
        return flat.T[::-1, ::-1]

    columns, rows = (outlines[0].mask.shape[axis] for axis in (column, row))
    return SlicePicture(
        plane=name,
        left=left,
        top=top,
        position_mm=(first[across] + centre[across]) * spacing[across],
        width_mm=columns * spacing[column],
        height_mm=rows * spacing[row],
        columns=columns,
        rows=rows,
        image=None if greys is None else _to_jpeg(cut(greys)),
        outlines=tuple(
            (outline.name, path)
            for outline in outlines
            if (path := outline_path(cut(outline.mask)))
        ),
    )


def outline_path(mask: NDArray[np.bool_]) -> str:
    """SVG path along the edges of the voxels of a (rows, columns) mask; empty for an empty one."""
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


def _fullest(mask: NDArray[np.bool_], axis: int) -> int:
    """The slice across an axis that holds most of a mask."""
    others = tuple(other for other in range(3) if other != axis)
    return int(np.count_nonzero(mask, axis=others).argmax())


def _is_filled(box: Box) -> bool:
    return box[0].stop > box[0].start


def _around(spans: Sequence[slice], step: float, size: int) -> slice:
    """What a picture shows along an axis of so many voxels."""
    first, stop = min(span.start for span in spans), max(span.stop for span in spans)
    extent = max((stop - first) * step + 2 * MARGIN_MM, LEAST_MM)
    middle, half = (first + stop) / 2, extent / step / 2
    return slice(max(0, round(middle - half)), min(size, round(middle + half)))


def _to_greys(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Intensities between the 1st and 99th percentile as 0 to 255."""
    shown = np.asarray(image, dtype=np.float32)
    low, high = np.percentile(shown, (1, 99)).tolist()
    scaled = (shown - low) / max(high - low, 1e-6) * 255
    greys: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return greys


def _to_jpeg(greys: NDArray[np.uint8]) -> str:
    from PIL import Image  # noqa: PLC0415

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(greys)).save(file, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
