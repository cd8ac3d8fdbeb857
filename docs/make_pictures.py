"""Draw the picture of the README from a finished demo: a scan, the click on it, and the outline that came back.

python docs/make_pictures.py demo
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np

mpl.use("agg")
import matplotlib.pyplot as plt

CASE = "phantom_001"
OUTPUT = Path(__file__).parent / "images" / "one_click.png"
HALF_WIDTH_MM = 55
LABEL, PREDICTION, CLICK = "#18c5d9", "#ff8c1a", "#ff3355"
"""Colours of the reports (`report/templates/page.css`)."""


def draw(demo: Path, output: Path = OUTPUT) -> None:
    """Write the axial slice through the click three times: the scan, with the click, with mask and label outlined.

    Args:
        demo: The folder that `make demo` leaves.
        output: The PNG file.
    """
    scan = nib.load(demo / "imgs" / f"{CASE}.nii.gz")
    mask = nib.load(demo / "predictions" / "imgs" / f"{CASE}.nii.gz")
    label = nib.load(demo / "Task99_Phantom" / "labelsTr" / f"{CASE}.nii.gz")
    record = json.loads((demo / "predictions" / "imgs" / "predictions.json").read_text())
    click = next(case for case in record["cases"] if case["case_id"] == CASE)["clicks"][0]
    world = np.array(click["ras_mm"])
    images = [nib.as_closest_canonical(image) for image in (scan, mask, label)]
    i, j, k = np.rint(nib.affines.apply_affine(np.linalg.inv(images[0].affine), world)).astype(int)
    slices = [np.asarray(image.dataobj)[:, :, k].T for image in images]
    spacing = images[0].header.get_zooms()
    half_i, half_j = (HALF_WIDTH_MM / spacing[axis] for axis in (0, 1))
    figure, panels = plt.subplots(1, 3, figsize=(9, 3.1), layout="constrained", facecolor="black")
    for panel, title in zip(panels, ("a scan", "one click", "the outline"), strict=True):
        panel.imshow(slices[0], cmap="gray", vmin=-160, vmax=240, origin="lower",
                     aspect=spacing[1] / spacing[0])  # fmt: skip
        # Radiologists see the patient's right on the left of the picture.
        panel.set(xlim=(i + half_i, i - half_i), ylim=(j - half_j, j + half_j))
        panel.set_title(title, color="white", fontsize=11)
        panel.axis("off")
    for panel in panels[1:]:
        panel.plot(i, j, "+", color=CLICK, markersize=13, markeredgewidth=2)
    panels[2].contour(slices[2] == 1, [0.5], colors=LABEL, linewidths=1.2)
    panels[2].contour(slices[1] > 0, [0.5], colors=PREDICTION, linewidths=1.6)
    output.parent.mkdir(exist_ok=True)
    figure.savefig(output, dpi=100, facecolor="black", metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
