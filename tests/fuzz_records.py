"""Read damaged records, tables, arrays and checkpoints of every kind that a command reads.

Each must be read, or lead to an error of one line. `tests.fuzz_prompts` does the same with clicks and
`tests.fuzz_volumes` with scans. Half of the files are damaged in their bytes; in the others, values are replaced.

    .venv/bin/python -m tests.fuzz_records [NUMBER OF EACH KIND] [SEED]

prints JSON: how many files of each kind were read and refused. Any other exception ends it with a traceback.
"""

import collections
import json
import random
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from promise_cli.dataset.case import CaseRecord
from promise_cli.dataset.fingerprint import Fingerprint, Measurements
from promise_cli.dataset.folder import read_dataset
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Splits, splits_of_dataset
from promise_cli.demo.phantom import refuse_foreign_clicks
from promise_cli.disk.records import load_record
from promise_cli.errors import PromiseError
from promise_cli.evaluate.clicks.files import claim_output
from promise_cli.evaluate.clicks.kept import KeptCase
from promise_cli.network.checkpoint import Checkpoint, build_model, load_checkpoint
from promise_cli.network.promise.weights import read_tensors
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.unfinished import unfinished
from promise_cli.predict.earlier import load_earlier
from promise_cli.predict.output import named_files
from promise_cli.predictions.listing import created_timestamp
from promise_cli.predictions.manifest import read_manifest
from promise_cli.predictions.record import Failures, read_record
from promise_cli.predictions.targets import read_ignored, read_targets
from promise_cli.scores import read_scores
from promise_cli.train.curves import load_log
from promise_cli.train.provenance import RunRecord, load_calls
from promise_cli.train.resume import resume_run
from promise_cli.train.train_request import TrainRequest
from tests.conftest import DATASET, RUN, write_dataset
from tests.fuzz_damage import (
    Kind,
    change_array,
    change_entries,
    change_json,
    change_measurement,
    change_table,
    damage_bytes,
)
from tests.fuzz_objects import build_objects, kinds_of_objects, read_case
from tests.fuzz_prompts import report


def build(root: Path) -> None:
    """Make predictions, scores and a study in a workspace of balls with a run, and files of weights."""
    from promise_cli.evaluate.clicks import StudyRequest, study_clicks
    from promise_cli.evaluate.clicks.kept import KeptCases
    from promise_cli.evaluate.command import evaluate
    from promise_cli.predict import predict

    images, run = root / "Task98_Balls" / "imagesTr", root / RUN
    clicks = {"ball_001": [14, 13, 10], "ball_002": [14, 13, 10]}
    (root / "points.json").write_text(json.dumps(clicks))
    predict(images, root / "points.json", root=root, device="cpu", save_prob=True)
    evaluate(root=root, workers=0, page=False, metrics=("hd95",))
    clear = KeptCases.clear
    KeptCases.clear = lambda _: None  # type: ignore[method-assign]
    study_clicks(StudyRequest(clicks=(1, 2), root=root, device="cpu", run=run))
    KeptCases.clear = clear  # type: ignore[method-assign]
    (root / "phantom.json").write_text(json.dumps({"phantom_001": [1, 2, 3]}))
    failure = {"case_id": "a", "reason": "b"}
    (root / "failures.json").write_text(json.dumps({"failures": [failure, failure]}))
    folds = [{"train": ["ball_001"], "val": ["ball_002"]}, {"train": ["ball_002"], "val": []}]
    (root / "splits_final.json").write_text(json.dumps(folds))
    tensors = {f"blocks.{number}.weight": torch.ones(3, 4) for number in range(4)}
    save_file(tensors, root / "weights.safetensors")
    torch.save(tensors, root / "weights.pth")
    torch.save(tensors, root / "old.pth", _use_new_zipfile_serialization=False)
    authors = {name: dict(tensors) for name in ("encoder_dict", "decoder_dict")}
    torch.save({**authors, "feature_dict": [dict(tensors)] * 4, "epoch": 3}, root / "authors.pth")


