"""Records and checkpoints with any damage end in an error of the tool, never in a traceback."""

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from promise_cli.cli import train_app
from promise_cli.dataset.fingerprint import Fingerprint
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Splits
from promise_cli.disk.records import load_record, record_from_json
from promise_cli.errors import CheckpointError, PlanError, PromiseError
from promise_cli.network import checkpoint
from promise_cli.network.checkpoint import Checkpoint, build_model, load_checkpoint
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.registry import build_network
from promise_cli.network.unfinished import warn_of_unfinished
from promise_cli.predictions.listing import created_timestamp, load_listing
from promise_cli.predictions.manifest import read_manifest
from promise_cli.predictions.record import Predictions
from promise_cli.train.provenance import RunRecord, load_calls
from promise_cli.train.resume import resume_run
from promise_cli.train.train_request import TrainRequest
from tests.conftest import DATASET, RUN
from tests.fuzz_damage import ODD, changed, places_of
from tests.fuzz_objects import build_objects, kinds_of_objects
from tests.fuzz_records import build, fuzz_kinds, kinds
from tests.test_cli import run as call


def _mutations(content: Any, most: int, seed: int = 0) -> Iterator[Any]:
    """Yield damaged copies: `most` with an odd value in a random field, and `most` without a random field."""
    rng = random.Random(seed)
    places = list(places_of(content))
    pairs = [(place, value) for place in places for value in ODD]
    for place, value in rng.sample(pairs, min(most, len(pairs))):
        yield changed(content, place, value)
    for place in rng.sample(places, min(most, len(places))):
        yield changed(content, place, None, drop=True)


RECORDS = [
    (DATASET / "plans.json", Plan),
    (DATASET / "splits.json", Splits),
    (DATASET / "fingerprint.json", Fingerprint),
    (RUN / "run.json", RunRecord),
    (RUN / "config.json", TrainConfig),
]


@pytest.mark.parametrize(("name", "kind"), RECORDS, ids=[path.name for path, _ in RECORDS])
def test_a_record_with_any_damage_is_read_or_refused(
    trained: Path, tmp_path: Path, name: Path, kind: type
) -> None:
    content = json.loads((trained / name).read_text())
    path = tmp_path / name.name
    messages = []
    for damaged in _mutations(content, 400):
        path.write_text(json.dumps(damaged))
        try:
            load_record(kind, path)
        except PlanError as error:
            messages.append(str(error))
        load_calls(tmp_path)
        warn_of_unfinished([tmp_path / "checkpoint_best.pt"])
    assert len(messages) > 100
    assert all(message.startswith(str(path)) and len(message) < 600 for message in messages)


def test_predictions_json_with_any_damage_is_read_or_refused(balls: Path) -> None:
    from tests.test_prediction_inputs import predict

    assert predict("-p", "points.json").exit_code == 0
    path = balls / "predictions" / "imgs" / "predictions.json"
    content = json.loads(path.read_text())
    messages = []
    for damaged in _mutations(content, 200):
        path.write_text(json.dumps(damaged))
        for read in (
            read_manifest,
            created_timestamp,
            load_listing,
            lambda path: load_record(Predictions, path),
        ):
            try:
                read(path)
            except PromiseError as error:
                messages.append(str(error))
    assert len(messages) > 100


