import gzip

import numpy as np
import pytest

from promise_cli.errors import PromiseError
from promise_cli.evaluate.command import evaluate
from tests.boxes import AFFINE, box, write_two_cases
from tests.conftest import write_nifti


@pytest.fixture
def folders(tmp_path):
    return write_two_cases(tmp_path)


def damage_truncate(folders):
    path = folders[0] / "a.nii.gz"
    path.write_bytes(path.read_bytes()[:-40])
    return rf"{path}: truncated or damaged"


def damage_gzip(folders):
    path = folders[0] / "a.nii.gz"
    path.write_bytes(gzip.compress(b"no scan"))
    return rf"{path}: not readable as NIfTI"


def damage_shape(folders):
    write_nifti(folders[0] / "a.nii.gz", box((5, 5, 4), shape=(24, 20, 15)), AFFINE)
    return (
        rf"{folders[0] / 'a.nii.gz'}: 24 x 20 x 15 voxels of 0.8 x 0.8 x 2.5 mm, but its label"
        rf" {folders[1] / 'a.nii.gz'} has 24 x 20 x 16 voxels of 0.8 x 0.8 x 2.5 mm; both must"
    )


def damage_affine(folders):
    affine = AFFINE.copy()
    affine[:3, 3] = (3.0, 0.0, 4.0)
    write_nifti(folders[0] / "a.nii.gz", box((5, 5, 4)), affine)
    return r"a.nii.gz has 24 x 20 x 16 voxels of 0.8 x 0.8 x 2.5 mm, 5 mm apart; both must lie on"


def damage_direction(folders):
    write_nifti(folders[0] / "a.nii.gz", box((5, 5, 4)), np.diag([-0.8, 0.8, 2.5, 1.0]))
    return r"36.8 mm apart"


def damage_spacing(folders):
    write_nifti(folders[0] / "a.nii.gz", box((5, 5, 4)), np.diag([0.8, 0.8, 2.51, 1.0]))
    return r"0.8 x 0.8 x 2.51 mm, but its label .* 0.8 x 0.8 x 2.5 mm, 0.15 mm apart"


def damage_fraction(folders):
    write_nifti(folders[0] / "a.nii.gz", box((5, 5, 4)).astype(np.float32) * 0.5, AFFINE)
    return r"a.nii.gz: a label must hold whole numbers, found 0.5"


def damage_nan(folders):
    array = box((5, 5, 4)).astype(np.float32)
    array[0, 0, 0] = np.nan
    write_nifti(folders[0] / "a.nii.gz", array, AFFINE)
    return r"a.nii.gz: holds NaN, infinity or huge numbers"


def damage_value(folders):
    write_nifti(folders[0] / "a.nii.gz", box((5, 5, 4), value=255), AFFINE)
    return r"a.nii.gz: holds the value 255, but the label files hold 1; give the prediction"


def damage_scan(folders):
    scan = np.random.default_rng(0).integers(-100, 100, (24, 20, 16), dtype=np.int16)
    write_nifti(folders[1] / "a.nii.gz", scan, AFFINE)
    return r"labels/a.nii.gz: \d+ values from -100 to 99; labels are few and not negative"


def damage_axes(folders):
    write_nifti(folders[0] / "a.nii.gz", np.stack([box((5, 5, 4))] * 2, axis=-1), AFFINE)
    return r"a.nii.gz: expected a 3D scan with one channel, found 24 x 20 x 16 x 2"


@pytest.mark.parametrize(
    "damage",
    [
        damage_truncate,
        damage_gzip,
        damage_shape,
        damage_affine,
        damage_direction,
        damage_spacing,
        damage_fraction,
        damage_nan,
        damage_value,
        damage_scan,
        damage_axes,
    ],
)
def test_a_pair_that_cannot_be_compared_ends_in_one_line_and_writes_nothing(folders, damage):
    expected = damage(folders)
    with pytest.raises(PromiseError, match=expected) as caught:
        evaluate(*folders, workers=0)
    assert "\n" not in str(caught.value)
    assert not (folders[0] / "metrics.json").exists()
    assert not (folders[0] / "metrics.csv").exists()


def test_an_affine_that_was_rounded_by_another_tool_is_accepted(folders):
    affine = AFFINE.copy()
    affine[:3, 3] += 0.0009
    write_nifti(folders[0] / "a.nii.gz", box((6, 5, 4)), affine)
    assert evaluate(*folders, workers=0).cases[0].dice == 0.75