def _predictions(path: Path) -> None:
    """Read predictions.json in every way in which commands read it."""
    named_files(path.parent)
    read_record(path.parent)
    for read in (read_manifest, created_timestamp, lambda path: load_earlier(path.parent)):
        _tried(read, path)
    read_manifest(path)


def _checkpoint(path: Path) -> None:
    """Load a checkpoint, and build its network."""
    build_model(load_checkpoint(path), path)


def _targets(path: Path) -> None:
    """Read dataset.json as the evaluation and as preprocessing do."""
    read_ignored(path)
    _tried(lambda path: read_dataset(path.parent, keep_broken=True), path)
    read_targets(path)


def _log(path: Path) -> None:
    """Read log.csv as training and prediction do."""
    (path.parent / "checkpoint_last.pt").touch()
    (path.parent / "config.json").write_text('{"epochs": 9}')
    unfinished(path.parent / "checkpoint_best.pt")
    load_log(path)


def _config(path: Path) -> None:
    """Read config.json as training and prediction do."""
    (path.parent / "checkpoint_last.pt").touch()
    unfinished(path.parent / "checkpoint_best.pt")
    load_record(TrainConfig, path)


def _calls(path: Path) -> None:
    """Read run.json."""
    load_calls(path.parent)
    load_record(RunRecord, path)


def _folds(ids: list[str], path: Path) -> None:
    """Read a file of `--splits`."""
    splits_of_dataset("Task98_Balls", ids, path)


def _measurement(root: Path, path: Path) -> None:
    """Look for the measurement of a case in `.preprocessing`, as `promise-preprocess` does."""
    dataset = read_dataset(root / "Task98_Balls")
    (path.parent / "measured").mkdir(exist_ok=True)
    (path.parent / "measured" / path.name).write_bytes(path.read_bytes())
    Measurements(path.parent, dataset, 1).find(dataset.cases[0])


def _resume(sound: Checkpoint, path: Path) -> None:
    """Continue a run from its last checkpoint."""
    request = TrainRequest(resume=True, epochs=2, device="cpu")
    resume_run(path.parent, request, sound.plan, sound.split, device="cpu", processes=1)


def kinds(root: Path) -> dict[str, Kind]:
    """Return the kinds of files of a workspace that `build` has filled."""
    data, run, case = root / DATASET, root / RUN, root / DATASET / "cases" / "ball_001"
    predicted = root / "predictions" / "imagesTr"
    plan = load_record(Plan, data / "plans.json")
    settings = {"tolerances_mm": [5.0], "empty_policy": "nan", "missing_policy": "error"}
    ids = [path.name for path in sorted((data / "cases").iterdir())]

    sound = load_checkpoint(run / "checkpoint_last.pt")
    measured = root / ".preprocessing" / "Task98_Balls" / "measured" / "ball_001.npz"
    study = run / "clicks"
    return {
        "plans.json": Kind(data / "plans.json", partial(load_record, Plan), change_json),
        "fingerprint.json": Kind(
            data / "fingerprint.json", partial(load_record, Fingerprint), change_json
        ),
        "splits.json": Kind(data / "splits.json", partial(load_record, Splits), change_json),
        "--splits": Kind(data / "splits.json", partial(_folds, ids), change_json),
        "splits_final.json": Kind(root / "splits_final.json", partial(_folds, ids), change_json),
        "case.json": Kind(case / "case.json", partial(load_record, CaseRecord), change_json),
        "image.npy": Kind(case / "image.npy", partial(read_case, plan), change_array),
        "target.npy": Kind(case / "target.npy", partial(read_case, plan), change_array),
        "foreground.npy": Kind(case / "foreground.npy", partial(read_case, plan), change_array),
        "config.json": Kind(run / "config.json", _config, change_json),
        "run.json": Kind(run / "run.json", _calls, change_json),
        "log.csv": Kind(run / "log.csv", _log, change_table),
        "checkpoint.pt": Kind(run / "checkpoint_best.pt", _checkpoint, change_entries),
        "checkpoint_last.pt": Kind(
            run / "checkpoint_last.pt", partial(_resume, sound), change_entries
        ),
        "measured.npz": Kind(measured, partial(_measurement, root), change_measurement),
        "authors' checkpoint": Kind(root / "authors.pth", load_checkpoint, change_entries),
        "weights.pth": Kind(root / "weights.pth", read_tensors, change_entries),
        "weights.pth, old": Kind(root / "old.pth", read_tensors, change_entries),
        "weights.safetensors": Kind(root / "weights.safetensors", read_tensors, damage_bytes),
        "predictions.json": Kind(predicted / "predictions.json", _predictions, change_json),
        "failures.json": Kind(root / "failures.json", partial(load_record, Failures), change_json),
        "metrics.json": Kind(
            predicted / "metrics.json", lambda path: read_scores(path, settings), change_json
        ),
        "clicks.json": Kind(
            study / "clicks.json",
            lambda path: claim_output(path.parent, "Task98_Balls", overwrite=True),
            change_json,
        ),
        "kept case": Kind(
            next((study / "unfinished").iterdir()), partial(load_record, KeptCase), change_json
        ),
        "dataset.json": Kind(root / "Task98_Balls" / "dataset.json", _targets, change_json),
        "phantom's clicks": Kind(root / "phantom.json", refuse_foreign_clicks, change_json),
    }


