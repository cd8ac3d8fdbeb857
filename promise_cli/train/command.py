"""The command promise-train: carry out one call, from its arguments to the scores of the fold's test cases."""

import dataclasses
import os
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import torch

from promise_cli.console import Log, counted, keep_log, say, warn
from promise_cli.dataset.case import made_with
from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.records import load_record
from promise_cli.disk.workspace import LAST, Workspace, open_workspace
from promise_cli.errors import CheckpointError, StoppedError
from promise_cli.jobs import stop_says
from promise_cli.scores import has_study
from promise_cli.scores.study_files import STUDY_FOLDER
from promise_cli.train.cases import check_cases, describe_stale, read_split
from promise_cli.train.compiled import compile_network
from promise_cli.train.complete import is_complete
from promise_cli.train.corrections import Answering
from promise_cli.train.fold_scores import score_fold
from promise_cli.train.group import Group, join_group, launch, refuse_one_gpu_for_all
from promise_cli.train.introduction import (
    introduce,
    warn_of_changed_files,
    warn_of_large_targets,
)
from promise_cli.train.loop import train_epochs
from promise_cli.train.origin import like_origin
from promise_cli.train.outcome import explained, recorded, saved_so_far, warn_of_unused_clicks
from promise_cli.train.provenance import is_recorded, tool_and_command
from promise_cli.train.resume import resume_run
from promise_cli.train.run import Run, hold
from promise_cli.train.run_files import PRINTED, refuse_foreign_run
from promise_cli.train.samples import TrainingSamples, ValidationSamples
from promise_cli.train.sizes import check_names
from promise_cli.train.start import run_folder, start_run
from promise_cli.train.stopping import StopRequest
from promise_cli.train.train_request import TrainRequest
from promise_cli.train.training import Training
from promise_cli.train.watch import Board
from promise_cli.volume import file_stamps

SHIFT_SCALE = 64.0
"""Hounsfield units (HU) per unit of normalised intensity for scans that have no HU. It is the standard deviation of the
paper's pancreas tumours."""


def train(request: TrainRequest) -> Path:
    """Train one fold, and score its test cases when all epochs are done.

    Returns:
        The run's folder.

    Raises:
        StoppedError: A signal came. The run is saved where it stopped. (When the time limit `max_hours` is reached,
            the run is saved as well, but nothing is raised.)
        PromiseError: The dataset, fold, preset, weights, device or run cannot be used.
    """
    if request.devices > 1:
        if "WORLD_SIZE" in os.environ:
            raise CheckpointError(
                "--devices: torchrun has started the processes already; leave the option out"
            )
        _check_devices(request)
        alone = dataclasses.replace(request, devices=1)
        return cast(Path, launch(request.devices, train, alone))
    with join_group(request.device) as (group, device), keep_log() as log:
        log.add(tool_and_command())
        return _train(request, group, device, log)


def _check_devices(request: TrainRequest) -> None:
    """Refuse more processes than GPUs, or than cores where no GPU is used."""
    refuse_one_gpu_for_all(request.device)
    on_gpu = torch.cuda.is_available() and request.device in ("auto", "cuda")
    there, what = (torch.cuda.device_count(), "GPUs") if on_gpu else (os.cpu_count() or 1, "cores")
    if request.devices > there:
        raise CheckpointError(
            f"--devices {request.devices}: this machine has {there} {what}; ask for no more than that"
        )


def _train(request: TrainRequest, group: Group, device: str, log: Log) -> Path:
    check_names(request)
    request = like_origin(request)
    stop = StopRequest(request.max_hours)
    workspace = open_workspace(request.root)
    preprocessed = workspace.find_preprocessed(request.task)
    plan = load_record(Plan, preprocessed / "plans.json")
    split = read_split(preprocessed, request.fold, plan)
    folder = run_folder(workspace.results / preprocessed.name, request)
    if not group.is_first:
        group.wait()  # the first process may have to download weights
    before = _stamp(folder)
    refuse_foreign_run(folder)
    run = _open_run(request, group, device, workspace, preprocessed, folder, plan, split)
    # A network that cannot recompute activations raises here, before the run's folder is made.
    run.model.checkpoint_activations(run.config.checkpoint_activations)
    if group.is_first:
        if not run.is_finished:
            check_cases((*split.train, *split.val), preprocessed / "cases")
        group.wait()
    introduce(run, preprocessed.name)
    if group.is_first:
        warn_of_changed_files(run, preprocessed, workspace.root)
    warn_of_large_targets(run, preprocessed)
    with (
        hold(folder) if group.is_first else nullcontext(),
        stop.listening(),
        stop_says(lambda: f"{folder}: {saved_so_far(run)}"),
    ):
        if group.is_first:
            log.open(folder / PRINTED)
            _settle(run, request, before)
        unfinished = not (run.is_finished and is_recorded(folder))
        try:
            if group.gather(unfinished)[0]:
                _work(request, group, run, preprocessed / "cases", stop)
            group.wait()  # no process ends while another still needs it
            if group.is_first:
                with explained(run):
                    _score(run, preprocessed / "cases", stop)
        except StoppedError as stopped:
            if stop.signal is not None:
                raise
            say(str(stopped))  # the limit --max-hours, which is not an error
    return folder


