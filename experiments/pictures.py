"""Draw slices of the best, the median and the worst test case of a row, with reference and mask.

python -m experiments.pictures MATRIX ROW --data FOLDER --work FOLDER
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.options import parser_of, place_of
from experiments.place import Place
from promise_cli.dataset.folder import is_target
from promise_cli.disk.records import load_json
from promise_cli.volume import read_label, read_volume

PLANES = (("axial", 2), ("coronal", 1), ("sagittal", 0))
REFERENCE_COLOUR, MASK_COLOUR, CLICK_COLOUR = "#ffd24d", "#4dc3ff", "#ff5c5c"


def draw_cases(place: Place, row_name: str) -> Path:
    """Draw three slices of three cases through the middle of the reference, and write them as `cases.jpg`.

    The file lies in the folder of the row's scores.
    """
    (row,) = (row for row in place.matrix.rows if row.name == row_name)
    kept = place.kept_of(row)
    cases = sorted(load_json(kept / "metrics.json")["cases"], key=lambda case: case["dice"])
    chosen = {"best": cases[-1], "median": cases[len(cases) // 2], "worst": cases[0]}
    figure = Figure(figsize=(9, 9), layout="constrained", facecolor="white")
    axes = figure.subplots(3, 3)
    for line, (rank, case) in zip(axes, chosen.items(), strict=True):
        _draw_case(
            line, place, place.root(row) / "predictions" / "followed", case, with_click=row.clicks
        )
        line[0].set_ylabel(f"{rank}: {case['case_id']}\nDice {case['dice']:.3f}", fontsize=9)
    figure.suptitle(
        f"{row.what}: reference yellow, mask blue" + (", click red" if row.clicks else ""),
        fontsize=10,
    )
    path = kept / "cases.jpg"
    figure.savefig(path, dpi=90, pil_kwargs={"quality": 80})
    return path


def _draw_case(
    line: NDArray[Any], place: Place, masks: Path, case: dict[str, Any], *, with_click: bool
) -> None:
    name = f"{case['case_id']}.nii.gz"
    scan = read_volume(place.data / "imagesTr" / name, "RAS")
    label = read_label(place.data / "labelsTr" / name, "RAS")
    reference = is_target(label.array, place.plan.labels)
    mask = read_label(masks / name, "RAS").array > 0
    middle = np.rint(np.argwhere(reference).mean(axis=0)).astype(int)
    voxel = load_json(place.points)[case["case_id"]]
    click = scan.grid.ijk(scan.stored_grid.world(voxel))
    low, high = np.percentile(scan.array[reference], (0.5, 99.5)).tolist()
    reach = high - low  # greys are resolved this far beyond the target's own range
    for panel, (plane, across) in zip(line, PLANES, strict=True):
        columns, rows = (axis for axis in range(3) if axis != across)
        spacing = scan.grid.spacing

        def cut(array: NDArray[Any], across: int = across) -> NDArray[Any]:
            return np.take(array, middle[across], axis=across).T

        panel.imshow(
            cut(scan.array),
            cmap="gray",
            vmin=low - reach,
            vmax=high + reach,
            origin="lower",
            aspect=spacing[rows] / spacing[columns],
        )
        for array, colour in ((reference, REFERENCE_COLOUR), (mask, MASK_COLOUR)):
            if cut(array).any():
                panel.contour(cut(array).astype(float), levels=[0.5], colors=[colour], linewidths=1)
        if with_click:
            panel.plot(click[columns], click[rows], "+", color=CLICK_COLOUR, markersize=8)
        panel.invert_xaxis()  # radiological view: the patient's right, or anterior, is on the left
        panel.set(xticks=[], yticks=[], title=plane)
        panel.title.set_fontsize(8)


def main() -> None:
    """Draw the cases of one row."""
    parser = parser_of("experiments.pictures", __doc__)
    parser.add_argument("row")
    options = parser.parse_args()
    draw_cases(place_of(options), options.row)


if __name__ == "__main__":
    main()
