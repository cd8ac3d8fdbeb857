"""Evaluation warns where masks, scans and labels do not seem to belong together, and scores them all the same."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.dataset.fingerprint import hash_files
from promise_cli.disk.records import save_record
from promise_cli.evaluate.command import evaluate, show_report
from promise_cli.predictions.record import (
    ClickRecord,
    LesionRecord,
    PredictedCase,
    Predictions,
    SecondsRecord,
    is_as_written,
)
from promise_cli.scores import Report
from tests.boxes import AFFINE, box, write_two_cases
from tests.conftest import edit_json, write_nifti
from tests.scans import write_itk

INSIDE, OUTSIDE = (6, 6, 5), (15, 15, 10)


def click(voxel: tuple[int, int, int], sign: int = 1) -> ClickRecord:
    x, y, z = (AFFINE[:3, :3] @ voxel).tolist()
    return ClickRecord(
        given=voxel,
        space="voxel",
        label=sign,
        value=1,
        voxel=voxel,
        ras_mm=(x, y, z),
        lps_mm=(-x, -y, z),
        intensity=0,
        in_mask=True,
    )


def predicted(case: str, *clicks: ClickRecord) -> PredictedCase:
    mask = Path("masks") / f"{case}.nii.gz"
    return PredictedCase(
        case_id=case,
        scan=f"imgs/{case}.nii.gz",
        mask=mask.name,
        mask_bytes=mask.stat().st_size,
        mask_sha256=hash_files([mask]),
        probabilities=(),
        key="",
        clicks=clicks,
        lesions=(LesionRecord(value=1, name="", num_voxels=1, volume_ml=1),),
        windows=(),
        closed=True,
        num_voxels=1,
        volume_ml=1,
        clicks_outside_window=0,
        seconds=SecondsRecord(read=0, resample=0, network=0, write=0),
    )


@pytest.fixture
def folder(in_folder: Path) -> Path:
    """Write scans in `imgs`, the dataset `Task01_T` of the same scans, and masks that predictions.json lists."""
    write_two_cases(in_folder)
    (in_folder / "labels").rename(in_folder / "labelsTr")
    (in_folder / "Task01_T").mkdir()
    (in_folder / "labelsTr").rename("Task01_T/labelsTr")
    for case in "ab":
        scan = np.random.default_rng(ord(case)).normal(0, 50, (24, 20, 16)).astype(np.int16)
        write_nifti(in_folder / f"imgs/{case}.nii.gz", scan, AFFINE)
        write_nifti(in_folder / f"Task01_T/imagesTr/{case}.nii.gz", scan, AFFINE)
    list_masks(click(INSIDE))
    return in_folder


def list_masks(*clicks: ClickRecord) -> None:
    save_record(
        Predictions(
            created="2026-01-02T10:00:00+00:00",
            dataset="Task01_T",
            target_label=1,
            target_name="lump",
            labels="Task01_T/labelsTr",
            checkpoints=(),
            prompts="",
            device="cpu",
            precision="fp32",
            max_windows=1,
            tta=False,
            values=(1,),
            cases=(predicted("a", *clicks), predicted("b", *clicks)),
            without_click=(),
        ),
        Path("masks/predictions.json"),
    )


def warnings_of(**options: object) -> tuple[str, ...]:
    return run(**options).warnings


def run(**options: object) -> Report:
    return evaluate(Path("masks"), Path("Task01_T"), workers=0, **options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("folder")
def test_masks_on_their_own_scans_raise_no_doubt() -> None:
    assert warnings_of() == ()
    assert json.loads(Path("masks/metrics.json").read_text())["warnings"] == []


@pytest.mark.usefixtures("folder")
def test_a_mask_that_was_edited_is_scored_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    before = run().cases[0].dice
    write_nifti(Path("masks/a.nii.gz"), box((5, 5, 4)), AFFINE)
    report = run()
    assert (before, report.cases[0].dice) == (0.75, 1.0)
    warning = (
        "masks: a.nii.gz was edited after promise-predict wrote it; the scores are those of the edited"
        " state"
    )
    assert report.warnings == (warning,)
    assert json.loads(Path("masks/metrics.json").read_text())["warnings"] == [warning]
    assert f"<strong>Warning:</strong> {warning}" in Path("masks/report.html").read_text()
    show_report(report)
    assert f"warning: {warning}\n" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_an_edit_that_keeps_the_size_of_the_file_is_seen() -> None:
    case = predicted("a")
    content = bytearray(Path("masks/a.nii.gz").read_bytes())
    content[-9] ^= 1
    Path("masks/a.nii.gz").write_bytes(content)
    assert not is_as_written(case, Path("masks"))


@pytest.mark.usefixtures("folder")
def test_edited_masks_of_an_earlier_version_are_known_by_their_size() -> None:
    edit_json(
        Path("masks/predictions.json"),
        lambda content: [case.pop("mask_sha256") for case in content["cases"]],
    )
    assert warnings_of() == ()
    Path("masks/a.nii.gz").write_bytes(Path("masks/a.nii.gz").read_bytes() + b"\0")
    assert len(warnings_of()) == 1


@pytest.mark.usefixtures("folder")
def test_edited_masks_of_the_set_to_compare_with_are_named() -> None:
    Path("masks").rename("other")
    write_two_cases(Path())
    write_nifti(Path("other/b.nii.gz"), box((5, 5, 4)), AFFINE)
    report = evaluate(
        Path("masks"), Path("Task01_T/labelsTr"), compare_with=Path("other"), workers=0
    )
    assert report.notes[-1] == (
        "other: b.nii.gz was edited after promise-predict wrote it; the scores are those of the edited state"
    )


@pytest.mark.usefixtures("folder")
def test_clicks_outside_all_labels_ask_whether_these_are_the_labels() -> None:
    list_masks(click(OUTSIDE), click(INSIDE, sign=0))
    assert warnings_of() == (
        "Task01_T/labelsTr: the foreground clicks of all 2 cases lie outside the label; are these the labels of the"
        " scans that were clicked, and is 1 (lump) what was clicked?",
    )


@pytest.mark.usefixtures("folder")
def test_a_click_outside_its_label_is_named_with_its_case() -> None:
    list_masks(click(OUTSIDE), click(INSIDE))
    write_nifti(Path("Task01_T/labelsTr/a.nii.gz"), box((15, 15, 10)) + box((5, 5, 4)), AFFINE)
    assert warnings_of() == (
        "Task01_T/labelsTr: in 1 of 2 cases a foreground click lies outside the label: b",
    )


@pytest.mark.usefixtures("folder")
def test_cases_with_an_empty_label_need_no_click_in_it() -> None:
    for case in "ab":
        write_nifti(Path(f"Task01_T/labelsTr/{case}.nii.gz"), box((5, 5, 4), 0), AFFINE)
    list_masks(click(OUTSIDE))
    assert warnings_of() == ()


@pytest.mark.usefixtures("folder")
def test_masks_that_overlap_no_label_ask_whether_the_scans_are_the_same() -> None:
    list_masks()
    for case in "ab":
        write_nifti(Path(f"Task01_T/labelsTr/{case}.nii.gz"), box((15, 15, 10)), AFFINE)
    assert warnings_of() == (
        "Task01_T/labelsTr: no mask shares a voxel with its label in any of 2 cases; are these the labels of the same"
        " scans?",
    )


@pytest.mark.usefixtures("folder")
def test_labels_next_to_other_scans_of_the_same_names_are_questioned() -> None:
    scan = Path("Task01_T/imagesTr/b.nii.gz")
    write_nifti(scan, np.zeros((24, 20, 16), np.int16), AFFINE)
    assert warnings_of() == (
        f"Task01_T/labelsTr/b.nii.gz: lies next to the scan {scan.absolute()}, but its mask was predicted on"
        " imgs/b.nii.gz, whose voxels differ; are these the labels of the predicted scans?",
    )


@pytest.mark.usefixtures("folder")
def test_scans_that_were_only_repacked_converted_or_removed_raise_no_doubt() -> None:
    image = nib.load("imgs/a.nii.gz")
    Path("Task01_T/imagesTr/a.nii.gz").unlink()
    nib.save(image, "Task01_T/imagesTr/a.nii")
    Path("Task01_T/imagesTr/b.nii.gz").unlink()
    write_itk(
        Path("Task01_T/imagesTr/b.nrrd"), np.asanyarray(nib.load("imgs/b.nii.gz").dataobj), AFFINE
    )
    assert warnings_of() == ()
    Path("imgs/a.nii.gz").unlink()
    assert warnings_of() == ()
