"""Kinds of damaged files that a plan of several objects, runs in a table, joined folds and `--from` read."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from promise_cli.dataset.case import CaseRecord, check_voxels, load_case, made_with
from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.evaluate.folds import score_folds
from promise_cli.evaluate.runs import list_runs, show_runs
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.network.registry import build_network
from promise_cli.predict.earlier import load_earlier
from promise_cli.predictions.manifest import read_manifest
from promise_cli.train.origin import load_origin, start_with
from promise_cli.train.replacing import NOTE, finish_replacing, note_replacing
from promise_cli.train.train_request import TrainRequest
from tests.fuzz_damage import (
    Kind,
    change_array,
    change_entries,
    change_json,
    change_table,
    damage_bytes,
)
from tests.shapes import SHAPES, write_shapes

RUN = Path("results") / SHAPES / "fold_0"


def build_objects(root: Path) -> None:
    """Preprocess, train and predict a dataset of two objects in a workspace of its own.

    A second plan of the dataset has compressed cases.
    """
    from promise_cli.predict import predict
    from promise_cli.preprocess.command import preprocess
    from promise_cli.train import train

    write_shapes(root / SHAPES)
    preprocess(SHAPES, root=root, objects="each", workers=0)
    train(TrainRequest(preset="tiny", epochs=1, patches_per_case=1, device="cpu", root=root))
    points = root / "points.json"
    clicks = {"Ball": [[8, 9, 8]], "Box": [[18, 10, 8]]}
    objects = [{"name": name, "points": points} for name, points in clicks.items()]
    points.write_text(
        json.dumps(
            {"format": "promise-points", "version": 1, "cases": {"c_1": {"objects": objects}}}
        )
    )
    predict(root / SHAPES / "imagesTr", points, root=root, device="cpu")
    note_replacing(root / RUN, ())
    preprocess(SHAPES, root=root, objects="each", plan="packed", cases_format="blosc2", workers=0)


def kinds_of_objects(root: Path) -> dict[str, Kind]:
    """Return the kinds of files of a workspace that `build_objects` has filled."""
    data, run = root / "preprocessed" / SHAPES, root / RUN
    case = data / "cases" / "c_1"
    voxels = partial(read_case, load_record(Plan, data / "plans.json"))
    best = run / "checkpoint_best.pt"
    packed = root / "preprocessed" / f"{SHAPES}@packed"
    unpack = partial(read_case, load_record(Plan, packed / "plans.json"))
    return {
        **{
            f"{name}.b2nd": Kind(packed / "cases" / "c_1" / f"{name}.b2nd", unpack, damage_bytes)
            for name in ("image", "target", "foreground")
        },
        "plan of objects": Kind(data / "plans.json", partial(load_record, Plan), change_json),
        "case of objects": Kind(case / "case.json", partial(load_record, CaseRecord), change_json),
        "objects.npy": Kind(case / "objects.npy", voxels, change_array),
        "target.npy of objects": Kind(case / "target.npy", voxels, change_array),
        "foreground.npy of objects": Kind(case / "foreground.npy", voxels, change_array),
        "predicted objects": Kind(
            root / "predictions" / "imagesTr" / "predictions.json", _predictions, change_json
        ),
        "listed run.json": Kind(run / "run.json", partial(_listed, root), change_json),
        "listed config.json": Kind(run / "config.json", partial(_listed, root), change_json),
        "listed log.csv": Kind(run / "log.csv", partial(_listed, root), change_table),
        "metrics.json of a fold": Kind(run / "metrics.json", partial(_joined, root), change_json),
        "--from": Kind(best, _start_from(best), change_entries),
        "note of a replaced run": Kind(run / NOTE, _replaced(run), change_table),
    }


def read_case(plan: Plan, path: Path) -> None:
    """Read the arrays of the case to which a file belongs."""
    made_with(plan, path.parent)
    load_case(path.parent.parent, path.parent.name)
    check_voxels(path.parent.parent, path.parent.name)


def _predictions(path: Path) -> None:
    """Read the record of masks of several objects as the evaluation and a second prediction do."""
    read_manifest(path)
    load_earlier(path.parent)


def _in_place(path: Path, read: Callable[[], object], place: Path) -> None:
    """Read a damaged file in place of a sound one, which is put back."""
    sound = place.read_bytes()
    shutil.copy(path, place)
    try:
        read()
    finally:
        place.write_bytes(sound)


def _listed(root: Path, path: Path) -> None:
    """Show the table of runs."""
    _in_place(path, lambda: show_runs(list_runs(root)), root / RUN / path.name)


def _joined(root: Path, path: Path) -> None:
    """Show the table of runs, and join the scores of one fold."""
    _listed(root, path)
    output = path.parent / "joined"
    shutil.rmtree(output, ignore_errors=True)
    _in_place(path, lambda: score_folds([0], root=root, output=output), root / RUN / path.name)


def _start_from(sound: Path) -> Callable[[Path], object]:
    """Return a function that gives the weights of a checkpoint to a new network."""
    checkpoint = load_checkpoint(sound)

    def read(path: Path) -> None:
        origin = load_origin(TrainRequest(start_from=str(path)))
        assert origin is not None
        start_with(build_network(checkpoint.network, checkpoint.model_config), origin, "nothing")

    return read


def _replaced(run: Path) -> Callable[[Path], object]:
    """Return a function that finishes replacing a run, as `promise-train --overwrite` does."""

    def read(path: Path) -> None:
        shutil.copy(run / "checkpoint_last.pt", path.parent)
        try:
            finish_replacing(path.parent)
        finally:
            path.touch()  # the caller removes it

    return read
