"""Clicks on the oblique scan, and the mask that promise-predict makes of them."""

import json
from pathlib import Path

import numpy as np

from tests.balls import mask_of, predict

CLICKS = [((13, 12, 9), 1), ((16, 14, 11), 1), ((4, 20, 15), 0)]
"""Voxels of the scan's file, each with its sign."""


_KNOWN: dict[tuple[object, ...], np.ndarray] = {}
"""Masks by clicks and scan, since many tests ask for the same ones."""


def predicted(clicks: list, scan: str = "ball_007") -> np.ndarray:
    """Return the mask that promise-predict makes of these clicks on a scan in `imgs`, in voxels of the file."""
    key = (tuple(clicks), *(path.read_bytes() for path in sorted(Path("imgs").glob(f"{scan}*"))))
    if key not in _KNOWN:
        points = [{"xyz": list(point), "label": sign} for point, sign in clicks]
        cases = {scan: {"points": points}}
        content = {"format": "promise-points", "version": 1, "space": "voxel", "cases": cases}
        Path("predicted.json").write_text(json.dumps(content))
        done = predict("-p", "predicted.json", "-o", "by_predict", "--overwrite")
        assert done.exit_code == 0, done.output
        _KNOWN[key] = mask_of(f"by_predict/{scan}.nii.gz")
    return _KNOWN[key]