def _stamp(folder: Path) -> object:
    """Return a value that changes when the run's last checkpoint changes; None if there is no checkpoint.

    A run is opened before its folder is made and locked. In between, another call may write into the folder.
    """
    path = folder / LAST
    return file_stamps([path]) if path.exists() else None


def _settle(run: Run, request: TrainRequest, before: object) -> None:
    """Check a run as soon as its lock is held, and repair the files of a resumed run.

    Args:
        run: The run, whose lock is held.
        request: The call.
        before: What `_stamp` returned before the run was opened.

    Raises:
        CheckpointError: Another call has written into the run since then.
    """
    if _stamp(run.folder) != before:
        raise CheckpointError(
            f"{run.folder}: another promise-train has just written into this run; run the command again"
        )
    if request.resume:
        run.repair()
        if not run.is_finished and has_study(run.folder):
            warn(
                f"{run.folder / STUDY_FOLDER}: holds a study of the network before this training; repeat it afterwards"
                " with promise-evaluate --clicks ... --overwrite"
            )


def _open_run(
    request: TrainRequest,
    group: Group,
    device: str,
    workspace: Workspace,
    preprocessed: Path,
    folder: Path,
    plan: Plan,
    split: Split,
) -> Run:
    if not request.resume:
        return start_run(
            folder,
            request,
            plan,
            split,
            device=device,
            processes=group.size,
            weights_dir=workspace.weights,
            fingerprint=preprocessed / "fingerprint.json",
        )
    if request.overwrite:
        raise CheckpointError(
            "--resume continues a run, --overwrite starts it anew; give only one of them"
        )
    run = resume_run(folder, request, plan, split, device=device, processes=group.size)
    if run.is_finished and _is_complete(run):
        raise CheckpointError(
            f"{folder / 'checkpoint_last.pt'}: {run.epoch} of {run.config.epochs} epochs are done; ask for more with"
            " --epochs"
        )
    return run


def _is_complete(run: Run) -> bool:
    """Whether a finished run has all its files. A call that was killed may have left some missing."""
    return is_complete(
        run.folder,
        run.log,
        has_final=run.has_final,
        ends_with_best=run.ends_with_best,
        has_scores=bool(run.split.test),
    )


def _work(
    request: TrainRequest, group: Group, run: Run, cases_dir: Path, stop: StopRequest
) -> None:
    """Train the epochs that are left, if any, and record the call in run.json."""
    size, split, config = run.plan.patch_size, run.split, run.config
    numbers = [channel.normalisation for channel in run.plan.channels]
    scale, *further = (one.std if one.scheme == "dataset" else SHIFT_SCALE for one in numbers)
    network = Answering(run.model, learns_from_first=config.first_answer_weight > 0)
    if config.compile and not run.is_finished:
        compile_network(network, run, warn)
    board = Board(run.folder, request.tensorboard and group.is_first)
    training = Training(
        run=run,
        network=group.share_gradients(network, run.device),
        samples=TrainingSamples(
            cases_dir,
            split.train,
            size,
            config,
            run.seed,
            scale,
            tuple(further),
            run.plan.objects,
        ),
        fixed=ValidationSamples(
            cases_dir,
            split.val,
            size,
            config.validation_patches,
            run.seed,
            config.validation_clicks,
            run.plan.objects,
        ),
        group=group,
        workers=_num_workers(request.workers, run.device),
        stop=stop,
        board=board,
    )
    with recorded(training):
        train_epochs(training)
    if group.is_first:
        warn_of_unused_clicks(run)
    board.close()


def _score(run: Run, cases_dir: Path, stop: StopRequest) -> None:
    """Score the fold's test cases, or warn that they are not preprocessed."""
    if not run.split.test:
        return
    missing = [case for case in run.split.test if not made_with(run.plan, cases_dir / case)]
    if missing:
        warn(
            f"{cases_dir}: {counted(len(missing), 'test case')} of fold {run.fold} {describe_stale(len(missing))},"
            f" such as {missing[0]}; the run is not scored"
        )
        return
    score_fold(run, cases_dir, stop)


def _num_workers(asked: int | None, device: torch.device) -> int:
    """Return the number of processes that read samples. On the CPU the default is 0: the network needs the cores."""
    if asked is not None:
        return asked
    return 0 if device.type == "cpu" else min(6, (os.cpu_count() or 1) - 1)
