import csv
import json
import math
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from promise_cli.errors import EvaluationError
from promise_cli.evaluate.command import choose_tolerances, evaluate, show_report
from tests.conftest import write_nifti

AFFINE = np.diag([0.8, 0.8, 2.5, 1.0])


def box(start, size=4, shape=(24, 20, 16), value=1):
    array = np.zeros(shape, dtype=np.uint8)
    i, j, k = start
    array[i : i + size, j : j + size, k : k + size] = value
    return array


@pytest.fixture
def folders(tmp_path):
    """Write predictions and labels of two cases; the second prediction is exact."""
    for case, start in (("a", (6, 5, 4)), ("b", (5, 5, 4))):
        write_nifti(tmp_path / "masks" / f"{case}.nii.gz", box(start), AFFINE)
        write_nifti(tmp_path / "labels" / f"{case}.nii.gz", box((5, 5, 4)), AFFINE)
    return tmp_path / "masks", tmp_path / "labels"


def run(folders, **options):
    return evaluate(*folders, workers=0, **options)


def write_voxel_pair(folder, affine, index, there):
    shape = (16, 16, 16)
    write_nifti(folder / "labels" / "x.nii.gz", box(index, 1, shape), affine)
    write_nifti(folder / "masks" / "x.nii.gz", box(there, 1, shape), affine)
    return folder / "masks", folder / "labels"


def test_a_shift_of_five_voxels_of_0_8_mm_misses_4_mm_as_the_header_stores_it(tmp_path):
    pair = write_voxel_pair(tmp_path, np.diag([0.8, 0.8, 0.8, 1]), (4, 4, 4), (9, 4, 4))
    report = run(pair, tolerances_mm=(4.0, 4.0001))
    assert report.cases[0].nsd == pytest.approx({"4.0": 0.5, "4.0001": 1.0}, abs=1e-9)


def test_an_oblique_scan_is_measured_with_the_headers_spacing_to_the_last_bit(tmp_path):
    angle = math.radians(35)
    affine = np.eye(4)
    affine[:2, :2] = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    affine[:3, :3] *= 0.8
    pair = write_voxel_pair(tmp_path, affine, (4, 4, 4), (9, 4, 4))
    report = run(pair, tolerances_mm=(5 * float(np.float32(0.8)),))
    assert list(report.cases[0].nsd.values()) == [1.0]
    assert report.cases[0].spacing == (float(np.float32(0.8)),) * 3


def test_a_shift_along_k_is_measured_with_the_spacing_of_k_whatever_the_axes_mean(tmp_path):
    affine = np.array([[0, 0, -5.0, 9], [0.7, 0, 0, -3], [0, -0.7, 0, 2], [0, 0, 0, 1]])
    pair = write_voxel_pair(tmp_path, affine, (4, 4, 4), (4, 4, 6))
    report = run(pair, tolerances_mm=(4.9, 5.0, 10.0))
    assert list(report.cases[0].nsd.values()) == pytest.approx([0.0, 0.5, 1.0], abs=1e-9)
    assert report.cases[0].spacing == pytest.approx((0.7, 0.7, 5.0))


def test_the_affine_counts_where_the_headers_spacing_contradicts_it(tmp_path):
    pair = write_voxel_pair(tmp_path, np.diag([2.0, 2.0, 2.0, 1]), (4, 4, 4), (5, 4, 4))
    image = nib.load(pair[1] / "x.nii.gz")
    header = image.header.copy()
    header["pixdim"][1:4] = 1.0
    image = nib.Nifti1Image(np.asanyarray(image.dataobj), None, header)
    image.set_sform(np.diag([2.0, 2.0, 2.0, 1]), 1, update_affine=True)
    image.header["pixdim"][1:4] = 1.0
    nib.save(image, pair[1] / "x.nii.gz")
    assert run(pair, tolerances_mm=(1.0, 2.0)).cases[0].nsd == {"1.0": 0.5, "2.0": 1.0}


