"""Epochs and steps: samples in, a better network out, on one device or several."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from promise_cli.architectures import takes_clicks
from promise_cli.device import autocast
from promise_cli.errors import DatasetError, StoppedError
from promise_cli.losses import total_loss
from promise_cli.samples import Sample, TrainingSamples, ValidationSamples, collate
from promise_cli.train.corrections import correct
from promise_cli.train.curves import EpochLog
from promise_cli.train.group import Group
from promise_cli.train.provenance import peak_memory_gib
from promise_cli.train.run import Run
from promise_cli.train.schedule import Batch, num_steps, schedule
from promise_cli.train.stopping import StopRequest, leave_signals_to_parent
from promise_cli.train.watch import Board, Watch

PARTS = ("loss", "dice", "cross_entropy", "boundary")


@dataclass(eq=False, kw_only=True)
class Training:
    """A run at work."""

    run: Run
    network: Callable[..., Tensor]
    """The run's model as it is called: compiled, or sharing its gradients."""
    samples: TrainingSamples
    fixed: ValidationSamples
    group: Group
    workers: int
    """Processes that read samples."""
    stop: StopRequest
    board: Board
    on_epoch: Callable[[], None] = lambda: None
    """Called when an epoch is saved."""
    steps: int = 0
    """Done in this call, as are the seconds."""
    seconds: float = 0.0
    waiting_seconds: float = 0.0
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        run = self.run
        per_epoch = num_steps(len(self.samples), run.samples_per_step)
        done = run.epoch * per_epoch + run.step
        clicks = run.config.validation_clicks if takes_clicks(run.model.config) else 0
        self.watch = Watch(run.config.epochs, per_epoch, done, clicks)


def train_epochs(training: Training) -> None:
    """All epochs that are left; each one leaves the run whole on disk.

    Raises:
        DatasetError: The loss or its gradient is not finite.
        StoppedError: A signal came, or the time is up; the run is saved at the step that was reached.
    """
    run, group = training.run, training.group
    while not run.is_finished:
        rate = run.config.learning_rate_at(run.epoch)
        for parameters in run.optimizer.param_groups:
            parameters["lr"] = rate
        with training.watch.epoch(run.epoch + 1, run.step):
            _train_epoch(training)
        started = time.monotonic()
        means = {name: value / training.watch.steps_per_epoch for name, value in run.sums.items()}
        due = (run.epoch + 1) % run.config.validate_every == 0 or run.epoch + 1 == run.config.epochs
        dice = _validate(training) if due and len(training.fixed) else None
        run.epoch, run.step, run.sums = run.epoch + 1, 0, {}
        seconds = means["seconds"] * training.watch.steps_per_epoch + time.monotonic() - started
        row = EpochLog(
            epoch=run.epoch,
            learning_rate=rate,
            loss=means["loss"],
            dice_loss=means["dice"],
            cross_entropy=means["cross_entropy"],
            boundary=means["boundary"],
            validation_dice=dice,
            seconds=round(seconds, 3),
        )
        run.log.append(row)
        if group.is_first:
            run.save_epoch(dice)
            training.board.add(row)
            training.on_epoch()
        training.watch.end_epoch(row)


def _train_epoch(training: Training) -> None:
    """The steps of the epoch that are left; adds up the losses in the run's sums."""
    run, group = training.run, training.group
    batches = schedule(
        training.samples.order(run.epoch),
        batch_size=run.config.batch_size,
        samples_per_step=run.samples_per_step,
        first_step=run.step,
        rank=group.rank,
        size=group.size,
    )
    loader = DataLoader(
        training.samples,
        batch_sampler=[list(batch.indices) for batch in batches],
        collate_fn=collate,
        num_workers=training.workers,
        worker_init_fn=leave_signals_to_parent if training.workers else None,
        pin_memory=run.device.type == "cuda",
    )
    run.model.train()
    samples = iter(loader)
    try:
        for step in _by_step(batches):
            _stop_if_asked(training)
            started = time.monotonic()
            losses = _step(training, step, samples)
            seconds = time.monotonic() - started
            training.steps, training.seconds = training.steps + 1, training.seconds + seconds
            run.step += 1
            for name, value in {**losses, "seconds": seconds}.items():
                run.sums[name] = run.sums.get(name, 0.0) + value
            mean = run.sums["loss"] / run.step
            training.watch.step(run.epoch + 1, run.step, mean, peak_memory_gib(run.device))
    finally:
        # The readers leave signals to us, so nothing else would end them while a traceback holds on to them.
        getattr(samples, "_shutdown_workers", lambda: None)()


