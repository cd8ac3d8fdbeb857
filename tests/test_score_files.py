"""The files that promise-evaluate writes besides metrics.json, and the metrics that it measures on request."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.evaluate.command import evaluate
from tests.conftest import write_nifti

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
KEYS = ("hd95_mm", "assd_mm", "precision", "recall", "volume_difference")


def box(start=(5, 5, 4), size=4, value=1):
    array = np.zeros((24, 20, 16), dtype=np.uint8)
    i, j, k = start
    array[i : i + size, j : j + size, k : k + size] = value
    return array


@pytest.fixture
def folders(in_folder):
    """Write predictions of three cases: moved by two voxels, exact, and with half of the target."""
    masks = {"a": box((7, 5, 4)), "b": box(), "c": box() * (np.indices((24, 20, 16))[0] < 7)}
    for case, mask in masks.items():
        write_nifti(Path(f"masks/{case}.nii.gz"), mask.astype(np.uint8), AFFINE)
        write_nifti(Path(f"labels/{case}.nii.gz"), box(), AFFINE)
    assert in_folder == Path.cwd()
    return Path("masks"), Path("labels")


def run(*arguments):
    result = CliRunner().invoke(evaluate_app, ["masks", "labels", "--workers", "0", *arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def report():
    return json.loads(Path("masks/metrics.json").read_text())


def test_metrics_on_request_have_the_values_worked_out_by_hand(folders):
    found = {case.case_id: case.further for case in evaluate(*folders, metrics=["all"]).cases}
    assert tuple(found["a"]) == KEYS
    moved = found["a"]
    assert (moved["precision"], moved["recall"], moved["volume_difference"]) == (0.5, 0.5, 0.0)
    assert moved["hd95_mm"] == pytest.approx(2.0)
    assert found["b"] == pytest.approx(dict(zip(KEYS, (0, 0, 1, 1, 0), strict=True)))
    half = found["c"]
    assert (half["precision"], half["recall"], half["volume_difference"]) == (1.0, 0.5, -0.5)
    assert half["hd95_mm"] == pytest.approx(2.0)


@pytest.mark.usefixtures("folders")
def test_only_the_requested_metrics_are_measured_in_a_fixed_order():
    several = run("--metrics", "recall", "hd95", "--tolerance", "5", "2")
    assert "HD95 (mm)" in several
    assert [*report()["cases"][0]["further"]] == ["hd95_mm", "recall"]
    with Path("masks/metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[4:9] == ["dice", "nsd_2.0mm", "nsd_5.0mm", "hd95_mm", "recall"]
    assert float(rows[0]["recall"]) == 0.5
    assert report()["summary"]["labels"][0]["further"]["recall"]["mean"] == pytest.approx(2 / 3)
    run()
    assert report()["cases"][0]["further"] == {}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("nan", (None, None, None, None, None)),
        ("one", (0.0, 0.0, 1.0, 1.0, 0.0)),
        ("zero", (None, None, 0.0, 0.0, None)),
    ],
)
def test_where_both_are_empty_the_policy_gives_values_to_metrics_that_can_have_one(
    folders, policy, expected
):
    for folder in folders:
        write_nifti(folder / "b.nii.gz", box(size=0), AFFINE)
    run("--metrics", "all", "--empty", policy)
    assert tuple(report()["cases"][1]["further"].values()) == expected


def test_where_one_is_empty_distances_and_ratios_by_zero_have_no_value(folders):
    write_nifti(folders[0] / "a.nii.gz", box(size=0), AFFINE)
    write_nifti(folders[1] / "b.nii.gz", box(size=0), AFFINE)
    run("--metrics", "all")
    found = [tuple(case["further"].values()) for case in report()["cases"]]
    assert found[0] == (None, None, None, 0.0, -1.0)
    assert found[1] == (None, None, 0.0, None, None)
    assert report()["summary"]["labels"][0]["further"]["hd95_mm"]["excluded"] == 2


def test_a_missing_prediction_that_scores_zero_has_no_distance(folders):
    (folders[0] / "b.nii.gz").unlink()
    run("--metrics", "all", "--missing", "zero")
    assert tuple(report()["cases"][1]["further"].values()) == (None, None, 0.0, 0.0, None)


@pytest.mark.usefixtures("folders")
def test_the_worst_cases_and_the_number_of_failures_are_listed():
    shown = run()
    assert report()["summary"]["labels"][0]["worst_cases"] == ["a", "c", "b"]
    assert "lowest Dice: a, c, b" in shown
    assert report()["summary"]["labels"][0]["failures"] == 0


def test_markdown_holds_the_numbers_of_the_summary_and_the_rules_behind_them(folders):
    (folders[0] / "c.nii.gz").unlink()
    run("--missing", "zero", "--tolerance", "2")
    text = Path("masks/metrics.md").read_text()
    of = report()["summary"]["labels"][0]["dice"]
    assert f"| 1 | Dice | 3 | {of['mean']:.3f} ± {of['sd']:.3f} |" in text
    for words in (
        "protocol promise",
        "NSD at 2 mm",
        "Cases without prediction (--missing zero): 1.",
        "1 1 of 3",
        "seed 0",
    ):
        assert words in text


@pytest.mark.usefixtures("folders")
def test_nnunets_summary_holds_its_counts():
    write_nifti(Path("masks/b.nii.gz"), box() + box((14, 5, 4), value=2), AFFINE)
    write_nifti(Path("labels/b.nii.gz"), box() + box((14, 6, 4), value=2), AFFINE)
    run("--format", "nnunet", "--empty", "one")
    found = json.loads(Path("masks/summary.json").read_text())
    first = found["metric_per_case"][0]
    assert first["prediction_file"] == "masks/a.nii.gz"
    assert first["reference_file"] == "labels/a.nii.gz"
    total = 24 * 20 * 16
    expected = {"Dice": 0.5, "IoU": 1 / 3, "TP": 32, "FP": 32, "FN": 32, "TN": total - 96}
    assert first["metrics"]["1"] == pytest.approx({**expected, "n_pred": 64, "n_ref": 64})
    assert math.isnan(first["metrics"]["2"]["Dice"])
    assert found["mean"]["2"]["Dice"] == pytest.approx(0.75)
    dice = [case["metrics"]["1"]["Dice"] for case in found["metric_per_case"]]
    assert found["mean"]["1"]["Dice"] == pytest.approx(sum(dice) / 3)
    assert found["foreground_mean"]["Dice"] == pytest.approx((sum(dice) / 3 + 0.75) / 2)
    run("--format", "nnunet")  # it may overwrite its own file


def test_comparing_with_masks_or_with_their_metrics_json_gives_the_same(folders):
    for case in "abc":
        write_nifti(Path(f"other/{case}.nii.gz"), box((6, 5, 4)), AFFINE)
    shown = run("--compare", "other", "--metrics", "hd95")
    now = report()["comparison"]
    first = now["labels"][0]["metrics"]
    assert list(first) == ["dice", "nsd_5.0mm", "hd95_mm"]
    assert first["dice"]["other_mean"] == 0.75
    assert first["dice"]["mean_difference"] == pytest.approx((0.5 + 1 + 2 / 3) / 3 - 0.75)
    assert "Compared with other" in shown
    assert "Wilcoxon's signed-rank test without zeros (" in shown
    assert not Path("other/metrics.json").exists()
    evaluate(Path("other"), folders[1], output=Path("scores"), metrics=["hd95"], workers=0)
    run("--compare", "scores", "--metrics", "hd95")
    assert report()["comparison"]["labels"] == now["labels"]
    run("--compare", "scores/metrics.json")
    assert [*report()["comparison"]["labels"][0]["metrics"]] == ["dice", "nsd_5.0mm"]
    assert "## Compared with scores/metrics.json" in Path("masks/metrics.md").read_text()


def test_a_set_with_more_labels_is_compared_in_the_common_label_only(folders):
    names = {"0": "background", "1": "organ", "2": "tumour"}
    Path("labels/dataset.json").write_text(json.dumps({"labels": names}))
    for case in "abc":
        both = box(value=2) + box((14, 5, 4))
        write_nifti(folders[1] / f"{case}.nii.gz", both, AFFINE)
        write_nifti(Path(f"other/{case}.nii.gz"), both, AFFINE)
    manifest = {
        "created": "2026-01-02T10:00:00+00:00",
        "dataset": "x",
        "target_label": 2,
        "target_name": "tumour",
        "labels": "labels",
        "cases": [{"case_id": case, "mask": f"{case}.nii.gz"} for case in "ab"],
    }
    (folders[0] / "c.nii.gz").unlink()
    Path("other/c.nii.gz").unlink()
    Path("masks/predictions.json").write_text(json.dumps(manifest))
    run("--compare", "other")
    (label,) = report()["comparison"]["labels"]
    assert (label["label"], label["metrics"]["dice"]["n"]) == (2, 2)
    assert label["metrics"]["dice"]["other_mean"] == 1.0
