"""COMMAND promise-train: cases -> checkpoints, log.csv and progress.png in results/<dataset>/fold_<n>."""

import math
import os
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from promise_cli.case import made_with
from promise_cli.console import say, track, warn
from promise_cli.curves import EpochLog
from promise_cli.errors import CheckpointError, DatasetError, PlanError
from promise_cli.fingerprint import Fingerprint
from promise_cli.losses import total_loss
from promise_cli.plan import Plan
from promise_cli.records import load_record, save_record
from promise_cli.run import Run, resume_run, start_run
from promise_cli.samples import Sample, TrainingSamples, ValidationSamples, collate
from promise_cli.splits import Split, Splits
from promise_cli.workspace import open_workspace

SHIFT_SCALE = 64.0
"""HU that one unit of normalised intensity stands for where a scan has no HU: the deviation of the paper's
pancreas tumours."""


def train(
    task: str | None,
    fold: int,
    *,
    preset_name: str | None = None,
    encoder: str | None = None,
    weights: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    root: Path | None = None,
) -> Path:
    """Train one fold.

    Args:
        task: A preprocessed dataset; the only one where left out.
        fold: Which of splits.json.
        preset_name: See `presets`; `paper` where left out.
        encoder: Family and size of the image transformer, where not the preset's.
        weights: A file of pretrained weights, or `none`.
        epochs: Where not the preset's.
        seed: Of all random draws; 42 where left out.
        device: auto, cpu, cuda or mps.
        workers: Processes that read samples.
        resume: Go on from checkpoint_last.pt.
        overwrite: Start anew where a run exists.
        root: The workspace.

    Returns:
        The run's folder.

    Raises:
        PromiseError: Dataset, fold, preset, weights, device or run do not fit.
    """
    workspace = open_workspace(root)
    preprocessed = workspace.find_preprocessed(task)
    plan = load_record(Plan, preprocessed / "plans.json")
    split = _read_split(preprocessed, fold, plan)
    folder = workspace.results / preprocessed.name / f"fold_{fold}"
    if resume:
        if overwrite:
            raise CheckpointError(
                "--resume goes on with a run, --overwrite starts it anew: give one of them"
            )
        run = resume_run(folder, plan, split=split, epochs=epochs, device=device)
        _check_resume(run, preset_name, encoder, weights, seed)
    else:
        run = start_run(
            folder,
            plan,
            preset_name=preset_name or "paper",
            encoder=encoder,
            weights=weights,
            weights_dir=workspace.weights,
            epochs=epochs,
            fold=fold,
            split=split,
            seed=42 if seed is None else seed,
            device=device,
            overwrite=overwrite,
        )
    save_record(run.config, folder / "config.json")
    _introduce(run, preprocessed.name)
    _warn_of_large_targets(run, preprocessed)
    _train(run, preprocessed / "cases", _num_workers(workers, run.device))
    return folder


def _train(run: Run, cases_dir: Path, workers: int) -> None:
    """All epochs that are left; each one leaves the run whole on disk."""
    config, size, split = run.config, run.plan.patch_size, run.split
    numbers = run.plan.normalisation
    shift_scale = numbers.std if numbers.scheme == "dataset" else SHIFT_SCALE
    training = TrainingSamples(cases_dir, split.train, size, config, run.seed, shift_scale)
    fixed = ValidationSamples(cases_dir, split.val, size, config.validation_patches, run.seed)
    while run.epoch < config.epochs:
        started = time.monotonic()
        rate = config.learning_rate_at(run.epoch)
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        losses = _train_epoch(run, training, workers)
        run.epoch += 1
        due = run.epoch % config.validate_every == 0 or run.epoch == config.epochs
        dice = _validate(run, fixed) if due and len(fixed) else None
        seconds = round(time.monotonic() - started, 3)
        run.log.append(
            EpochLog(
                epoch=run.epoch,
                learning_rate=rate,
                loss=losses["loss"],
                dice_loss=losses["dice"],
                cross_entropy=losses["cross_entropy"],
                boundary=losses["boundary"],
                validation_dice=dice,
                seconds=seconds,
            )
        )
        run.save(dice)
        shown = "" if dice is None else f", validation Dice {dice:.3f} with one click"
        say(
            f"epoch {run.epoch}/{config.epochs}: loss {losses['loss']:.4f}{shown} ({seconds:.1f} s)"
        )


def _train_epoch(run: Run, training: TrainingSamples, workers: int) -> dict[str, float]:
    """One pass over the samples; returns the mean of the loss and of its parts."""
    loader = DataLoader(
        training,
        batch_size=run.config.batch_size,
        sampler=training.order(run.epoch),
        collate_fn=collate,
        num_workers=workers,
        pin_memory=run.device.type == "cuda",
    )
    run.model.train()
    sums: dict[str, Tensor] = {}
    description = f"epoch {run.epoch + 1}/{run.config.epochs}"
    for sample in track(loader, description, len(loader)):
        for name, value in _step(run, sample).items():
            sums[name] = sums.get(name, torch.zeros((), device=run.device)) + value.detach()
    means = {name: float(value) / len(loader) for name, value in sums.items()}
    if not math.isfinite(means["loss"]):
        raise DatasetError(
            f"{run.folder}: the loss was not finite in epoch {run.epoch + 1}; the checkpoint of epoch"
            f" {run.epoch} is kept: look at the cases' intensities, or start anew with another --seed"
        )
    return means