def _by_step(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Batches whose gradients belong together."""
    step: list[Batch] = []
    for batch in batches:
        step.append(batch)
        if batch.ends_step:
            yield step
            step = []


def _step(
    training: Training, batches: Sequence[Batch], samples: Iterator[Sample]
) -> dict[str, float]:
    """One step of the optimiser; returns the loss and its parts, over the samples of all processes."""
    run, group = training.run, training.group
    run.optimizer.zero_grad(set_to_none=True)
    sums = torch.zeros(len(PARTS), dtype=torch.float64)
    case_ids: list[str] = []
    for batch in batches:
        asked = time.monotonic()
        sample = next(samples)
        training.waiting_seconds += time.monotonic() - asked
        case_ids.extend(sample.case_ids)
        sample = _with_corrections(training, sample.to(run.device))
        with _gathering(training.network, batch.ends_step):
            with autocast(run.device, run.precision):
                logits = training.network(sample.image, sample.clicks, sample.labels)
            loss, parts = total_loss(logits, sample.target, run.config.loss)
            (batch.weight * loss).backward()  # type: ignore[no-untyped-call]
        values = torch.stack([loss.detach(), *(parts[name] for name in PARTS[1:])])
        sums += batch.weight * values.cpu().double()  # MPS has no float64
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), run.config.gradient_clip)
    means = group.sum(sums) / group.size
    if not (math.isfinite(means[0]) and math.isfinite(norm)):
        finite = math.isfinite(means[0])
        what = "the gradient is not finite" if finite else f"the loss is {float(means[0])}"
        raise _not_finite(training, what, case_ids)
    run.optimizer.step()
    return dict(zip(PARTS, means.tolist(), strict=True))


def _with_corrections(training: Training, sample: Sample) -> Sample:
    run = training.run
    if not run.config.corrections:
        return sample
    with autocast(run.device, run.precision):
        # The bare model: other processes may ask theirs more or fewer times.
        most = run.config.corrections
        return correct(run.model, sample, most, seed=run.seed, epoch=run.epoch)


def _gathering(network: Callable[..., Tensor], ends_step: bool) -> AbstractContextManager[Any]:
    """Processes average their gradients once a step, in its last backward pass."""
    shared = getattr(network, "_orig_mod", network)  # what torch.compile wraps
    if isinstance(shared, DistributedDataParallel) and not ends_step:
        return shared.no_sync()
    return nullcontext()


def _not_finite(training: Training, what: str, case_ids: list[str]) -> DatasetError:
    run = training.run
    cases = ", ".join(case for cases in training.group.gather(case_ids) for case in cases)
    kept = (
        f"the checkpoint of epoch {run.epoch} is kept" if run.is_saved else "nothing is saved yet"
    )
    return DatasetError(
        f"{run.folder}: {what} in epoch {run.epoch + 1}, step {run.step + 1}, case {cases}; {kept}: look at the"
        " intensities of that case, or start anew with a lower --lr or with --precision fp32"
    )


def _stop_if_asked(training: Training) -> None:
    """Save and leave between two steps, all processes at the same one."""
    run, group = training.run, training.group
    reason = training.stop.reason
    if not group.sum(torch.tensor([float(reason is not None)])).item():
        return
    reason = next(filter(None, group.gather(reason)))
    worth = run.epoch + run.step > 0 or not run.replaces
    if group.is_first and worth:
        run.save_step()
    group.wait()  # a process that leaves takes the others with it
    saved = (
        "saved: go on with --resume" if worth else "nothing was trained, the earlier run is kept"
    )
    raise StoppedError(
        f"{run.folder}: stopped by {reason} in epoch {run.epoch + 1} after {run.step} of"
        f" {training.watch.steps_per_epoch} steps; {saved}"
    )


@torch.inference_mode()
def _validate(training: Training) -> float:
    """Mean Dice of the fixed patches; the processes share them.

    Raises:
        DatasetError: The network's values are not finite.
        StoppedError: As in a step; the run is saved after the epoch's last step, so that it goes on with validation.
    """
    run, group = training.run, training.group
    run.model.eval()
    fixed = training.fixed
    total = torch.zeros(3, dtype=torch.float64)
    odd: list[str] = []
    for first in range(0, len(fixed), group.size):
        _stop_if_asked(training)
        if first + group.rank >= len(fixed):
            continue
        batch = collate([fixed[first + group.rank]]).to(run.device)
        with autocast(run.device, run.precision):
            logits = run.model(batch.image, batch.clicks, batch.labels)
        if not torch.isfinite(logits).all():
            odd.extend(batch.case_ids)
        mask = logits.argmax(dim=1, keepdim=True)
        overlap = (mask * batch.target).sum()
        dice = 2 * overlap / (mask.sum() + batch.target.sum())
        total += torch.tensor([dice.item(), 1.0, len(odd)])
    dice_sum, count, num_odd = group.sum(total).tolist()
    if num_odd:
        raise _not_finite(training, "the network's values are not finite in validation", odd)
    return dice_sum / count


def compiled_or_plain(network: nn.Module, run: Run, warn: Callable[[str], None]) -> nn.Module:
    """The network with its operations fused, tried once on an empty patch; itself where that fails."""
    compiled: nn.Module = torch.compile(network)  # type: ignore[assignment]
    edge, config = run.model.config.patch_size, run.config
    num_clicks = config.num_foreground_clicks + config.num_background_clicks
    patch = torch.zeros(config.batch_size, 1, edge, edge, edge, device=run.device)
    clicks = torch.full((config.batch_size, num_clicks, 3), edge / 2, device=run.device)
    labels = torch.ones(clicks.shape[:2], dtype=torch.long, device=run.device)
    try:
        with autocast(run.device, run.precision):
            compiled(patch, clicks, labels).float().mean().backward()
    except Exception as error:  # whatever a compiler's chain of tools may raise
        reason = " ".join(str(error).split())[:200]
        warn(f"--compile: does not work here ({type(error).__name__}: {reason}); going on without")
        compiled = network
    run.optimizer.zero_grad(set_to_none=True)
    return compiled
