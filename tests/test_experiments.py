"""The experiments behind docs/results.md can be stopped and continued, and keep their results."""

import dataclasses
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage
from typer.testing import CliRunner

from experiments import steps
from experiments.click_after import _cut_down
from experiments.clicks import draw_points
from experiments.command import CommandError, Taken, run
from experiments.epochs import _corrected, measure_epochs
from experiments.matrices import MATRICES
from experiments.matrix import Matrix, Row
from experiments.place import Place
from experiments.rule import _mean_dice
from experiments.steps import do_row, prepare, study_clicks
from promise_cli.console import say
from promise_cli.train.samples import Sample
from tests.conftest import write_dataset

TINY = Matrix(
    name="balls",
    dataset="Task98_Balls",
    preprocess=(),
    plan={"spacing": [1.5, 1.5, 1.5]},
    train=("--epochs", "1", "--preset", "tiny", "--set", "patch_size=16"),
    rows=(
        Row(name="promise", what="ProMISe", options=("--encoder", "tiny")),
        Row(name="dynunet", what="dynunet", options=("--network", "dynunet"), clicks=False),
    ),
    studied=("promise",),
)


def run_here(name: str, *arguments: str, folder: Path) -> Taken:
    """Run a command in this process, where torch and MONAI are loaded already; loading them takes four seconds."""
    from promise_cli import cli

    say(f"$ promise-{name} {' '.join(arguments)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("PROMISE_ROOT", raising=False)
        result = CliRunner().invoke(getattr(cli, f"{name}_app"), arguments)
    assert result.exit_code == 0, result.output
    line = " ".join([f"promise-{name}", *arguments])
    return Taken(command=line, status=0, seconds=1.0, processor_seconds=1.0, peak_memory_gib=0.5)


@pytest.fixture(scope="module", autouse=True)
def _commands_run_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "run", run_here)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("evidence")
    place = Place(
        TINY, write_dataset(folder / "Task98_Balls"), folder / "work", results=folder / "results"
    )
    prepare(place)
    for row in TINY.rows:
        assert do_row(place, row, device="cpu", until=time.monotonic() + 600)
    return place


@pytest.mark.slow
def test_a_row_keeps_its_scores_curves_and_costs(place: Place) -> None:
    promise, dynunet = TINY.rows
    of_every_row = {
        *("config.json", "run.json", "log.csv"),
        *("prediction.json", "seen.json"),
    }
    kept = {path.name for path in place.kept_of(promise).iterdir()}
    assert kept == of_every_row | {
        *("metrics.json", "metrics_single_window.json"),
        *("click_use.json", "encoder_use.json"),
    }
    kept = {path.name for path in place.kept_of(dynunet).iterdir()}
    assert kept == of_every_row | {"metrics.json", "click_after.json"}
    points = json.loads(place.points.read_text())
    metrics = json.loads((place.kept_of(dynunet) / "metrics.json").read_text())
    assert [case["case_id"] for case in metrics["cases"]] == sorted(points)
    assert metrics["comparison"]["other"].endswith("promise.json")
    plan = json.loads((place.kept / "plans.json").read_text())
    assert plan["spacing"] == [1.5, 1.5, 1.5]


@pytest.mark.slow
def test_a_whole_mask_has_the_dice_of_the_evaluation_before_it_is_cut_down(place: Place) -> None:
    kept = place.kept_of(TINY.rows[1])
    scored = json.loads((kept / "metrics.json").read_text())["cases"]
    cut = json.loads((kept / "click_after.json").read_text())["cases"]
    assert cut
    for case in scored:
        of_case = cut[case["case_id"]]
        assert abs(case["dice"] - of_case["whole_scan"]) < 1e-6
        assert of_case["best_part"] >= of_case["part_at_click"]


@pytest.mark.slow
def test_training_validation_and_test_cases_are_all_scored(place: Place) -> None:
    for row in TINY.rows:
        mean = json.loads((place.kept_of(row) / "seen.json").read_text())["mean"]
        assert set(mean) == {"train", "val", "test"}
        assert all(0 <= value <= 1 for value in mean.values())


@pytest.mark.slow
def test_kept_files_contain_no_path_of_this_machine(place: Place) -> None:
    for path in place.kept.rglob("*.json"):
        assert str(place.work.parent) not in path.read_text(), path


