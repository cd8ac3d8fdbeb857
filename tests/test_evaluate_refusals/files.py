"""Mistakes in the masks and label files."""

import gzip
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.conftest import write_nifti
from tests.test_evaluate_refusals.mistakes import AFFINE, LABEL, MASK, box, refuses


@refuses(
    "masks/a.nii.gz: 24 x 20 x 15 voxels of 0.8 x 0.8 x 2.5 mm, but its label labels/a.nii.gz has 24 x 20 x 16 voxels"
    " of 0.8 x 0.8 x 2.5 mm; both must lie on one grid, so predict on the label's scan or resample the mask"
)
def another_shape():
    write_nifti(MASK, box(shape=(24, 20, 15)), AFFINE)


@refuses(
    "masks/a.nii.gz: 24 x 20 x 16 voxels of 0.8 x 0.8 x 2.5 mm, but its label labels/a.nii.gz has 24 x 20 x 16 voxels"
    " of 0.8 x 0.8 x 2.5 mm, 5 mm apart; both must lie on one grid, so predict on the label's scan or resample the mask"
)
def another_origin():
    affine = AFFINE.copy()
    affine[:3, 3] = (3, 0, 4)
    write_nifti(MASK, box(), affine)


@refuses(
    "masks/a.nii.gz: 24 x 20 x 16 voxels of 0.8 x 0.8 x 2.51 mm, but its label labels/a.nii.gz has 24 x 20 x 16 voxels"
    " of 0.8 x 0.8 x 2.5 mm, 0.15 mm apart; both must lie on one grid, so predict on the label's scan or resample the"
    " mask"
)
def another_spacing():
    write_nifti(MASK, box(), np.diag([0.8, 0.8, 2.51, 1]))


@refuses(
    "masks/a.nii.gz: 24 x 20 x 16 voxels of 0.8 x 0.8 x 2.5 mm, but its label labels/a.nii.gz has 24 x 20 x 16 voxels"
    " of 0.8 x 0.8 x 2.5 mm, 36.8 mm apart; both must lie on one grid, so predict on the label's scan or resample the"
    " mask (its axes point to LAS instead of RAS: was it flipped or turned, or is it of another scan?)"
)
def another_direction():
    write_nifti(MASK, box(), np.diag([-0.8, 0.8, 2.5, 1]))


@refuses(
    "masks/a.nii.gz: 20 x 24 x 16 voxels of 0.8 x 0.8 x 2.5 mm, but its label labels/a.nii.gz has 24 x 20 x 16 voxels"
    " of 0.8 x 0.8 x 2.5 mm; both must lie on one grid, so predict on the label's scan or resample the mask (are its"
    " axes in another order?)"
)
def turned_axes():
    write_nifti(MASK, box().transpose(1, 0, 2), AFFINE)


@refuses("masks/a.nii.gz: holds the value 3, expected 0, 1; is this the right file?")
def value_that_is_no_label():
    write_nifti(MASK, box(value=3), AFFINE)


@refuses("masks/a.nii.gz: holds the value 255, expected 0, 1; is this the right file?")
def mask_of_255():
    write_nifti(MASK, box(value=255), AFFINE)


@refuses("labels/a.nii.gz: holds the value 2, expected 0, 1; is this the right file?")
def label_that_is_not_named():
    write_nifti(LABEL, box(value=2), AFFINE)


@refuses("masks/a.nii.gz: holds the value -1, expected 0, 1; is this the right file?")
def negative_value():
    write_nifti(MASK, -box().astype(np.int16), AFFINE)


@refuses("masks/a.nii.gz: a label must hold whole numbers, found 0.5; is this an image?")
def probabilities():
    write_nifti(MASK, box().astype(np.float32) * 0.5, AFFINE)


@refuses("masks/a.nii.gz: holds NaN, infinity or huge numbers; a label holds small whole numbers")
def not_a_number():
    array = box().astype(np.float32)
    array[0, 0, 0] = np.nan
    write_nifti(MASK, array, AFFINE)


@refuses(
    "labels/a.nii.gz: 199 values from -100 to 99; labels are few and not negative, so is this a scan?"
)
def scan_in_place_of_a_label():
    Path("labels/dataset.json").unlink()
    scan = (np.arange(24 * 20 * 16) % 200 - 100).astype(np.int16).reshape(24, 20, 16)
    write_nifti(LABEL, scan, AFFINE)


@refuses(
    "masks/a.nii.gz: expected a 3D scan with one channel, found 24 x 20 x 16 x 2; extract one volume"
)
def four_axes():
    write_nifti(MASK, np.stack([box()] * 2, axis=-1), AFFINE)


@refuses(
    "masks: no prediction for 1 of 2 cases: b; predict them, or use --missing zero or --missing skip"
)
def missing_prediction():
    Path("masks/b.nii.gz").unlink()


@refuses(
    "masks/b.nii.gz: this prediction has no label in labels; add the label or remove the prediction"
)
def missing_label():
    Path("labels/b.nii.gz").unlink()


@refuses("masks/a_0000.nii.gz: the same case as a.nii.gz; keep one of the two")
def same_case_with_a_channel():
    shutil.copy(MASK, "masks/a_0000.nii.gz")


@refuses("labels/a.nii.gz: the same case as a.nii; keep one of the two")
def same_label_unpacked():
    nib.save(nib.load(LABEL), "labels/a.nii")


@refuses(
    "masks/a.nii.gz: truncated or damaged (the compressed data end too early); copy or download it again"
)
def half_a_file():
    MASK.write_bytes(MASK.read_bytes()[:-20])


@refuses(
    "labels/a.nii.gz: not readable as NIfTI (its header is not that of NIfTI); copy or export it again"
)
def something_else_packed():
    LABEL.write_bytes(gzip.compress(b"no scan"))


@refuses("masks/a.nii.gz: not readable as NIfTI (the file is empty); copy or export it again")
def file_of_no_bytes():
    MASK.write_bytes(b"")


@refuses(
    "masks/a_seg.nii.gz: this prediction has no label in labels; is it that of a.nii.gz? then remove '_seg' from its"
    " name"
)
def masks_with_a_suffix():
    for case in "ab":
        Path(f"masks/{case}.nii.gz").rename(f"masks/{case}_seg.nii.gz")


@refuses(
    "masks/a.nii.gz: this prediction has no label in labels; is it that of a-label.nii.gz? then give both the same name"
)
def labels_with_a_suffix():
    for case in "ab":
        Path(f"labels/{case}.nii.gz").rename(f"labels/{case}-label.nii.gz")


@refuses(
    "masks/a.nii.gz: this prediction has no label in labels, nor has any other of the 2 predictions; a set without"
    " labels, such as imagesTs, cannot be scored; otherwise give the folder of its labels: promise-evaluate PREDICTIONS"
    " LABELS"
)
def masks_of_a_set_without_labels():
    for case in "ab":
        Path(f"labels/{case}.nii.gz").rename(f"labels/{case}1.nii.gz")
