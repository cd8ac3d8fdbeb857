"""Train several folds in one call, one after another. Each is a run of its own.

A fold whose run is finished is left as it is, so that the same call continues after an interruption. All folds of a
call are trained alike, so a run with other settings is refused before anything is trained.
"""

import dataclasses
import gc
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from promise_cli.console import say
from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.disk.workspace import LAST, Fold, checkpoint_of, open_workspace
from promise_cli.errors import CheckpointError, listed, shown
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint
from promise_cli.network.settings import COMPUTING, first_difference, settings_of
from promise_cli.train.cases import read_split
from promise_cli.train.command import train
from promise_cli.train.complete import is_complete
from promise_cli.train.origin import like_origin, load_origin
from promise_cli.train.resume import check_unchanged, log_of
from promise_cli.train.sizes import choose_network
from promise_cli.train.start import run_folder
from promise_cli.train.train_request import TrainRequest


@dataclasses.dataclass(frozen=True)
class _Earlier:
    """Run of a fold that existed before the call."""

    folder: Path
    settings: dict[str, Any]
    """All settings that it was started with, by name."""
    is_done: bool
    """Whether all epochs are done, the test cases are scored, and nothing else is missing."""


def train_folds(request: TrainRequest, folds: Sequence[Fold]) -> Iterator[Path]:
    """Train folds one after another, and yield the folder of each run as soon as it is trained.

    Args:
        request: The call. Its field `fold` is not used, and its `max_hours` is the limit for all folds together.
        folds: The folds, each once.

    Raises:
        PromiseError: For the reasons of `train`. Also if one of several folds has an unfinished run and the call
            says neither `--resume` nor `--overwrite`, or a run with other settings. Nothing was trained then.
    """
    if len(folds) == 1:
        yield train(dataclasses.replace(request, fold=folds[0]))
        return
    if "WORLD_SIZE" in os.environ:
        raise CheckpointError(
            "--fold: torchrun trains one fold in a call; give one fold, or use --devices without torchrun"
        )
    began = time.monotonic()
    like = like_origin(dataclasses.replace(request, resume=False))
    request = dataclasses.replace(like, resume=request.resume)
    earlier = _look(request, folds)
    for number, fold in enumerate(folds, start=1):
        there = earlier.get(fold)
        if there is not None and there.is_done:
            say(f"fold {fold}: finished before and left as it is, in {there.folder}")
            continue
        left = None
        if request.max_hours is not None:
            left = request.max_hours - (time.monotonic() - began) / 3600
            if left <= 0 and number > 1:
                say(
                    f"--max-hours {request.max_hours:g}: not trained: fold {listed(folds[number - 1 :])}; run the same"
                    " command with --resume to continue"
                )
                return
        say(f"fold {fold}, {number} of {len(folds)}:")
        one = dataclasses.replace(
            request,
            fold=fold,
            resume=there is not None,
            fields=request.fields if there is None else (),
            start_from=request.start_from if there is None else None,
            max_hours=None if left is None else max(left, 0),
        )
        yield train(one)
        gc.collect()  # the network of this fold would otherwise take memory next to that of the next one
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _look(request: TrainRequest, folds: Sequence[Fold]) -> Mapping[Fold, _Earlier]:
    """Return the runs of the folds that exist already.

    Raises:
        PlanError, DatasetError: A fold does not exist, or its cases cannot be used.
        CheckpointError: A run exists that the call may not continue, or that was trained with other settings.
    """
    if request.resume and request.overwrite:
        raise CheckpointError(
            "--resume continues a run, --overwrite starts it anew; give only one of them"
        )
    workspace = open_workspace(request.root)
    preprocessed = workspace.find_preprocessed(request.task)
    plan = load_record(Plan, preprocessed / "plans.json")
    origin = load_origin(request)
    sizes = None if origin is None else origin.checkpoint.model_config
    choice = choose_network(request, plan, preprocessed / "fingerprint.json", sizes)
    new = settings_of(choice.network, choice.preset, choice.model_config, choice.config)
    new["seed"] = 42 if request.seed is None else request.seed
    results = workspace.results / preprocessed.name
    earlier: dict[Fold, _Earlier] = {}
    for fold in folds:
        split = read_split(preprocessed, fold, plan)
        folder = run_folder(results, dataclasses.replace(request, fold=fold, resume=False))
        path = folder / LAST
        if request.overwrite:
            continue
        if not path.exists():
            if (other := checkpoint_of(folder)) is not None:
                raise CheckpointError(
                    f"{other}: a run without {LAST} exists already; add --overwrite to start all folds anew"
                )
            continue
        checkpoint = load_checkpoint(path)
        check_unchanged(path, checkpoint, plan, split)
        is_done = _is_done(folder, checkpoint, request, has_scores=bool(split.test))
        if not is_done and not request.resume:
            raise CheckpointError(
                f"{path}: the run of fold {fold} is not finished; add --resume to continue it and the other folds, or"
                " --overwrite to start all of them anew"
            )
        settings = settings_of(
            checkpoint.network,
            checkpoint.preset,
            checkpoint.model_config,
            checkpoint.train_config,
        )
        earlier[fold] = _Earlier(folder, {**settings, "seed": checkpoint.seed}, is_done)
    if request.resume and not earlier:
        raise CheckpointError(
            f"{folder.parent}: nothing to resume; leave --resume out to start the folds"
        )
    if len(earlier) < len(folds) or not request.resume:
        for there in earlier.values():
            _refuse_other_settings(there, new, request)
    return earlier


def _is_done(
    folder: Path, checkpoint: Checkpoint, request: TrainRequest, *, has_scores: bool
) -> bool:
    """Whether a run is finished and scored, and the call asks for no further epochs."""
    config = checkpoint.train_config
    epochs = (request.epochs if request.resume else None) or config.epochs
    if checkpoint.epoch < epochs:
        return False
    best, last = checkpoint.best_dice, checkpoint.validation_dice
    return is_complete(
        folder,
        log_of(checkpoint, folder),
        has_final=config.predict_with == "final",
        ends_with_best=best is not None and last == best,
        has_scores=has_scores,
    )


def _refuse_other_settings(
    there: _Earlier, settings: Mapping[str, Any], request: TrainRequest
) -> None:
    """Refuse a run that was started with other settings than this call gives to the folds that it starts."""
    free = COMPUTING | ({"epochs"} if request.resume and request.epochs else set())
    differs = first_difference(there.settings, settings, free)
    if differs is not None:
        name, theirs, ours = differs
        raise CheckpointError(
            f"{there.folder}: was started with {name} {shown(theirs)}, but this call has {shown(ours)}; the folds of"
            " one call are trained alike, so give the options of the start, another --name, or --overwrite"
        )