def test_dice_volumes_and_names_of_a_case_are_those_of_the_drawn_boxes(folders):
    report = run(folders)
    case = report.cases[0]
    assert (case.case_id, case.label, case.status) == ("a", 1, "ok")
    assert case.dice == pytest.approx(48 / 64)
    assert (case.reference_voxels, case.prediction_voxels) == (64, 64)
    assert case.reference_ml == pytest.approx(64 * 0.8 * 0.8 * 2.5 / 1000)
    assert case.nsd == {"5.0": 1.0}
    assert report.cases[1].dice == 1.0
    assert report.summary.overall.dice.mean == pytest.approx((0.75 + 1) / 2)


def test_the_json_file_says_how_the_scores_were_computed(folders):
    run(folders, tolerances_mm=(5.0, 0.5))
    found = json.loads((folders[0] / "metrics.json").read_text())
    assert found["schema_version"] == 1
    assert found["tool"].startswith("promise_cli ")
    assert (found["protocol"], found["tolerances_mm"]) == ("promise", [0.5, 5.0])
    assert (found["empty_policy"], found["missing_policy"]) == ("nan", "error")
    assert found["bootstrap"] == {"samples": 10000, "seed": 0, "confidence_percent": 95.0}
    assert [case["case_id"] for case in found["cases"]] == ["a", "b"]
    assert found["cases"][1]["nsd"] == {"0.5": 1.0, "5.0": 1.0}
    assert found["summary"]["labels"][0]["dice"]["n"] == 2


def test_the_csv_file_has_one_row_for_a_case_and_label(folders, tmp_path):
    write_nifti(folders[0] / "b.nii.gz", box((0, 0, 0), 0), AFFINE)
    write_nifti(folders[1] / "b.nii.gz", box((0, 0, 0), 0), AFFINE)
    run(folders, output=tmp_path / "new" / "scores")
    with (tmp_path / "new" / "scores" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case_id"], row["label"], row["status"]) for row in rows] == [
        ("a", "1", "ok"),
        ("b", "1", "both_empty"),
    ]
    assert float(rows[0]["dice"]) == 0.75
    assert (rows[1]["dice"], rows[1]["nsd_5.0mm"]) == ("", "")
    assert sorted(path.name for path in folders[0].iterdir()) == ["a.nii.gz", "b.nii.gz"]


@pytest.mark.parametrize(("policy", "value"), [("nan", None), ("one", 1.0), ("zero", 0.0)])
def test_the_empty_policy_touches_only_cases_where_both_are_empty(folders, policy, value):
    empty = box((0, 0, 0), 0)
    write_nifti(folders[0] / "b.nii.gz", empty, AFFINE)
    write_nifti(folders[1] / "b.nii.gz", empty, AFFINE)
    write_nifti(folders[0] / "c.nii.gz", empty, AFFINE)
    write_nifti(folders[1] / "c.nii.gz", box((1, 1, 1)), AFFINE)
    write_nifti(folders[0] / "d.nii.gz", box((1, 1, 1)), AFFINE)
    write_nifti(folders[1] / "d.nii.gz", empty, AFFINE)
    report = run(folders, empty=policy)
    assert report.empty_cases == 1
    found = json.loads((folders[0] / "metrics.json").read_text())["cases"]
    assert [case["status"] for case in found][1:] == [
        "both_empty",
        "prediction_empty",
        "reference_empty",
    ]
    assert [case["dice"] for case in found] == [0.75, value, 0.0, 0.0]
    assert [case["nsd"]["5.0"] for case in found][1:] == [value, 0.0, 0.0]
    assert report.summary.labels[0].dice.excluded == (value is None)


@pytest.mark.parametrize(("policy", "value"), [("zero", 0.0), ("skip", None)])
def test_a_missing_prediction_is_scored_zero_or_skipped_and_always_counted(folders, policy, value):
    (folders[0] / "b.nii.gz").unlink()
    report = run(folders, missing=policy)
    found = json.loads((folders[0] / "metrics.json").read_text())
    assert found["missing_cases"] == 1
    assert (found["cases"][1]["status"], found["cases"][1]["dice"]) == ("prediction_missing", value)
    assert report.summary.overall.dice.n == (2 if policy == "zero" else 1)


