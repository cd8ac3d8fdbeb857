"""promise-preprocess handles datasets that changed since the last run, nnU-Net's folders and other formats."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.dataset.folder import choose_target, read_dataset
from promise_cli.errors import PlanError
from promise_cli.preprocess.command import preprocess
from tests.conftest import edit_json, write_dataset
from tests.scans import write_dicom, write_itk


def test_a_plan_made_from_other_cases_is_kept_with_a_warning(
    dataset: Path, tmp_path: Path, capsys
) -> None:
    preprocess(str(dataset), root=tmp_path, workers=0)
    write_dataset(dataset, 7)
    preprocess(str(dataset), root=tmp_path, workers=0)
    assert (
        "warning: the existing plan was made from 6 cases, but the dataset now has 7; the plan is kept,"
        " --overwrite plans anew" in capsys.readouterr().err.splitlines()
    )


def test_a_folder_of_nnunet_and_other_formats_gives_the_same_cases(
    dataset: Path, tmp_path: Path
) -> None:
    """The same scans as MSD's NIfTI, and with nnU-Net's names as NRRD files and one folder of DICOM slices."""
    expected = preprocess(str(dataset), root=tmp_path / "msd", workers=0).folder
    for part in ("imagesTr", "labelsTr"):
        for path in sorted((dataset / part).iterdir()):
            stored = nib.load(path)
            array = np.asanyarray(stored.dataobj)
            name = path.name.removesuffix(".nii.gz")
            if part == "labelsTr":
                write_itk(path.with_name(f"{name}.nrrd"), array, stored.affine)
            elif name == "ball_003":
                write_dicom(path.with_name(f"{name}_0000"), array, stored.affine)
            else:
                write_itk(path.with_name(f"{name}_0000.nrrd"), array, stored.affine)
            path.unlink()

    def as_nnunet(content: dict) -> None:
        del content["training"], content["modality"]
        content.update(
            labels={"background": 0, "tumour": 1}, channel_names={"0": "CT"}, file_ending=".nrrd"
        )

    edit_json(dataset / "dataset.json", as_nnunet)
    done = preprocess(str(dataset), root=tmp_path / "nnunet", workers=0)
    for name in ("image.npy", "target.npy", "foreground.npy"):
        for case in sorted(path.name for path in (expected / "cases").iterdir()):
            np.testing.assert_array_equal(
                np.load(done.folder / "cases" / case / name),
                np.load(expected / "cases" / case / name),
            )


def test_the_fingerprint_names_every_case_with_its_shear(dataset: Path, tmp_path: Path) -> None:
    from tests import damage

    damage.sheared(dataset)
    done = preprocess(str(dataset), root=tmp_path, workers=0)
    assert [case.case_id for case in done.fingerprint.cases] == [
        f"ball_{n:03d}" for n in range(1, 7)
    ]
    sheared = {case.case_id: case.shear_degrees for case in done.fingerprint.cases}
    assert sheared["ball_002"] == 9.46
    assert sheared["ball_001"] == 0
    # The cube has 64 voxels. Shearing the third axis does not change its height of 1.5 mm.
    assert done.fingerprint.cases[1].target_ml == round(64 * 1.0 * 0.9 * 1.5 / 1000, 4)
    affine = json.loads((done.folder / "cases" / "ball_002" / "case.json").read_text())[
        "scan_affine"
    ]
    columns = np.array(affine)[:3, :3]
    columns /= np.linalg.norm(columns, axis=0)
    cosine = np.abs(columns.T @ columns - np.eye(3)).max()
    np.testing.assert_allclose(np.degrees(np.arcsin(cosine)), 9.46, atol=0.01)


def test_all_problems_are_listed_in_one_table(dataset: Path, tmp_path: Path, capsys) -> None:
    from promise_cli.errors import DatasetError
    from tests import damage

    damage.set_label(damage.CUBE * 0)(dataset)
    damage.cut(lambda folder: folder / "imagesTr" / "ball_004.nii.gz", 2000)(dataset)
    (dataset / "labelsTr" / "ball_005.nii.gz").unlink()
    other = dataset / "imagesTr" / "ball_006.nii.gz"
    affine = nib.load(other).affine
    nib.save(nib.Nifti1Image(np.clip(damage.HU, 0, 255), affine), other)
    with pytest.raises(DatasetError, match=r": 3 of 6 cases cannot be used \(table above\);"):
        preprocess(str(dataset), root=tmp_path, workers=2)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "verified 6 cases: 3 errors in 3 cases, 1 warning",
        f"  case      severity  problem (paths below {dataset})",
        "  ball_002  error     labelsTr/ball_002.nii.gz: the label is empty: no voxel of 1 (tumour); correct it, or"
        " leave the case out with --skip-bad",
        "  ball_004  error     imagesTr/ball_004.nii.gz: truncated or damaged (the compressed data end too early); copy"
        " or download it again",
        "  ball_005  error     labelsTr/ball_005.nii.gz: no such label for image ball_005.nii.gz; add the label or"
        " remove the case from dataset.json",
        "  ball_006  warning   imagesTr/ball_006.nii.gz: intensities from 0 to 255 in a CT scan: windowed or shifted"
        " instead of HU?",
    ]


def test_a_kept_plan_whose_label_has_another_name_now_is_refused(
    dataset: Path, tmp_path: Path
) -> None:
    preprocess(str(dataset), root=tmp_path, workers=0)
    edit_json(
        dataset / "dataset.json",
        lambda content: content.update(labels={"0": "background", "1": "pancreas"}),
    )
    with pytest.raises(PlanError) as caught:
        preprocess(str(dataset), root=tmp_path, workers=0)
    assert "planned for target 1 named tumour, which dataset.json now names pancreas" in str(
        caught.value
    )


def test_a_kept_plan_of_another_modality_gives_a_warning(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preprocess(str(dataset), root=tmp_path, workers=0)
    edit_json(dataset / "dataset.json", lambda content: content.update(modality={"0": "MRI"}))
    preprocess(str(dataset), root=tmp_path, workers=0)
    assert (
        "planned for CT, but dataset.json now says MRI; the plan is kept, --overwrite plans anew"
        in capsys.readouterr().err
    )


def test_the_ignore_label_is_never_the_target(dataset: Path) -> None:
    edit_json(
        dataset / "dataset.json",
        lambda content: content.update(labels={"background": 0, "organ": 1, "ignore": 2}),
    )
    assert choose_target(read_dataset(dataset), None) == (1, "organ")
