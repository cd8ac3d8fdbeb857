"""Read damaged records, tables, arrays and checkpoints of every kind that a command reads.

Each must be read, or lead to an error of one line. `tests.fuzz_prompts` does the same with clicks and
`tests.fuzz_volumes` with scans. Half of the files are damaged in their bytes; in the others, values are replaced.

    .venv/bin/python -m tests.fuzz_records [NUMBER OF EACH KIND] [SEED]

prints JSON: how many files of each kind were read and refused. Any other exception ends it with a traceback.
"""

import collections
import copy
import io
import json
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from promise_cli.dataset.case import CaseRecord, check_voxels, load_case, made_with
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
from tests.fuzz_prompts import damage, report

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 7, 1e300, -0.5, float("nan"), float("inf"), 10**30, 10**9, "", "x", "0", "../..",
    "\ud800", "\x1b[2J\n\u202e", [], [0, 0], [1, [2]], ["a", "a"], {}, {"a": 1}, [None] * 3, {"": {}}, "9" * 5000,
    [[[[[[[[]]]]]]]], "2026-01-01T00:00:00", -(2**63), 2**31, 5e-324,
)  # fmt: skip
"""Values that take the place of each field in turn."""


def places_of(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each value within a JSON value: all fields, and the first entry of each list."""
    if place:
        yield place
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:1])
        if isinstance(value, list)
        else ()
    )
    for key, item in list(entries)[:40]:
        yield from places_of(item, (*place, key))


def changed(content: Any, place: tuple[Any, ...], value: Any, *, drop: bool = False) -> Any:
    """Return a copy in which the value at a place is another one, or is missing."""
    top = copy.deepcopy(content)
    inner = top
    for key in place[:-1]:
        inner = inner[key]
    if drop:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return top


def mutate(content: Any, rng: random.Random) -> Any:
    """Return a copy of a JSON value with one to three damaged values."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(places_of(content))
        if places:
            drop = rng.random() < 0.15
            content = changed(content, rng.choice(places), rng.choice(ODD), drop=drop)
    return rng.choice(ODD) if rng.random() < 0.02 else content


def damage_bytes(content: bytes, rng: random.Random) -> bytes:
    """Truncate, double, empty or zero a file, or damage parts of it. A long file is damaged at both ends."""
    kind = rng.randrange(8)
    if kind == 0:
        return content[: rng.randrange(len(content) + 1)]
    if kind == 1:
        return rng.choice((b"", b"\0", content * 2, bytes(len(content)), content + b"\0" * 5000))
    if kind == 2:
        at = rng.randrange(len(content))
        return content[:at] + bytes(len(content[at : at + 64])) + content[at + 64 :]
    if kind == 3:
        raw = bytearray(content)
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        return bytes(raw)
    if len(content) < 50_000:
        return damage(content, rng, [content])
    head, body, tail = content[:4000], content[4000:-8000], content[-8000:]
    if rng.random() < 0.5:
        return damage(head, rng, [tail]) + body + tail
    return head + body + damage(tail, rng, [head])


@dataclass(frozen=True)
class Kind:
    """A kind of file: a valid one, what reads it, and how its values are damaged."""

    path: Path
    read: Callable[[Path], object]
    change: Callable[[bytes, random.Random], bytes]
    most: int | None = None
    """Largest number of files that are read, because each takes long; None: as many as are asked for."""


def change_json(content: bytes, rng: random.Random) -> bytes:
    """Damage values of a JSON file."""
    return json.dumps(mutate(json.loads(content), rng)).encode()


def change_table(content: bytes, rng: random.Random) -> bytes:
    """Replace cells of a table."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(rng.choice((1, 1, 3))):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = str(rng.choice(ODD)).encode(errors="replace").decode()
    if rng.random() < 0.1:
        rng.choice(rows).pop()
    return "\n".join(map(",".join, rows)).encode()


def change_array(content: bytes, rng: random.Random) -> bytes:
    """Replace type, shape or values of an array."""
    array = np.load(io.BytesIO(content))
    kind = rng.randrange(4)
    if kind == 0:
        array = array.astype(rng.choice(("f2", "f8", "u1", "i8", "c8", "?", "S3", "U2", "M8[s]")))
    elif kind == 1:
        array = array.reshape(-1)[: rng.randrange(array.size + 1)]
    elif kind == 2:
        array = np.array(rng.choice((0, 1.5, np.nan, -1, 2**62)))
    else:
        array = array.copy()
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice((0, 1, 2, 9))
    file = io.BytesIO()
    np.save(file, array)
    raw = file.getvalue()
    if rng.random() < 0.3:  # a header that promises any size
        sizes = (b"(9999999999,)", b"(-1, 2, 3)", b"(0, 0, 0)", b"()", b"(1" + b"0" * 30 + b",)")
        start, comma, rest = raw.partition(b"'shape': ")
        raw = start + comma + rng.choice(sizes) + rest[rest.find(b")") + 1 :]
    return raw


def change_entries(content: bytes, rng: random.Random) -> bytes:
    """Replace entries of a torch file, or values in the records within it."""
    whole = torch.load(io.BytesIO(content), weights_only=True)
    if rng.random() < 0.7:
        records = {name: value for name, value in whole.items() if not _is_large(value)}
        whole = {
            **{k: v for k, v in whole.items() if _is_large(v)},
            **_as_dict(mutate(records, rng)),
        }
    else:
        odd = (
            *ODD,
            torch.ones(2),
            torch.ones(()),
            torch.ones(2, dtype=torch.complex64),
            {1: 2},
            {"a": torch.ones(1)},
        )
        place = rng.choice(list(whole))
        inside = whole[place]
        if isinstance(inside, dict) and inside and rng.random() < 0.7:
            whole[place] = {**inside, rng.choice(list(inside)): rng.choice(odd)}
        else:
            whole[place] = rng.choice(odd)
    file = io.BytesIO()
    torch.save(whole, file)
    return file.getvalue()


def change_measurement(content: bytes, rng: random.Random) -> bytes:
    """Damage the record, the values or the counts of a measurement."""
    with np.load(io.BytesIO(content)) as file:
        parts = {name: file[name] for name in file.files}
    if rng.random() < 0.5:
        parts["record"] = np.array(json.dumps(mutate(json.loads(str(parts["record"])), rng)))
    else:
        name = rng.choice(sorted(parts))
        parts[name] = rng.choice(
            (np.ones(3), np.array("x"), np.zeros((2, 2)), np.array([]), np.array([np.nan]))
        )
    out = io.BytesIO()
    np.savez(out, **parts)
    return out.getvalue()


def _is_large(value: object) -> bool:
    return isinstance(value, dict) and any(
        isinstance(item, torch.Tensor) for item in value.values()
    )


def _as_dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {"format": value}


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


def _record(kind: type) -> Callable[[Path], object]:
    """Return a reader of records of a type."""
    return lambda path: load_record(kind, path)


def _voxels(plan: Plan, path: Path) -> None:
    """Read the arrays of a case."""
    made_with(plan, path.parent)
    load_case(path.parent.parent, path.parent.name)
    check_voxels(path.parent.parent, path.parent.name)


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


def kinds(root: Path, place: Path) -> dict[str, Kind]:
    """Return all kinds of files, from a workspace that `build` has filled.

    Args:
        root: The workspace.
        place: Folder into which damaged files are written, under the names of the valid ones.
    """
    data, run, case = root / DATASET, root / RUN, root / DATASET / "cases" / "ball_001"
    predicted = root / "predictions" / "imagesTr"
    plan = load_record(Plan, data / "plans.json")
    settings = {"tolerances_mm": [5.0], "empty_policy": "nan", "missing_policy": "error"}
    ids = [path.name for path in sorted((data / "cases").iterdir())]

    sound = load_checkpoint(run / "checkpoint_last.pt")
    measured = root / ".preprocessing" / "Task98_Balls" / "measured" / "ball_001.npz"
    place.mkdir()
    study = run / "clicks"
    return {
        "plans.json": Kind(data / "plans.json", _record(Plan), change_json),
        "fingerprint.json": Kind(data / "fingerprint.json", _record(Fingerprint), change_json),
        "splits.json": Kind(data / "splits.json", _record(Splits), change_json),
        "--splits": Kind(data / "splits.json", partial(_folds, ids), change_json),
        "splits_final.json": Kind(root / "splits_final.json", partial(_folds, ids), change_json),
        "case.json": Kind(case / "case.json", _record(CaseRecord), change_json),
        "image.npy": Kind(case / "image.npy", partial(_voxels, plan), change_array),
        "target.npy": Kind(case / "target.npy", partial(_voxels, plan), change_array),
        "foreground.npy": Kind(case / "foreground.npy", partial(_voxels, plan), change_array),
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
        "failures.json": Kind(root / "failures.json", _record(Failures), change_json),
        "metrics.json": Kind(
            predicted / "metrics.json", lambda path: read_scores(path, settings), change_json
        ),
        "clicks.json": Kind(
            study / "clicks.json",
            lambda path: claim_output(path.parent, "Task98_Balls", overwrite=True),
            change_json,
        ),
        "kept case": Kind(next((study / "unfinished").iterdir()), _record(KeptCase), change_json),
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
    place = folder / ("ball_001" if kind.path.suffix == ".npy" else "one")
    if kind.path.suffix == ".npy" and not place.exists():
        place.mkdir(parents=True)
    place.mkdir(exist_ok=True)
    path = place / kind.path.name
    if kind.path.suffix == ".npy":
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


def fuzz_workspace(number: int, seed: int, root: Path, folder: Path) -> collections.Counter[str]:
    """Read `number` damaged files of each kind, and count the results of each kind.

    Raises:
        Exception: What a reader raised besides its own errors.
    """
    counts: collections.Counter[str] = collections.Counter()
    for name, kind in kinds(root, folder).items():
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
    return fuzz_workspace(number, seed, root, folder / "damaged")


if __name__ == "__main__":
    report(fuzz, 2000, 100, {})
