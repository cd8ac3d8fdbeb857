"""A picture of one case: three slices through the click, with the outlines of prediction and label."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.atomic import whole_file
from promise_cli.bounding_box import bounding_box
from promise_cli.grid import Spacing

REACH_MM = 45.0
"""A picture shows at least this much of the scan on each side of the click."""
MARGIN_MM = 10.0
"""And this much round the mask, where it reaches further."""
COLOURS = ("tab:orange", "tab:green", "tab:purple", "tab:olive", "tab:pink")
"""Of the outlines of lesions that are told apart."""

PLANES = (("sagittal", 0), ("coronal", 1), ("axial", 2))
"""Names of the planes across i, j and k of an RAS array."""

SIDES = ("left - right", "posterior - anterior", "inferior - superior")
"""Where the axes run: not as radiologists hang a film."""


def draw_case(
    image: NDArray[Any],
    prediction: NDArray[Any],
    label: NDArray[np.bool_] | None,
    click: tuple[int, int, int],
    spacing: Spacing,
    title: str,
    path: Path,
) -> None:
    """Draw the slices through `click` as a PNG file; the arguments are those of `picture_of_case`.

    Args:
        image: (I, J, K), axes RAS.
        prediction: The same voxels.
        label: The same voxels, or None where the truth is not known.
        click: Voxel (i, j, k).
        spacing: Millimetres along i, j, k.
        title: Above the picture.
        path: Appears whole or not at all.
    """
    drawn = picture_of_case(image, prediction, label, click, spacing, title)
    with whole_file(path) as temporary:
        temporary.write_bytes(drawn)


def picture_of_case(
    image: NDArray[Any],
    prediction: NDArray[Any],
    label: NDArray[np.bool_] | None,
    click: tuple[int, int, int],
    spacing: Spacing,
    title: str,
    *,
    mark: bool = True,
) -> bytes:
    """The slices through `click`, with 45 mm round it and all of the mask, as a PNG, true to scale.

    Args:
        image: (I, J, K), axes RAS.
        prediction: The same voxels; true, or the values of lesions that are told apart.
        label: The same voxels, or None where the truth is not known.
        click: Voxel (i, j, k).
        spacing: Millimetres along i, j, k.
        title: Above the picture.
        mark: Whether the place is a click, which gets a cross.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  a second to import

    near = _near(click, spacing, prediction)
    i, j, k = (index - part.start for index, part in zip(click, near, strict=True))
    click, image, prediction = (i, j, k), image[near], prediction[near]
    label = None if label is None else label[near]
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title)
    low, high = np.percentile(image, [2, 99.5])
    for axes, (name, across) in zip(figure.subplots(1, 3), PLANES, strict=True):
        right, up = (axis for axis in range(3) if axis != across)
        shown = [_slice(array, across, click[across]) for array in (image, prediction)]
        axes.imshow(
            shown[0],
            cmap="gray",
            vmin=low,
            vmax=high,
            origin="lower",
            aspect=spacing[up] / spacing[right],
        )
        values = np.unique(prediction[prediction != 0]).tolist() or [1]
        outlines = [
            (
                shown[1] == value,
                COLOURS[number % len(COLOURS)],
                "prediction" if len(values) == 1 else f"prediction {value}",
            )
            for number, value in enumerate(values)
        ]
        if label is not None:
            outlines.append((_slice(label, across, click[across]), "tab:cyan", "label"))
        for mask, colour, _ in outlines:
            if mask.any() and not mask.all():
                axes.contour(mask, levels=[0.5], colors=colour, linewidths=1.2)
        if mark:
            axes.plot(click[right], click[up], marker="+", color="tab:red", markersize=10)
        axes.set(title=name, xticks=[], yticks=[], xlabel=SIDES[right], ylabel=SIDES[up])
    handles = [_key(colour, name) for _, colour, name in outlines]
    handles += [_key("tab:red", "click", "+")] if mark else []
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=100, format="png")
    return drawn.getvalue()


def _near(
    click: tuple[int, int, int], spacing: Spacing, prediction: NDArray[Any]
) -> tuple[slice, ...]:
    """The part of the scan that a picture shows."""
    box = bounding_box(prediction != 0)
    spans = []
    for index, edge, found in zip(click, spacing, box, strict=True):
        reach, margin = round(REACH_MM / edge), round(MARGIN_MM / edge)
        lower, upper = index - reach, index + reach + 1
        if found.stop > found.start:
            lower, upper = min(lower, found.start - margin), max(upper, found.stop + margin)
        spans.append(slice(max(0, lower), upper))
    return tuple(spans)


def _slice(array: NDArray[np.generic], across: int, index: int) -> NDArray[np.generic]:
    """One slice with the second of its axes pointing up."""
    return np.take(array, index, axis=across).T


def _key(colour: str, name: str, marker: str = "") -> object:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return Line2D([], [], color=colour, marker=marker, linestyle="" if marker else "-", label=name)