def _tried(read: Callable[[Path], object], path: Path) -> None:
    """Read a file with a reader whose refusal does not matter."""
    try:
        read(path)
    except PromiseError as error:
        check_message(str(error))


def check_message(reason: str) -> None:
    """Check that a message is one line that names something."""
    assert "\n" not in reason, reason
    assert 10 < len(reason) < 3000, reason


def try_file(kind: Kind, content: bytes, folder: Path) -> str:
    """Write and read one damaged file; return `read` or `refused`."""
    of_case = kind.path.suffix in (".npy", ".b2nd")
    place = folder / (kind.path.parent.name if of_case else "one")
    if of_case:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(exist_ok=True)
    path = place / kind.path.name
    if of_case:
        for other in kind.path.parent.iterdir():
            (place / other.name).write_bytes(other.read_bytes())
    path.write_bytes(content)
    try:
        kind.read(path)
    except PromiseError as error:
        check_message(str(error))
        return "refused"
    finally:
        path.unlink()
    return "read"


def fuzz_kinds(
    number: int, seed: int, kinds: Mapping[str, Kind], folder: Path
) -> collections.Counter[str]:
    """Read `number` damaged files of each kind, and count the results of each kind.

    Args:
        number: Number of files of each kind.
        seed: Seed of the damages.
        kinds: The kinds by name.
        folder: Folder into which damaged files are written, under the names of the valid ones.

    Raises:
        Exception: What a reader raised besides its own errors.
    """
    folder.mkdir()
    counts: collections.Counter[str] = collections.Counter()
    for name, kind in kinds.items():
        rng = random.Random(f"{seed} {name}")
        whole = kind.path.read_bytes()
        assert try_file(kind, whole, folder) == "read" or name == "authors' checkpoint", name
        for count in range(number):
            change = damage_bytes if count % 2 else kind.change
            content = change(whole, rng)
            try:
                with warnings.catch_warnings(action="ignore"):
                    counts[f"{name}: {try_file(kind, content, folder)}"] += 1
            except BaseException:
                sys.stderr.write(f"file {count} of seed {seed}, {name}: {content[:1500]!r}\n")
                raise
    return counts


def fuzz(number: int, seed: int, folder: Path) -> collections.Counter[str]:
    """Make a workspace in a folder, and read `number` damaged files of each kind."""
    from promise_cli.console import err, out
    from promise_cli.preprocess.command import preprocess
    from promise_cli.train import TrainRequest, train

    err.quiet = out.quiet = True
    root = folder / "workspace"
    write_dataset(root / "Task98_Balls")
    preprocess("98", root=root, workers=0)
    train(TrainRequest(preset="tiny", epochs=1, device="cpu", root=root))
    build(root)
    build_objects(folder / "objects")
    every = kinds(root) | kinds_of_objects(folder / "objects")
    return fuzz_kinds(number, seed, every, folder / "damaged")


if __name__ == "__main__":
    report(fuzz, 2000, 100, {})
