"""Spacing and patch are options, plans of a dataset lie next to each other, and lesions are compared to the window."""

import json
import math
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import preprocess_app, train_app
from promise_cli.dataset.fingerprint import Fingerprint
from promise_cli.dataset.fingerprint.extents import target_extents
from promise_cli.dataset.plan import Plan
from promise_cli.disk.folder_names import check_name
from promise_cli.disk.plan_names import with_plan
from promise_cli.disk.records import load_record
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import PlanError, WorkspaceError
from promise_cli.predictions.record import labels_dir
from promise_cli.preprocess.command import preprocess
from tests.conftest import edit_json, write_dataset, write_nifti

DEFAULT = Path("preprocessed") / "Task98_Balls"
FINE = Path("preprocessed") / "Task98_Balls@fine"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a workspace with the raw dataset of balls."""
    write_dataset(tmp_path / "Task98_Balls")
    return tmp_path


def _call(app, *arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_named_plan_lies_next_to_the_default_one_and_has_its_folds(root: Path) -> None:
    preprocess("98", root=root, workers=0)
    edit_json(root / DEFAULT / "splits.json", lambda found: found["folds"].reverse())
    before = _contents(root / DEFAULT)
    made = preprocess(
        "98", root=root, workers=0, plan="fine", spacing=(2.0, 2.0, 3.0), patch_size=40
    )
    assert made.folder == root / FINE
    assert made.num_new == 6
    assert _contents(root / DEFAULT) == before
    plan = load_record(Plan, root / FINE / "plans.json")
    assert (plan.dataset, plan.spacing, plan.patch_size) == ("Task98_Balls", (2.0, 2.0, 3.0), 40)
    for name in ("splits.json", "fingerprint.json"):
        assert json.loads((root / FINE / name).read_text()) == json.loads(before[name])
    shapes = [
        np.load(root / place / "cases" / "ball_001" / "image.npy", mmap_mode="r").shape
        for place in (DEFAULT, FINE)
    ]
    assert np.prod(shapes[0]) > 8 * np.prod(shapes[1])
    again = preprocess("Task98_Balls@fine", root=root, workers=0)
    assert (again.folder, again.num_new) == (root / FINE, 0)


def test_the_options_of_the_command_line_reach_the_plan(root: Path) -> None:
    line = "98 --root {} --workers 0 --target-label 1 --spacing 1 1 2 --patch-size 24 --plan a"
    found = _call(preprocess_app, *line.format(root).split())
    assert found.exit_code == 0, found.output
    plan = load_record(Plan, root / "preprocessed" / "Task98_Balls@a" / "plans.json")
    assert (plan.spacing, plan.patch_size) == ((1.0, 1.0, 2.0), 24)
    swapped = f"--spacing 1 1 2 --plan a --root {root} --workers 0 --target-label 1 98"
    found = _call(preprocess_app, *swapped.split())
    assert found.exit_code == 0, found.output
    assert "0 written now" in found.output


def test_another_spacing_is_refused_and_another_patch_keeps_the_cases(root: Path) -> None:
    preprocess("98", root=root, workers=0, patch_size=64)
    before = _contents(root / DEFAULT)
    with pytest.raises(PlanError) as raised:
        preprocess("98", root=root, workers=0, spacing=(2.0, 2.0, 2.0))
    assert str(raised.value) == (
        f"{root / DEFAULT / 'plans.json'}: planned with a spacing of 1 x 1 x 1 mm, asked for 2 x 2 x 2 mm; add"
        " --plan NAME to make a further plan next to it, or --overwrite to plan anew"
    )
    assert _contents(root / DEFAULT) == before
    assert preprocess("98", root=root, workers=0, patch_size=32).num_new == 0
    after = _contents(root / DEFAULT)
    assert {name for name in before if before[name] != after[name]} == {"plans.json"}
    assert json.loads(after["plans.json"])["patch_size"] == 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing": (0.0, 1.0, 1.0)}, "--spacing: spacing must lie between 0.05 and 50 mm"),
        ({"spacing": (1.0, math.nan, 1.0)}, "--spacing: spacing must lie between 0.05 and 50 mm"),
        ({"spacing": (1.0, 1.0, math.inf)}, "--spacing: spacing must lie between 0.05 and 50 mm"),
        ({"patch_size": 30}, "--patch-size: patch_size must be a multiple of 4 from 8 to 512"),
    ],
)
def test_impossible_sizes_are_refused_with_their_option(
    root: Path, options: dict, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        preprocess("98", root=root, workers=0, **options)
    assert not (root / DEFAULT / "plans.json").exists()


@pytest.mark.parametrize("name", ["", "a__b", "_a", "a/b", "a@b", "a.", "x" * 41])
def test_a_name_that_cannot_be_part_of_a_folder_name_is_refused(name: str) -> None:
    with pytest.raises(WorkspaceError, match="use 1 to 40 letters, digits"):
        check_name(name, "--plan")


def test_a_plan_is_found_by_name_and_the_default_one_without(tmp_path: Path) -> None:
    names = ("Task07_A", "Task07_A@fine", "Task07_A@coarse", "Task10_B@fine")
    for name in names:
        (tmp_path / "preprocessed" / name).mkdir(parents=True)
        (tmp_path / "preprocessed" / name / "plans.json").write_text("{}")
    (tmp_path / "raw" / "Task07_A").mkdir(parents=True)
    (tmp_path / "raw" / "Task07_A" / "dataset.json").write_text("{}")
    find = Workspace(tmp_path).find_preprocessed
    for task in ("7", "Task07", "Task07_A", str(tmp_path / "raw" / "Task07_A")):
        assert find(task).name == "Task07_A"
        assert find(with_plan(task, "fine")).name == "Task07_A@fine"
    assert find("Task07_A@coarse").name == "Task07_A@coarse"
    assert find(str(tmp_path / "preprocessed" / "Task07_A@fine")).name == "Task07_A@fine"
    assert find(with_plan(None, "coarse")).name == "Task07_A@coarse"
    assert find("10").name == "Task10_B@fine"
    with pytest.raises(WorkspaceError, match="several datasets fit"):
        find(with_plan(None, "fine"))
    with pytest.raises(WorkspaceError, match="'7@rough': not preprocessed yet"):
        find(with_plan("7", "rough"))


def test_a_plan_that_no_dataset_has_is_refused_with_the_command_that_makes_it(
    tmp_path: Path,
) -> None:
    workspace = Workspace(tmp_path)
    for root, find, command in (
        (workspace.preprocessed, workspace.find_preprocessed, "promise-preprocess"),
        (workspace.results, workspace.results_of, "promise-train"),
    ):
        start = f"--plan rough: no dataset in {root} has this plan; there:"
        for folder, end in (
            (None, f"none; run {command} TASK --plan rough first"),
            ("Task07_A", f"Task07_A; run {command} Task07_A --plan rough first"),
            (
                "Task10_B@ruogh",
                f"Task07_A, Task10_B@ruogh; run {command} TASK --plan rough first; did you mean ruogh?",
            ),
        ):
            if folder is not None:
                (root / folder).mkdir(parents=True)
                (root / folder / "plans.json").touch()
            with pytest.raises(WorkspaceError) as raised:
                find(with_plan(None, "rough"))
            assert str(raised.value) == f"{start} {end}"


def test_runs_of_a_plan_are_found_by_name_and_the_default_ones_without(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for dataset in ("Task07_A", "Task07_A@fine", "Task10_B@fine"):
        (results / dataset / "fold_0").mkdir(parents=True)
        (results / dataset / "fold_0" / "checkpoint_last.pt").touch()
    workspace = Workspace(tmp_path)

    def find(dataset: str | None) -> str:
        (path,) = workspace.find_runs(None, (), dataset=dataset)
        return path.parent.parent.name

    assert find("7") == find("Task07_A") == "Task07_A"
    assert find(with_plan("7", "fine")) == find("Task07_A@fine") == "Task07_A@fine"
    assert find("10") == "Task10_B@fine"
    with pytest.raises(WorkspaceError, match=r"several .* fit.*Task07_A.*Task10_B@fine"):
        find(None)
    shutil.rmtree(results / "Task10_B@fine")
    assert find(None) == "Task07_A"
    assert find(with_plan(None, "fine")) == "Task07_A@fine"


def test_labels_are_found_if_only_a_named_plan_was_preprocessed(root: Path) -> None:
    preprocess("98", root=root, workers=0, plan="fine", spacing=(2.0, 2.0, 2.0))
    assert labels_dir(Workspace(root), "Task98_Balls") == "Task98_Balls/labelsTr"


@pytest.mark.slow
def test_a_run_of_a_named_plan_lies_in_results_of_that_name(root: Path) -> None:
    preprocess("98", root=root, workers=0, plan="fine", spacing=(1.5, 1.5, 1.5))
    line = f"98 --plan fine --fold 0 --resume --device cpu --root {root}"
    found = _call(train_app, *line.split())
    run = root / "results" / "Task98_Balls@fine" / "fold_0"
    assert found.exit_code == 1
    assert f"{run / 'checkpoint_last.pt'}: nothing to resume" in " ".join(found.output.split())


def test_the_box_of_a_target_and_its_longest_lesions_are_measured_in_mm() -> None:
    mask = np.zeros((30, 30, 30), bool)
    mask[2:12, 5, 5] = True  # 10 voxels long
    mask[20, 8:28, 20:22] = True
    mask[21, 28, 22] = True  # touches at a corner, so it belongs to the second lesion
    target, lesion = target_extents(mask, (1.0, 0.5, 2.0))
    assert target == (20.0, 12.0, 36.0)
    assert lesion == (10.0, 10.5, 6.0)


def test_a_lesion_larger_than_the_window_suggests_a_spacing_and_a_patch(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3, 4, 5, 6):
        (root / "Task98_Balls" / "labelsTr" / f"ball_00{number}.nii.gz").unlink()
        mask = np.zeros((28, 26, 20), np.uint8)
        mask[3:5, 3:5, 3:5] = mask[20:22, 3:5, 3:5] = 1
        if number == 4:
            mask[2:26, 2:4, 2:4] = 1
        scan = nib.load(root / "Task98_Balls" / "imagesTr" / f"ball_00{number}.nii.gz")
        label = root / "Task98_Balls" / "labelsTr" / f"ball_00{number}.nii.gz"
        write_nifti(label, mask, scan.affine)
    made = preprocess("98", root=root, workers=0, patch_size=16)
    told = capsys.readouterr()
    said, warned = (" ".join(text.split()) for text in (told.out, told.err))
    # Along the first axis of each file, the targets of five cases span 19 mm and have two lesions of 2 mm.
    assert (
        "window: 16 x 16 x 16 mm; it holds every lesion in 5 of 6 cases, and the whole target in 0"
        in said
    )
    assert (
        "1 case has a lesion that is larger than the window, such as ball_004; the largest is"
        in warned
    )
    assert "--plan NAME --spacing 1.5 1.5 1.5, or --patch-size 24 would hold all of them" in warned
    case = made.fingerprint.cases[3]
    assert case.lesion_mm == pytest.approx((24.0, 3 * 0.9, 3 * 1.5))
    preprocess("98", root=root, workers=0, patch_size=24)
    told = capsys.readouterr()
    assert "it holds every lesion in 6 of 6 cases, and the whole target in 6" in " ".join(
        told.out.split()
    )
    assert "larger than the window" not in told.err


def test_fingerprints_of_earlier_versions_have_no_extents(preprocessed: Path) -> None:
    content = json.loads((preprocessed / DEFAULT / "fingerprint.json").read_text())
    for case in content["cases"]:
        assert case.pop("target_mm")
        assert case.pop("lesion_mm")
    path = preprocessed.parent / "earlier_fingerprint.json"
    path.write_text(json.dumps(content))
    assert load_record(Fingerprint, path).cases[0].lesion_mm is None