def _step(run: Run, sample: Sample) -> dict[str, Tensor]:
    """One step of the optimiser; returns the loss and its parts."""
    batch = sample.to(run.device)
    logits = run.model(batch.image, batch.clicks, batch.labels)
    loss, parts = total_loss(logits, batch.target, run.config.loss)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.gradient_clip)
    run.optimizer.step()
    return {"loss": loss, **parts}


@torch.inference_mode()
def _validate(run: Run, fixed: ValidationSamples) -> float:
    """Mean Dice of the fixed patches, one click each."""
    run.model.eval()
    scores = []
    for sample in DataLoader(fixed, batch_size=1, collate_fn=collate):
        batch = sample.to(run.device)
        mask = run.model(batch.image, batch.clicks, batch.labels).argmax(dim=1, keepdim=True)
        overlap = (mask * batch.target).sum()
        scores.append(2 * overlap / (mask.sum() + batch.target.sum()))
    return float(torch.stack(scores).mean())


def _read_split(preprocessed: Path, fold: int, plan: Plan) -> Split:
    path = preprocessed / "splits.json"
    splits = load_record(Splits, path)
    if not 0 <= fold < len(splits.folds):
        raise PlanError(f"{path}: no fold {fold}; use --fold 0 to {len(splits.folds) - 1}")
    split = splits.folds[fold]
    stale = [
        case
        for case in (*split.train, *split.val)
        if not made_with(plan, preprocessed / "cases" / case)
    ]
    if stale:
        raise DatasetError(
            f"{preprocessed / 'cases'}: {len(stale)} cases of fold {fold} are missing or were made with another"
            f" plan, such as {stale[0]}; run promise-preprocess {preprocessed.name} again"
        )
    if not split.train:
        raise PlanError(f"{path}: fold {fold} has no training case; correct the file")
    return split


def _num_workers(asked: int | None, device: torch.device) -> int:
    """A GPU must be fed; on the CPU the network needs the cores itself."""
    if asked is not None:
        return asked
    return 0 if device.type == "cpu" else min(6, (os.cpu_count() or 1) - 1)


def _introduce(run: Run, dataset: str) -> None:
    parameters = list(run.model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in parameters)
    say(
        f"dataset: {dataset}, fold {run.fold}: {len(run.split.train)} training and"
        f" {len(run.split.val)} validation cases, target {run.plan.target_label} ({run.plan.target_name})"
    )
    say(
        f"network: preset {run.preset}, encoder {run.model.config.encoder}, weights {run.encoder_weights};"
        f" {trained:,} of {total:,} parameters are trained"
    )
    say(
        f"run: {run.folder}, epochs {run.epoch + 1} to {run.config.epochs}, patch {run.plan.patch_size}^3,"
        f" device {run.device}, seed {run.seed}, validation every {run.config.validate_every} epochs"
    )
    test = run.split.test
    say(
        f"test cases: {len(test)} ({', '.join(test[:6])}{', ...' if len(test) > 6 else ''}), see splits.json"
    )


def _warn_of_large_targets(run: Run, preprocessed: Path) -> None:
    """A target larger than the window cannot be outlined whole, however long the training."""
    path = preprocessed / "fingerprint.json"
    if not path.exists():
        return
    edge = run.plan.patch_size
    window_ml = edge**3 * math.prod(run.plan.spacing) / 1000
    cases = load_record(Fingerprint, path).cases
    larger = [case.case_id for case in cases if case.target_ml > window_ml]
    if larger:
        warn(
            f"in {len(larger)} of {len(cases)} cases, such as {larger[0]}, the target is larger than the window of"
            f" {edge}^3 voxels ({window_ml:.0f} ml); what lies outside the window stays background"
        )


def _check_resume(
    run: Run, preset_name: str | None, encoder: str | None, weights: str | None, seed: int | None
) -> None:
    """What a run was started with cannot be changed on the way."""
    asked = {
        "--preset": (preset_name, run.preset),
        "--encoder": (encoder, run.model.config.encoder),
        "--weights": (weights and Path(weights).name, run.encoder_weights.partition(" ")[0]),
        "--seed": (seed, run.seed),
    }
    for name, (given, started) in asked.items():
        if given is not None and given != started:
            raise CheckpointError(
                f"{name} {given}: this run was started with {started}; leave the option out to go on, or start"
                " anew with --overwrite instead of --resume"
            )
