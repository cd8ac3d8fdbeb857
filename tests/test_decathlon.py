"""All ten tasks of the Medical Segmentation Decathlon go through the four commands, from their own layout."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from promise_cli.cli import evaluate_app, predict_app, preprocess_app, train_app
from promise_cli.dataset.folder import choose_target, read_dataset
from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_json, load_record
from promise_cli.network.checkpoint import load_checkpoint
from tests.decathlon import TASKS, Task, write_task
from tests.test_cli import run

PAGE = Path(__file__).resolve().parents[1] / "docs" / "decathlon.md"


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
def test_a_task_is_preprocessed_trained_predicted_and_evaluated(
    in_folder: Path, task: Task
) -> None:
    folder = write_task(in_folder, task)
    short = task.name.partition("_")[0]
    name = task.labels[task.target - 1]
    done = run(preprocess_app, short, "--target-label", name, "--workers", "0")
    assert done.exit_code == 0, done.output
    plan = load_record(Plan, Path("preprocessed") / task.name / "plans.json")
    assert [channel.modality for channel in plan.channels] == list(task.modality)
    schemes = {channel.normalisation.scheme for channel in plan.channels}
    assert schemes == {"dataset" if task.modality == ("CT",) else "case"}
    sizes = ("--set", "patch_size=16", "--set", "validation_patches=1")
    line = ("--preset", "tiny", "--epochs", "1", "--device", "cpu", "--workers", "0", *sizes)
    done = run(train_app, short, "--fold", "0", *line)
    assert done.exit_code == 0, done.output
    checkpoint = load_checkpoint(Path("results") / task.name / "fold_0" / "checkpoint_best.pt")
    assert checkpoint.model_config.channels == len(task.modality)
    case = checkpoint.split.test[0]
    label = nib.load(folder / "labelsTr" / f"{case}.nii.gz")
    target = np.asanyarray(label.dataobj) == task.target
    done = run(predict_app, "--test-cases", "--fold", "0", "--device", "cpu")
    assert done.exit_code == 0, done.output
    masks = Path("predictions") / f"{task.name}_fold_0"
    (clicked,) = load_json(masks / "predictions.json")["cases"]
    assert target[tuple(map(round, clicked["clicks"][0]["voxel"]))]
    mask = nib.load(masks / f"{case}.nii.gz")
    assert mask.shape == label.shape
    np.testing.assert_allclose(mask.affine, label.affine, atol=1e-5)
    done = run(evaluate_app, "--workers", "0")
    assert done.exit_code == 0, done.output
    (score,) = load_json(masks / "metrics.json")["cases"]
    assert (score["case_id"], score["label"]) == (case, task.target)
    assert score["name"] == name


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
def test_the_page_of_the_decathlon_gives_channels_labels_and_target(
    tmp_path: Path, task: Task
) -> None:
    dataset = read_dataset(write_task(tmp_path, task, 1))
    rows = re.findall(r"^\| (Task\d\d_\w+) \| (.+?) \| (.+?) \| (.+?) \|", PAGE.read_text(), re.M)
    channels, labels, target = {name: row for name, *row in rows}[task.name]
    assert channels == ", ".join(dataset.channels)
    assert labels == ", ".join(f"{value} {name}" for value, name in dataset.labels.items())
    value, name = choose_target(dataset, None)
    assert target == f"{value} {name}"
    assert value == task.target
