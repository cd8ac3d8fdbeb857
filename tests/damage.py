"""Ways to damage a dataset's folder.

Each is, or returns, a function of the folder of balls; most of them damage case ball_002.
"""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tests.conftest import affine_of, edit_json, write_nifti
from tests.scans import write_dicom, write_itk

SHAPE = (28, 26, 20)
AFFINE = affine_of("PIR", (1.0, 0.9, 1.5), (20.0, -50.0, 5.0))
"""Affine of ball_002."""
HU = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)
CUBE = np.zeros(SHAPE, np.uint8)
CUBE[10:14, 10:14, 10:14] = 1


def image(dataset: Path) -> Path:
    return dataset / "imagesTr" / "ball_002.nii.gz"


def label(dataset: Path) -> Path:
    return dataset / "labelsTr" / "ball_002.nii.gz"


def set_image(array: np.ndarray, affine: np.ndarray = AFFINE):
    """Replace the image of the case."""
    return lambda dataset: write_nifti(image(dataset), array, affine)


def set_label(array: np.ndarray, affine: np.ndarray = AFFINE):
    """Replace the label file of the case."""
    return lambda dataset: write_nifti(label(dataset), array, affine)


def with_value(value: float, dtype: type = np.float32) -> np.ndarray:
    """Return zeros with one voxel of this value."""
    array = np.zeros(SHAPE, dtype)
    array[3, 4, 5] = value
    return array


def content(which, text: bytes):
    """Replace the bytes of a file."""
    return lambda dataset: which(dataset).write_bytes(text)


def cut(which, keep: int):
    """Keep only the first `keep` bytes of a file; with a negative `keep`, remove that many bytes at its end."""
    return lambda dataset: which(dataset).write_bytes(which(dataset).read_bytes()[:keep])


def flip(dataset: Path) -> None:
    """Change one bit of the compressed image."""
    packed = bytearray(image(dataset).read_bytes())
    packed[len(packed) // 2] ^= 4
    image(dataset).write_bytes(packed)


def patch(offset: int, value: bytes):
    """Replace bytes of the image's header."""

    def change(dataset: Path) -> None:
        raw = bytearray(gzip.decompress(image(dataset).read_bytes()))
        raw[offset : offset + len(value)] = value
        image(dataset).write_bytes(gzip.compress(bytes(raw)))

    return change


def pixdim(axis: int, value: float):
    """Replace one spacing in the header; `axis` counts from 1."""
    return patch(76 + 4 * axis, np.float32(value).tobytes())


def sform(*rows: tuple[float, ...]):
    """Replace the sform in the header; its three rows have four numbers each."""
    return patch(280, np.array(rows, np.float32).tobytes())


def short_gzip(dataset: Path) -> None:
    """Make the image a valid gzip file with fewer voxels than its header says."""
    raw = gzip.decompress(image(dataset).read_bytes())
    image(dataset).write_bytes(gzip.compress(raw[:-100]))


def unpacked(dataset: Path) -> None:
    """Decompress the image, but keep its name, which ends in `.nii.gz`."""
    image(dataset).write_bytes(gzip.decompress(image(dataset).read_bytes()))


def plain_cut(dataset: Path) -> None:
    """Replace the image by an uncompressed NIfTI file that is too short."""
    path = image(dataset).with_name("ball_002.nii")
    path.write_bytes(gzip.decompress(image(dataset).read_bytes())[:-100])
    image(dataset).unlink()


def colours(dataset: Path) -> None:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    write_nifti(image(dataset), np.zeros(SHAPE, kind), AFFINE)


def as_format(suffix: str, damage=lambda _: None):
    """Write the image in another format, and damage it."""

    def change(dataset: Path) -> None:
        path = image(dataset).with_name(f"ball_002{suffix}")
        if suffix == ".png":
            path.write_bytes(b"")
            edit_json(dataset / "dataset.json", lambda found: _name(found["training"][1], path))
        elif suffix:
            write_itk(path, HU, AFFINE)
        image(dataset).unlink()
        damage(path)

    return change


def _name(entry: dict, path: Path) -> None:
    entry["image"] = f"imagesTr/{path.name}"


def cut_path(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def respace(path: Path) -> None:
    spaced = re.sub(rb"ElementSpacing = .*", b"ElementSpacing = 1 0 1.5", path.read_bytes())
    path.write_bytes(spaced)


def two_series(path: Path) -> None:
    write_dicom(path, HU[..., :4], AFFINE, series="1.2.3", description="soft")
    write_dicom(path, HU[..., :4], AFFINE, series="1.2.4", description="lung", names={0: "z0"})


def missing_slices(path: Path) -> None:
    write_dicom(path, HU, AFFINE, names={k: f"s{k:02d}" for k in range(20) if k not in (7, 8)})


def same_file(dataset: Path) -> None:
    def share(description: dict) -> None:
        entry = description["training"][1]
        entry["label"] = entry["image"]

    edit_json(dataset / "dataset.json", share)


def description(**fields: Any):
    """Replace fields of dataset.json; a field whose value is None is removed."""

    def change(found: dict) -> None:
        found.update(fields)
        for name in [name for name, value in fields.items() if value is None]:
            del found[name]

    return lambda dataset: edit_json(dataset / "dataset.json", change)


def raw_description(text: str):
    return lambda dataset: (dataset / "dataset.json").write_text(text)


def training(change):
    """Change the list of cases in dataset.json in place."""
    return lambda dataset: edit_json(
        dataset / "dataset.json", lambda found: change(found["training"])
    )


def nnunet(change=lambda _: None):
    """Change dataset.json to nnU-Net's format, and damage the folder."""

    def rewrite(dataset: Path) -> None:
        found = json.loads((dataset / "dataset.json").read_text())
        del found["training"], found["modality"]
        found.update(labels={"background": 0, "tumour": 1}, channel_names={"0": "CT"})
        (dataset / "dataset.json").write_text(json.dumps(found))
        change(dataset)

    return rewrite


def copy_image(name: str):
    """Copy the image of the case to another name."""
    return lambda dataset: (
        image(dataset).with_name(name).write_bytes(image(dataset).read_bytes()) and None
    )


def scaled(dataset: Path) -> None:
    """Give the image intensities that overflow when they are scaled."""
    volume = nib.Nifti1Image(np.full(SHAPE, 30000, np.int16), AFFINE)
    volume.header.set_slope_inter(1e38, 0)
    nib.save(volume, image(dataset))


def same_as_another(dataset: Path) -> None:
    """Replace the image and label of the case by those of ball_001."""
    for path in (image(dataset), label(dataset)):
        path.write_bytes(path.with_name("ball_001.nii.gz").read_bytes())


def sheared(dataset: Path) -> None:
    """Give image and label axes that are not at right angles."""
    leaning = AFFINE.copy()
    leaning[:3, 2] += AFFINE[:3, 0] * 0.25
    set_image(HU, leaning)(dataset)
    set_label(CUBE, leaning)(dataset)