@pytest.mark.slow
def test_finished_steps_are_not_repeated(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    prepare(place)
    for row in TINY.rows:
        assert do_row(place, row, device="cpu", until=0)
    assert "$" not in capfd.readouterr().out


@pytest.mark.slow
def test_without_time_a_row_is_left_for_another_call(place: Place) -> None:
    another = dataclasses.replace(TINY.rows[0], name="another")
    assert not do_row(place, another, device="cpu", until=0)
    assert not place.kept_of(another).exists()


@pytest.mark.slow
def test_the_click_study_of_a_row_is_kept_as_a_table(place: Place) -> None:
    study_clicks(place, TINY.rows[0], device="cpu")
    table = (place.kept_of(TINY.rows[0]) / "clicks.csv").read_text().splitlines()
    num_cases = len(json.loads(place.points.read_text()))
    assert len(table) == 1 + num_cases * 3 * 5 * 4  # 3 strategies, 5 trials, 4 numbers of clicks
    for name, trials in (("corrections", 5), ("corrections_followed", 2)):
        corrected = (place.kept_of(TINY.rows[0]) / f"{name}.csv").read_text().splitlines()
        assert len(corrected) == 1 + num_cases * 5 * trials


def test_the_study_of_epochs_clicks_on_the_largest_error_until_nothing_is_wrong():
    """The target is two cubes, and the stand-in for a network marks each cube that has a foreground click."""
    target = np.zeros((16, 16, 16), dtype=bool)
    target[1:5, 1:5, 1:5] = target[8:14, 8:14, 8:14] = True
    parts, _ = ndimage.label(target)

    def probabilities(_, clicks, labels):
        marked = {parts[tuple(click)] for click, label in zip(clicks, labels, strict=True) if label}
        return np.isin(parts, sorted(marked - {0})).astype(np.float32)

    predictor = SimpleNamespace(
        networks=SimpleNamespace(probabilities=probabilities),
        plan=SimpleNamespace(spacing=(1.0, 1.0, 1.0)),
    )
    sample = Sample(
        torch.zeros(1, 16, 16, 16),
        torch.from_numpy(target)[None].float(),
        torch.tensor([[2.0, 2.0, 2.0]]),
        torch.ones(1, dtype=torch.long),
        ("two_cubes",),
    )
    small, large = 4**3, 6**3
    first = 2 * small / (2 * small + large)
    assert _corrected(predictor, sample, 0) == pytest.approx([first, 1, 1, 1])


@pytest.mark.slow
def test_both_networks_of_a_run_are_asked_about_the_same_windows(place: Place) -> None:
    found = measure_epochs(place, TINY.rows[0], "cpu")
    best, last = found["chosen by validation"], found["last"]
    assert best == last  # after one epoch they are the same network
    assert best["epoch"] == 1
    assert all(len(best[part]) == 4 for part in ("val", "test"))


@pytest.mark.slow
def test_a_row_that_is_only_corrected_has_no_other_study(place: Place) -> None:
    matrix = dataclasses.replace(TINY, name="corrected", studied=(), corrected=("promise",))
    only = dataclasses.replace(place, matrix=matrix)
    shutil.copytree(place.work / TINY.name, place.work / matrix.name, symlinks=True)
    for row in TINY.rows:
        study_clicks(only, row, device="cpu")
    kept = {path.name for path in only.kept_of(TINY.rows[0]).iterdir()}
    assert kept == {
        f"corrections{way}.{kind}" for way in ("", "_followed") for kind in ("csv", "md")
    }
    assert not only.kept_of(TINY.rows[1]).exists()


@pytest.mark.slow
def test_five_clicks_are_scored_one_by_one_and_the_first_has_the_rows_score(
    place: Place,
) -> None:
    study_clicks(place, TINY.rows[0], device="cpu")
    kept = place.kept_of(TINY.rows[0])
    found = json.loads((kept / "draws.json").read_text())
    for way, file in (("followed", "metrics.json"), ("one_window", "metrics_single_window.json")):
        scored = json.loads((kept / file).read_text())["cases"]
        dice = found["dice"][f"{way} {found['placement']}"]
        assert {case["case_id"]: round(case["dice"], 6) for case in scored} == {
            case_id: values[0] for case_id, values in dice.items()
        }
        assert all(len(values) == 5 for values in dice.values())
    assert draw_points(place, 0) != draw_points(place, 1)


def test_the_rule_finds_soft_tissue_near_the_click() -> None:
    distance = np.linalg.norm(np.indices((9, 9, 9)) - 4.0, axis=0)
    hu = np.where(distance <= 3, 40.0, -100.0).astype(np.float32)
    windows = [(hu, distance, distance <= 3)]
    assert _mean_dice(windows, 30, (0, 50)) == 1
    assert _mean_dice(windows, 30, (-30, 30)) == 0
    inner = int((distance <= 2).sum())
    assert _mean_dice(windows, 2, (0, 50)) == 2 * inner / (inner + (distance <= 3).sum())


def test_a_continued_run_is_identified_by_its_network_options() -> None:
    rows = {row.name: row for row in MATRICES["sarcoma"].rows}
    assert rows["dynunet_one_click"].identity == ("--network", "dynunet", "--clicks-as-channel")
    assert rows["dynunet_again"].identity == ("--network", "dynunet")
    assert rows["promise_in_use"].identity == ()


def test_rows_of_a_matrix_have_different_names_and_all_references_exist() -> None:
    for matrix in MATRICES.values():
        names = [row.name for row in matrix.rows]
        assert len(set(names)) == len(names)
        meant = {matrix.reference, *matrix.studied, *matrix.corrected}
        assert meant | {name for pair in matrix.pairs for name in pair} <= set(names)
        assert set(matrix.other_folds) <= set(MATRICES)


def test_a_mask_is_cut_down_to_the_part_at_the_click() -> None:
    target, mask = np.zeros((2, 12, 12, 12), dtype=bool)
    target[2:5, 2:5, 2:5] = True
    mask[2:5, 2:5, 2:5] = mask[8:11, 8:11, 8:11] = (
        True  # the target, and a false part of the same size
    )
    window = np.zeros_like(mask)
    window[:7, :7, :7] = True
    found = _cut_down(mask, target, (3, 3, 3), window)
    assert found == {"whole_scan": 0.666667, "in_window": 1, "part_at_click": 1, "best_part": 1}
    found = _cut_down(mask, target, (7, 7, 7), ~window)  # this click is nearer to the false part
    assert found == {"whole_scan": 0.666667, "in_window": 0, "part_at_click": 0, "best_part": 1}


def test_a_command_runs_in_a_process_of_its_own_that_is_measured(tmp_path: Path) -> None:
    taken = run("evaluate", "--version", folder=tmp_path)
    assert (taken.command, taken.status) == ("promise-evaluate --version", 0)
    assert 0 < taken.processor_seconds < taken.seconds + 1
    # A process also counts the memory of the one that started it, here of all tests before.
    assert 0.005 < taken.peak_memory_gib < 16
    with pytest.raises(CommandError, match=r"^promise-evaluate in .*: exit status 1$"):
        run("evaluate", "--root", "nowhere", folder=tmp_path)
