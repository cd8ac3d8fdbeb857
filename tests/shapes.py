"""Datasets of several objects: balls next to boxes, and tumours with nested regions."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.conftest import write_nifti

SHAPES = "Task96_Shapes"
NESTED = "Task95_Nested"
SHAPE = (28, 20, 16)
SPACING = np.diag([1.0, 1.0, 1.5, 1.0])


def write_shapes(folder: Path, num_cases: int = 6) -> Path:
    """Write scans with a ball (1) and a box (2) of the same brightness. The last case has no box."""
    for number in range(1, num_cases + 1):
        grid = np.indices(SHAPE).transpose(1, 2, 3, 0)
        label = np.zeros(SHAPE, dtype=np.uint8)
        label[((grid - [8, 9, 8]) ** 2).sum(-1) < 4.5**2] = 1
        if number < num_cases:
            label[16:23, 6 + number % 3 : 13, 5:11] = 2
        _write(folder, f"c_{number}", label, number)
    labels = {"0": "background", "1": "Ball", "2": "Box"}
    return _describe(folder, labels, num_cases)


def write_nested(folder: Path, num_cases: int = 5) -> Path:
    """Write scans of a tumour whose labels 1, 2 and 3 are shells, which dataset.json describes as nnU-Net's regions."""
    for number in range(1, num_cases + 1):
        grid = np.indices(SHAPE).transpose(1, 2, 3, 0)
        apart = np.sqrt(((grid - [13, 10, 8]) ** 2).sum(-1))
        label = np.select([apart < 2.2, apart < 4.2, apart < 6.2], [3, 2, 1], 0).astype(np.uint8)
        label[:2, :2, :2] = 4  # voxels that nobody annotated
        _write(folder, f"c_{number}", label, number)
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "active": 3, "ignore": 4}
    return _describe(folder, labels, num_cases)


def values_of(path: Path | str) -> np.ndarray:
    """Return the voxels of a file, with its axes as stored."""
    return np.asanyarray(nib.load(path).dataobj)


def _write(folder: Path, case: str, label: np.ndarray, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(-20, 10, SHAPE)
    scan = (noise + 90 * ((label > 0) & (label < 4))).astype(np.int16)
    write_nifti(folder / "imagesTr" / f"{case}.nii.gz", scan, SPACING)
    write_nifti(folder / "labelsTr" / f"{case}.nii.gz", label, SPACING)


def _describe(folder: Path, labels: dict, num_cases: int) -> Path:
    content = {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(content | {"numTraining": num_cases}))
    return folder
