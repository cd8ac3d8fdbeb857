"""Several labels can be one target, which is planned, preprocessed, predicted and scored as their union."""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import preprocess_app
from promise_cli.dataset.case import load_case
from promise_cli.dataset.plan import Plan, case_key
from promise_cli.disk.records import load_record, record_to_json
from promise_cli.errors import DatasetError, PlanError
from promise_cli.evaluate.command import evaluate
from promise_cli.predict import predict
from promise_cli.preprocess.command import preprocess
from promise_cli.train import TrainRequest, train
from tests.conftest import edit_json, write_dataset
from tests.standins import plan_of

NAME = "Task97_Halves"


def _values(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


@pytest.fixture
def halves(in_folder: Path) -> Path:
    """Write a dataset whose balls are two labels, front and back, with a third label in a corner."""
    folder = write_dataset(in_folder / NAME)
    edit_json(
        folder / "dataset.json",
        lambda it: it.update(
            labels={"0": "background", "1": "front half", "2": "back", "3": "corner"}
        ),
    )
    for path in (folder / "labelsTr").iterdir():
        image = nib.load(path)
        array = np.asanyarray(image.dataobj).copy()
        array[: array.shape[0] // 2][array[: array.shape[0] // 2] > 0] = 2
        array[:2, :2, :2] = 3
        nib.save(nib.Nifti1Image(array, image.affine, image.header), path)
    return in_folder


def _type(*arguments: str) -> Plan:
    done = CliRunner().invoke(preprocess_app, ["--workers", "0", *arguments])
    assert done.exit_code == 0, done.output
    return load_record(Plan, Path("preprocessed") / NAME / "plans.json")


@pytest.mark.parametrize(
    "line",
    [
        ["Task97", "--target-label", "front half", "back"],
        ["--target-label", "back", "1", "Task97"],
        ["--target-label", "2", "--target-label", "1", "97"],
        ["97", "--target-label=2", "FRONT HALF", "1"],
        ["--skip-bad", "Task97", "--target-label", "2", "1"],
        ["--target-label", "2", "1", "--", "97"],
    ],
)
def test_several_labels_may_follow_one_option(halves: Path, line: list[str]) -> None:
    del halves
    plan = _type(*line)
    assert (plan.target_label, plan.target_labels, plan.labels) == (1, (1, 2), (1, 2))
    assert (plan.target_name, plan.label) == ("front half+back", "1+2")


@pytest.mark.parametrize("line", [["Task97", "--target-label", "2"], ["--target-label", "2", "97"]])
def test_one_label_is_one_target_as_before(halves: Path, line: list[str]) -> None:
    del halves
    plan = _type(*line)
    assert (plan.target_label, plan.target_labels, plan.label) == (2, (), 2)


def test_a_case_holds_the_union_and_nothing_else(halves: Path) -> None:
    done = preprocess("97", target_label=["1", "2"], workers=0)
    for case in done.fingerprint.cases:
        label = _values(halves / NAME / "labelsTr" / f"{case.case_id}.nii.gz")
        union = int(np.isin(label, (1, 2)).sum())
        assert case.target_ml == pytest.approx(union * np.prod(case.spacing) / 1000, abs=1e-3)
    case = load_case(done.folder / "cases", "ball_001")
    volume = float((np.asarray(case.target) > 0).sum() * np.prod(done.plan.spacing) / 1000)
    assert volume == pytest.approx(done.fingerprint.cases[0].target_ml, rel=0.05)


def test_a_plan_keeps_its_labels_until_it_is_overwritten(halves: Path) -> None:
    first = preprocess("97", target_label=["back", "front half"], workers=0)
    again = preprocess("97", workers=0)
    assert (again.plan, again.num_new) == (first.plan, 0)
    assert preprocess("97", target_label=["1", "2"], workers=0).plan == first.plan
    with pytest.raises(
        PlanError, match=r"planned for target 1\+2 \(front half\+back\), asked for 1;"
    ):
        preprocess("97", target_label="1", workers=0)
    edit_json(first.folder / "plans.json", lambda it: it.update(target_labels=[1, 9]))
    with pytest.raises(PlanError, match=r"target_labels 9 is not a label of dataset\.json"):
        preprocess("97", workers=0)
    anew = preprocess("97", target_label="1", workers=0, overwrite=True)
    assert (anew.plan.labels, anew.num_new) == ((1,), 6)
    del halves


def test_a_case_with_one_of_the_labels_is_good_and_one_with_none_is_not(
    halves: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = halves / NAME / "labelsTr" / "ball_003.nii.gz"
    image = nib.load(path)
    array = np.asanyarray(image.dataobj).copy()
    array[array == 2] = 0
    nib.save(nib.Nifti1Image(array, image.affine, image.header), path)
    assert len(preprocess("97", target_label=["1", "2"], workers=0).fingerprint.cases) == 6
    array[array == 1] = 0
    nib.save(nib.Nifti1Image(array, image.affine, image.header), path)
    with pytest.raises(DatasetError, match=r"1 of 6 cases cannot be used"):
        preprocess("97", target_label=["1", "2"], workers=0, overwrite=True)
    shown = capsys.readouterr().out
    assert re.search(r"ball_003  error .*no voxel of 1\+2 \(front half\+back\)", shown)


def test_an_unknown_label_among_several_is_named(halves: Path) -> None:
    with pytest.raises(
        DatasetError, match="no label 'tail'; --target-label takes one of: 1 front half"
    ):
        preprocess("97", target_label=["1", "tail"], workers=0)
    assert not (halves / "preprocessed").exists()


def test_existing_cases_of_plans_with_one_label_stay_valid() -> None:
    """The key of such cases must not depend on fields that plans got later, such as several labels or channels."""
    plan = plan_of(48)
    content = record_to_json(plan)
    later = ("target_labels", "further_channels", "objects", "cases_format")
    for name in ("patch_size", "cases", *later):
        del content[name]
    text = json.dumps(content, sort_keys=True)
    assert case_key(plan) == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert case_key(dataclasses.replace(plan, target_labels=(1, 2))) != case_key(plan)


@pytest.mark.parametrize("labels", [(1,), (2, 3), (1, 1), (1, 3, 2)])
def test_target_labels_that_do_not_rise_from_the_first_are_refused(labels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="target_labels must be several rising values"):
        plan_of(48, target_labels=labels)


@pytest.mark.slow
def test_masks_are_scored_against_the_union(halves: Path) -> None:
    preprocess("97", target_label=["1", "2"], workers=0)
    folder = train(
        TrainRequest(network="segresnet", preset="tiny", epochs=1, patches_per_case=1, device="cpu")
    )
    scored = json.loads((folder / "metrics.json").read_text())
    assert {case["label"] for case in scored["cases"]} == {"1+2"}
    shutil.copytree(halves / NAME / "imagesTr", "imgs")
    assert predict(Path("imgs"), device="cpu")
    report = evaluate(page=False, workers=0)
    assert len(report.cases) == 6
    for case in report.cases:
        mask = _values(Path("predictions/imgs") / f"{case.case_id}.nii.gz") > 0
        truth = np.isin(_values(halves / NAME / "labelsTr" / f"{case.case_id}.nii.gz"), (1, 2))
        assert case.label == "1+2"
        assert case.dice == pytest.approx(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