def _tensors(content: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return damages of a checkpoint: entry by name, and its new value."""
    weights: dict[str, torch.Tensor] = content["weights"]
    name, tensor = next((n, t) for n, t in weights.items() if t.is_floating_point() and t.ndim > 1)
    config, plan = content["model_config"], content["plan"]
    return [
        ("weights", {1: 2}),
        ("weights", {}),
        ("weights", weights | {name: tensor.to(torch.complex64)}),
        ("weights", weights | {name: tensor.to(torch.int64)}),
        ("weights", weights | {name: tensor[..., :-1]}),
        ("weights", weights | {name: 3}),
        ("weights", weights | {"more": tensor}),
        ("weights", {key: value for key, value in weights.items() if key != name}),
        ("network", ["promise"]),
        ("network", "dynunet"),
        ("format_version", [3]),
        ("format_version", torch.ones(3)),
        ("model_config", config | {"prompt_heads": 0}),
        ("model_config", config | {"prompt_heads": -4}),
        ("model_config", config | {"feature_width": 10_000_000}),
        ("model_config", config | {"feature_width": 64}),
        ("model_config", config | {"window_size": 10**9}),
        ("model_config", config | {"window_size": 7}),
        ("model_config", config | {"patch_size": 64}),
        ("model_config", config | {"click_map": torch.ones(2)}),
        ("model_config", {1: 2}),
        ("plan", plan | {"patch_size": 128}),
        ("epoch", -3),
        ("best_dice", float("nan")),
        ("train_config", content["train_config"] | {"augment": {"zoom_range": [0.0, 0.0]}}),
        ("train_config", content["train_config"] | {"num_foreground_clicks": 10**9}),
        ("sums", {"loss": "x"}),
        ("random_states", {"cpu": 4}),
    ]


def test_a_damaged_checkpoint_is_refused_in_one_line(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trained / RUN / "checkpoint_last.pt"
    content = torch.load(path, weights_only=True)
    monkeypatch.setattr(checkpoint, "is_reference_checkpoint", lambda _: False)
    for name, value in _tensors(content):
        whole = copy.deepcopy(content | {name: value})
        monkeypatch.setattr(checkpoint, "read_checkpoint", lambda _, whole=whole: whole)
        with pytest.raises(CheckpointError) as caught:
            build_model(load_checkpoint(path), path)
        assert str(caught.value).startswith(f"{path}: ")
        assert len(str(caught.value)) < 600
        assert "\n" not in str(caught.value)


def test_a_checkpoint_with_any_damaged_record_is_read_or_refused(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trained / RUN / "checkpoint_last.pt"
    content = torch.load(path, weights_only=True)
    large = {name: content.pop(name) for name in ("weights", "optimizer", "random_states")}
    monkeypatch.setattr(checkpoint, "is_reference_checkpoint", lambda _: False)
    messages = []
    for damaged in _mutations(content, 500):
        whole = damaged | large
        monkeypatch.setattr(checkpoint, "read_checkpoint", lambda _, whole=whole: whole)
        try:
            load_checkpoint(path)
        except PromiseError as error:
            messages.append(str(error))
    assert len(messages) > 300
    assert max(map(len, messages)) < 700


@pytest.mark.slow
def test_a_run_with_any_damaged_record_continues_or_is_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = trained / RUN / "checkpoint_last.pt", tmp_path / "checkpoint_last.pt"
    content, sound = torch.load(source, weights_only=True), load_checkpoint(source)
    path.touch()
    large = {name: content.pop(name) for name in ("weights", "optimizer", "random_states")}
    messages = []
    for damaged in _mutations(content, 20, seed=1):
        whole = damaged | large
        monkeypatch.setattr(checkpoint, "read_checkpoint", lambda _, whole=whole: whole)
        try:
            build_model(load_checkpoint(path), path)
            _resume(tmp_path, sound)
        except PromiseError as error:
            messages.append(str(error))
    assert len(messages) > 12


def test_damaged_states_of_a_run_are_refused_when_it_continues(
    trained: Path, tmp_path: Path
) -> None:
    source = trained / RUN / "checkpoint_last.pt"
    content, sound = torch.load(source, weights_only=True), load_checkpoint(source)
    moments = copy.deepcopy(content["optimizer"])
    moments["state"][0]["exp_avg"] = torch.ones(3)
    infinite = copy.deepcopy(content["optimizer"])
    infinite["state"][0]["step"] = torch.tensor(float("inf"))
    of_optimizer = "the state of the optimizer is damaged or incomplete; restore"
    of_random = "the state of the scaler or of the random numbers is damaged"
    for name, value, message in (
        ("optimizer", moments, of_optimizer),
        ("optimizer", infinite, of_optimizer),
        ("optimizer", {"state": [], "param_groups": 3}, of_optimizer),
        ("optimizer", content["optimizer"] | {"state": torch.ones(2)}, of_optimizer),
        ("optimizer", content["optimizer"] | {"param_groups": torch.ones(2)}, of_optimizer),
        ("random_states", {"cpu": torch.ones(3)}, of_random),
        ("log", [{"epoch": 1}], "log: missing field 'learning_rate'; add it or recreate"),
        ("log", [3], "log: expected an object with named fields, found 3"),
    ):
        torch.save(content | {name: value}, tmp_path / "checkpoint_last.pt")
        with pytest.raises(CheckpointError, match=rf"checkpoint_last\.pt: {message}"):
            _resume(tmp_path, sound)


def _resume(folder: Path, sound: Checkpoint) -> None:
    """Continue the run of a folder with the plan and the cases of a sound checkpoint."""
    request = TrainRequest(resume=True, epochs=2, device="cpu")
    resume_run(folder, request, sound.plan, sound.split, device="cpu", processes=1)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("num_foreground_clicks=1000000000", "num_foreground_clicks must be at most 1000, found 1000000000"),
        ("corrections=1000000", "corrections must be at most 1000, found 1000000"),
        ("prompt_heads=0", "prompt_heads must be positive and at most 8192, found 0"),
        ("prompt_heads=-4", "prompt_heads must be positive and at most 8192, found -4"),
        ("feature_width=10000000", "feature_width must be positive and at most 8192, found 10000000"),
        ("window_size=1000000000", "window_size 1000000000 is not an even number from 2 to 64"),
        ("augment.zoom_range=[0,0]", "augment: zoom_range must be two rising numbers from 0.25 to 4, found (0.0, 0.0)"),
        ("augment.flip_chance=7", "augment: flip_chance must lie between 0 and 1, found 7.0"),
        ("loss.boundary_kernel=[9999,1,1]", "loss: the longest edge of boundary_kernel must be at most 63, found 9999"),
        ("patches_per_case=1000000000", "patches_per_case must be at most 100000, found 1000000000"),
        ("seed=1", "seed: no such field"),
        ("epochs=1000000000000000000000", "epochs: expected a whole number of less than 19 digits"),
        ("weight_decay=-1", "weight_decay must be at least 0, found -1"),
    ],
)  # fmt: skip
def test_an_impossible_field_is_refused_before_anything_is_written(
    preprocessed: Path, field: str, message: str
) -> None:
    done = call(
        train_app, "--fold", 0, "--preset", "tiny", "--device", "cpu", "--set", field, "--root", preprocessed
    )  # fmt: skip
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: --set")
    assert message in line
    assert not (preprocessed / "results").exists()


def test_weights_that_do_not_fit_into_the_memory_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from promise_cli.network import registry
    from promise_cli.network.promise import model_config

    monkeypatch.setattr(registry, "free_memory", lambda: 1000)
    with pytest.raises(PlanError, match="the network's weights need"):
        build_network("promise", model_config("tiny"))


def test_an_object_with_names_that_are_no_text_is_refused() -> None:
    with pytest.raises(PlanError, match="unknown field 1"):
        record_from_json(Plan, {1: 2}, "plan")


@pytest.mark.slow
def test_damaged_files_of_every_kind_end_in_a_value_or_one_line(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "workspace")
    build(tmp_path / "workspace")
    counts = fuzz_kinds(6, 1, kinds(tmp_path / "workspace"), tmp_path / "damaged")
    assert len({name.partition(":")[0] for name in counts}) == 26
    assert sum(counts.values()) == 26 * 6


@pytest.mark.slow
def test_damaged_files_of_several_objects_end_in_a_value_or_one_line(tmp_path: Path) -> None:
    build_objects(tmp_path)
    found = kinds_of_objects(tmp_path)
    counts = fuzz_kinds(6, 1, found, tmp_path / "damaged")
    assert {name.partition(":")[0] for name in counts} == found.keys()
    assert sum(counts.values()) == len(found) * 6
