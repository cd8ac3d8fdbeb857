"""Write a dataset of balls whose scans have several channels, in every layout that is read."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from tests.conftest import edit_json, write_dataset, write_nifti
from tests.scans import write_dicom

NAMES = ("CT", "T2", "ADC")


def channels_of(image: NDArray, number: int = 3) -> NDArray[np.int16]:
    """Return channels (C, I, J, K) that are made of one scan: itself, a brighter one, and one without any contrast."""
    noise = np.random.default_rng(0).integers(0, 50, image.shape)
    return np.stack([image, 1000 + 3 * image, noise][:number]).astype(np.int16)


def write_channels(folder: Path, layout: str, num_cases: int = 6, number: int = 3) -> Path:
    """Write a dataset of several channels.

    Args:
        folder: Folder of the dataset, which is made.
        layout: `one_file` (MSD: 4D images), `files` (nnU-Net: found by names), `listed` (nnU-Net: lists of images),
            `msd_files` (MSD's list, with nnU-Net's files) or `dicom` (a folder of slices for each channel).
        num_cases: Number of cases.
        number: Number of channels.
    """
    write_dataset(folder, num_cases)
    cases = {}
    for path in sorted((folder / "imagesTr").iterdir()):
        case = path.name.removesuffix(".nii.gz")
        image = nib.load(path)
        array = channels_of(np.asanyarray(image.dataobj), number)
        path.unlink()
        cases[case] = _write(path.with_name(case), array, image.affine, layout)
    names = {str(place): name for place, name in enumerate(NAMES[:number])}
    edit_json(folder / "dataset.json", lambda content: content.update(modality=names))
    if layout in ("files", "listed", "dicom"):
        content = {
            "channel_names": names,
            "labels": {"background": 0, "tumour": 1},
            "numTraining": num_cases,
            "file_ending": ".nii.gz",
        }
        if layout == "listed":
            content["dataset"] = {
                case: {
                    "images": [f"imagesTr/{path.name}" for path in paths],
                    "label": f"labelsTr/{case}.nii.gz",
                }
                for case, paths in cases.items()
            }
        (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def _write(case: Path, array: NDArray, affine: NDArray[np.float64], layout: str) -> list[Path]:
    if layout == "one_file":
        return [
            write_nifti(case.with_name(f"{case.name}.nii.gz"), np.moveaxis(array, 0, -1), affine)
        ]
    paths = []
    for place, channel in enumerate(array):
        path = case.with_name(f"{case.name}_{place:04d}")
        if layout == "dicom":
            paths.append(write_dicom(path, channel, affine))
        else:
            paths.append(write_nifti(path.with_name(f"{path.name}.nii.gz"), channel, affine))
    return paths
