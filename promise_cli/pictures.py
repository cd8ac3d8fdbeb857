"""A picture of one case: three slices through the click, with the outlines of prediction and label."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.atomic import whole_file
from promise_cli.grid import Spacing

REACH_MM = 45.0
"""A picture shows this much of the scan on each side of the click."""

PLANES = (("sagittal", 0), ("coronal", 1), ("axial", 2))
"""Names of the planes across i, j and k of an RAS array."""


def draw_case(
    image: NDArray[np.float32],
    prediction: NDArray[np.bool_],
    label: NDArray[np.bool_] | None,
    click: tuple[int, int, int],
    spacing: Spacing,
    title: str,
    path: Path,
) -> None:
    """Draw the slices through `click` and 45 mm round it as a PNG file, true to scale.

    Args:
        image: (I, J, K), axes RAS.
        prediction: The same voxels.
        label: The same voxels, or None where the truth is not known.
        click: Voxel (i, j, k).
        spacing: Millimetres along i, j, k.
        title: Above the picture.
        path: Appears whole or not at all.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  a second to import

    near = tuple(
        slice(max(0, index - round(REACH_MM / edge)), index + round(REACH_MM / edge) + 1)
        for index, edge in zip(click, spacing, strict=True)
    )
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
        outlines = [(shown[1], "tab:orange", "prediction")]
        if label is not None:
            outlines.append((_slice(label, across, click[across]), "tab:cyan", "label"))
        for mask, colour, _ in outlines:
            if mask.any() and not mask.all():
                axes.contour(mask, levels=[0.5], colors=colour, linewidths=1.2)
        axes.plot(click[right], click[up], marker="+", color="tab:red", markersize=10)
        axes.set(title=name, xticks=[], yticks=[])
    handles = [_key(colour, name) for _, colour, name in outlines] + [_key("tab:red", "click", "+")]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _slice(array: NDArray[np.generic], across: int, index: int) -> NDArray[np.generic]:
    """One slice with the second of its axes pointing up."""
    return np.take(array, index, axis=across).T


def _key(colour: str, name: str, marker: str = "") -> object:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return Line2D([], [], color=colour, marker=marker, linestyle="" if marker else "-", label=name)