def test_labels_that_only_some_cases_have_are_scored_in_all(folders):
    both = box((5, 5, 4)) + box((14, 5, 4), value=2)
    write_nifti(folders[1] / "b.nii.gz", both, AFFINE)
    write_nifti(folders[0] / "b.nii.gz", both, AFFINE)
    report = run(folders)
    assert [(case.case_id, case.label, case.status) for case in report.cases] == [
        ("a", 1, "ok"),
        ("a", 2, "both_empty"),
        ("b", 1, "ok"),
        ("b", 2, "ok"),
    ]
    assert [label.dice.n for label in report.summary.labels] == [2, 1]


def test_processes_give_the_same_scores_in_the_same_order(folders):
    for number in range(5):
        write_nifti(folders[0] / f"c{number}.nii.gz", box((number, 5, 4)), AFFINE)
        write_nifti(folders[1] / f"c{number}.nii.gz", box((5, 5, 4)), AFFINE)
    alone = run(folders).cases
    assert evaluate(*folders, workers=2).cases == alone


def test_an_error_in_a_process_reaches_the_user(folders):
    write_nifti(folders[0] / "b.nii.gz", box((5, 5, 4), shape=(24, 20, 15)), AFFINE)
    with pytest.raises(EvaluationError, match=r"b\.nii\.gz: 24 x 20 x 15 voxels of 0\.8 x"):
        evaluate(*folders, workers=2)


def test_the_table_names_tolerance_protocol_and_policy(folders, capsys):
    show_report(run(folders, tolerances_mm=(5.0, 1.5)))
    shown = capsys.readouterr().out
    for words in (
        "NSD 1.5 mm",
        "NSD 5 mm",
        "protocol promise",
        "--empty nan, applied to 0 of 2",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("dataset", "tolerance"),
    [("Task10_Colon", 4.0), ("Task07_Pancreas", 5.0), ("Dataset003_Liver", 7.0)],
)
def test_the_msd_protocol_knows_the_tolerance_of_its_task(dataset, tolerance):
    assert choose_tolerances("msd", None, dataset) == (tolerance,)


@pytest.mark.parametrize("dataset", ["Task04_Hippocampus", "Task10_Other", "colon", None])
def test_the_msd_protocol_refuses_a_task_whose_tolerance_has_no_source(dataset):
    with pytest.raises(
        EvaluationError, match=r"no published tolerance is known .*Task10_Colon 4 mm"
    ):
        choose_tolerances("msd", None, dataset)


@pytest.mark.parametrize(
    ("protocol", "asked", "message"),
    [
        ("msd", (4.0,), "^--protocol msd sets the tolerance itself; leave out --tolerance$"),
        ("promise", (-1.0,), "^--tolerance -1: use a length in mm, 0 or more$"),
        ("promise", (math.nan,), "^--tolerance nan: use a length in mm, 0 or more$"),
    ],
)
def test_an_impossible_tolerance_is_refused(protocol, asked, message):
    with pytest.raises(EvaluationError, match=message):
        choose_tolerances(protocol, asked, "Task10_Colon")


def test_no_torch_is_loaded(folders):
    code = (
        "import sys; from pathlib import Path; from promise_cli.evaluate.command import evaluate;"
        "evaluate(Path(sys.argv[1]), Path(sys.argv[2]), workers=0);"
        "print([name for name in ('torch', 'monai', 'scipy.spatial') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, folders)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_results_that_cannot_be_written_are_an_error(folders, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="file: results need a folder, found a file"):
        run(folders, output=tmp_path / "file")
    with pytest.raises(EvaluationError, match="below: cannot be written to"):
        run(folders, output=tmp_path / "file" / "below")
