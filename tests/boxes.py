"""Masks of boxes of 4 x 4 x 4 voxels, which tests score."""

import shutil
from pathlib import Path

import numpy as np

from tests.conftest import write_nifti

AFFINE = np.diag([0.8, 0.8, 2.5, 1.0])


def box(start, value=1, shape=(24, 20, 16)):
    array = np.zeros(shape, dtype=np.uint8)
    i, j, k = start
    array[i : i + 4, j : j + 4, k : k + 4] = value
    return array


def write_large_cases(folder: Path, number: int) -> None:
    """Write `masks` and `labels` of many cases, c_0 and so on. Scoring one takes a good part of a second."""
    array = np.zeros((96, 96, 96), dtype=np.uint8)
    array[20:70, 20:70, 20:70] = 1
    for place in (folder / "masks", folder / "labels"):
        first = write_nifti(place / "c_0.nii.gz", array, np.eye(4))
        for nth in range(1, number):
            shutil.copy(first, place / f"c_{nth}.nii.gz")


def write_two_cases(folder: Path) -> tuple[Path, Path]:
    """Write two valid cases, each prediction one voxel away from its label; return the folders of masks and labels."""
    for case in ("a", "b"):
        write_nifti(folder / "masks" / f"{case}.nii.gz", box((6, 5, 4)), AFFINE)
        write_nifti(folder / "labels" / f"{case}.nii.gz", box((5, 5, 4)), AFFINE)
    return folder / "masks", folder / "labels"
