"""Small datasets with the layout of the ten tasks of the Medical Segmentation Decathlon (MSD)."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.conftest import affine_of, write_nifti

EXTENT_MM = 24.0
"""Edge of the small scans along each axis."""


@dataclass(frozen=True)
class Task:
    """What dataset.json of a task says, and the voxel size of its small scans."""

    name: str
    """Name of the folder, such as `Task01_BrainTumour`."""
    case: str
    """Start of the files' names."""
    modality: tuple[str, ...]
    labels: tuple[str, ...]
    """Names of the labels from 1 on."""
    target: int
    """Label that is the target if none is named."""
    spacing: tuple[float, float, float]
    axes: str = "RAS"
    digits: int = 3
    """Digits of the number in a file's name."""


TASKS = (
    Task("Task01_BrainTumour", "BRATS", ("FLAIR", "T1w", "t1gd", "T2w"),
         ("edema", "non-enhancing tumor", "enhancing tumour"), 3, (1.0, 1.0, 1.0)),
    Task("Task02_Heart", "la", ("MRI",), ("left atrium",), 1, (1.25, 1.25, 1.37), "LPS"),
    Task("Task03_Liver", "liver", ("CT",), ("liver", "cancer"), 2, (0.8, 0.8, 2.0), digits=1),
    Task("Task04_Hippocampus", "hippocampus", ("MRI",), ("Anterior", "Posterior"), 2, (1.0, 1.0, 1.0)),
    Task("Task05_Prostate", "prostate", ("T2", "ADC"), ("PZ", "TZ"), 2, (0.8, 0.8, 3.6), digits=2),
    Task("Task06_Lung", "lung", ("CT",), ("cancer",), 1, (0.8, 0.8, 1.5)),
    Task("Task07_Pancreas", "pancreas", ("CT",), ("pancreas", "cancer"), 2, (0.8, 0.8, 2.5)),
    Task("Task08_HepaticVessel", "hepaticvessel", ("CT",), ("Vessel", "Tumour"), 2, (0.8, 0.8, 4.0)),
    Task("Task09_Spleen", "spleen", ("CT",), ("spleen",), 1, (0.8, 0.8, 5.0), digits=1),
    Task("Task10_Colon", "colon", ("CT",), ("colon cancer primaries",), 1, (0.8, 0.8, 5.0)),
)  # fmt: skip


def write_task(root: Path, task: Task, num_cases: int = 5) -> Path:
    """Write a small dataset of a task below `root`, and return its folder.

    Images of several channels are 4D. The folder holds `._` files, as MSD's archives do.
    """
    folder = root / task.name
    names = [f"{task.case}_{number:0{task.digits}d}" for number in range(1, num_cases + 1)]
    for number, name in enumerate(names):
        _write_case(folder, name, task, number)
    (folder / "imagesTr" / f"._{names[0]}.nii.gz").write_bytes(b"Mac OS X")
    several = len(task.modality) > 1
    content = {
        "name": task.name.partition("_")[2],
        "description": "a small copy of the layout",
        "reference": "none",
        "licence": "CC-BY-SA 4.0",
        "relase": "1.0 04/05/2018",
        "tensorImageSize": "4D" if several else "3D",
        "modality": {str(number): name for number, name in enumerate(task.modality)},
        "labels": {"0": "background"}
        | {str(number): name for number, name in enumerate(task.labels, 1)},
        "numTraining": num_cases,
        "numTest": 1,
        "training": [
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
            for name in names
        ],
        "test": [f"./imagesTs/{task.case}_{'9' * task.digits}.nii.gz"],
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def _write_case(folder: Path, name: str, task: Task, number: int) -> None:
    rng = np.random.default_rng(number)
    shape = [round(EXTENT_MM / mm) for mm in task.spacing]
    affine = affine_of(task.axes, task.spacing, (-10.0, 20.0, 5.0 * number))
    places = np.indices(shape).transpose(1, 2, 3, 0) * task.spacing
    centre = EXTENT_MM / 2 + rng.uniform(-2, 2, 3)
    distance = np.linalg.norm(places - centre, axis=-1)
    label = np.zeros(shape, np.uint8)
    count = len(task.labels)
    for value in range(
        1, count + 1
    ):  # one shell inside the other, with the last label in the middle
        label[distance < 4.5 + 2.5 * (count - value)] = value
    is_ct = task.modality[0] == "CT"
    base = rng.normal(-60 if is_ct else 200, 20, (*shape, len(task.modality)))
    bright = label[..., None] * np.arange(30, 30 + 20 * len(task.modality), 20)
    image = base + bright
    if is_ct:
        image[0] = -1000  # air
    image = image.astype(np.int16 if is_ct else np.float32)
    image = image[..., 0] if len(task.modality) == 1 else image
    write_nifti(folder / "imagesTr" / f"{name}.nii.gz", image, affine)
    write_nifti(folder / "labelsTr" / f"{name}.nii.gz", label, affine)
