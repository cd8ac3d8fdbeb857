"""Read balls and masks in the workspace of balls, which is the current folder, and run promise-predict there."""

import nibabel as nib
import numpy as np
from typer.testing import CliRunner, Result

from promise_cli.cli import predict_app


def label(number: int) -> np.ndarray:
    """Return the mask of a ball, with its axes as stored."""
    return np.asanyarray(nib.load(f"Task98_Balls/labelsTr/ball_00{number}.nii.gz").dataobj) > 0


def centre(number: int) -> list[int]:
    """Return the voxel (i, j, k) in the middle of a ball, with its axes as stored."""
    return np.argwhere(label(number)).mean(axis=0).round().astype(int).tolist()


def mask_of(path: str) -> np.ndarray:
    """Return the voxels of a mask, with its axes as stored."""
    return np.asanyarray(nib.load(path).dataobj)


def predict(*arguments: object) -> Result:
    """Run promise-predict on the scans in `imgs`, on the CPU."""
    line = ["-i", "imgs", "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(predict_app, line)
