"""Oddities of a header that need no correction are noted. `test_volume_units.py` tests the notes on units."""

from pathlib import Path

import nibabel as nib
import numpy as np

from promise_cli.volume import read_volume
from tests.conftest import affine_of


def _notes(tmp_path: Path, *, unit: str = "mm", qform: np.ndarray | None = None) -> tuple[str, ...]:
    affine = affine_of("LPS", (1, 1, 2), (5, 6, 7))
    image = nib.Nifti1Image(np.zeros((8, 9, 10), np.int16), affine)
    image.set_sform(affine, 1)
    image.set_qform(affine if qform is None else qform, 1)
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "scan.nii.gz")
    return read_volume(tmp_path / "scan.nii.gz").notes


def test_a_plain_header_needs_no_note(tmp_path: Path) -> None:
    assert _notes(tmp_path) == ()
    assert _notes(tmp_path, unit="unknown") == ()


def test_a_qform_that_differs_from_the_sform_is_noted(tmp_path: Path) -> None:
    (note,) = _notes(tmp_path, qform=affine_of("RAS", (1, 1, 2), (5, 6, 7)))
    assert note.startswith("sform and qform differ by up to ")
    assert note.endswith(" mm; the sform is used, other programs may use the qform")
