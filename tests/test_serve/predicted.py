"""Clicks on the oblique scan, and the mask that promise-predict makes of them."""

import json
from pathlib import Path

import numpy as np

from tests.balls import mask_of, predict

CLICKS = [((13, 12, 9), 1), ((16, 14, 11), 1), ((4, 20, 15), 0)]
"""Voxels of the scan's file, and signs."""


def predicted(clicks: list, scan: str = "ball_007", output: str = "by_predict") -> np.ndarray:
    """Return the mask that promise-predict makes of these clicks, in voxels of the file."""
    points = [{"xyz": list(point), "label": sign} for point, sign in clicks]
    content = {
        "format": "promise-points",
        "version": 1,
        "space": "voxel",
        "cases": {scan: {"points": points}},
    }
    Path("points.json").write_text(json.dumps(content))
    done = predict("-p", "points.json", "-o", output, "--overwrite")
    assert done.exit_code == 0, done.output
    return mask_of(f"{output}/{scan}.nii.gz")
