"""Balls in scans, clicks on them, and promise-predict as it is typed in their folder."""

import nibabel as nib
import numpy as np
from typer.testing import CliRunner, Result

from promise_cli.cli import predict_app


def label(number: int) -> np.ndarray:
    """A ball, as its file stores it."""
    return np.asanyarray(nib.load(f"Task98_Balls/labelsTr/ball_00{number}.nii.gz").dataobj) > 0


def centre(number: int) -> list[int]:
    """The voxel in the middle of a ball."""
    return np.argwhere(label(number)).mean(axis=0).round().astype(int).tolist()


def mask_of(path: str) -> np.ndarray:
    """A mask, as its file stores it."""
    return np.asanyarray(nib.load(path).dataobj)


def predict(*arguments: object) -> Result:
    """Type a command line."""
    line = ["-i", "imgs", "--device", "cpu", *map(str, arguments)]
    return CliRunner().invoke(predict_app, line)
