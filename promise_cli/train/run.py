"""A run and its folder `fold_<n>` in the results: checkpoints, config.json, log.csv and progress.png."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim import AdamW

from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.atomic import remove_leftovers
from promise_cli.disk.ours import remove_marked
from promise_cli.disk.records import save_record
from promise_cli.disk.workspace import BEST, FINAL, LAST, Fold
from promise_cli.errors import CheckpointError
from promise_cli.jobs import claim
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from promise_cli.network.device import Precision
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.registry import PROMISE, Network
from promise_cli.train.complete import has_curves
from promise_cli.train.curves import EpochLog, draw_progress, save_log
from promise_cli.train.provenance import StartedFrom
from promise_cli.train.replacing import finish_replacing, note_replacing
from promise_cli.train.run_files import CONFIG, LOG, MARKS, METRICS, PROGRESS


@dataclass(eq=False, kw_only=True)
class Run:
    """A network in training, and how far the training is."""

    folder: Path
    preset: str
    fold: Fold
    split: Split
    seed: int
    plan: Plan
    """Plan of the dataset, with the network's patch size."""
    config: TrainConfig
    """Recipe, with the precision that was chosen."""
    samples_per_step: int
    """Number of samples in a step, over all devices and batches."""
    model: Network
    optimizer: AdamW
    device: torch.device
    encoder_weights: str
    """Name and sha256 of the pretrained weights, or `none`."""
    started_from: StartedFrom | None = None
    """Network whose weights the run started with; None without `--from`."""
    network: str = PROMISE
    """Name of the network in `network.registry`."""
    replaces: bool = False
    """Whether the folder holds an earlier run. It is deleted as soon as this run has saved its first checkpoint."""
    replaced_curves: tuple[Path, ...] = ()
    """TensorBoard's files of the earlier run, which are deleted with it."""
    epoch: int = 0
    """Number of epochs that are done."""
    step: int = 0
    """Number of steps that are done in the current, unfinished epoch."""
    sums: dict[str, float] = field(default_factory=dict)
    """Sums of the losses and times that the log reports, over the steps of the unfinished epoch."""
    scaler: torch.amp.GradScaler = field(
        default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False)
    )
    """Scales the loss in fp16, so that small gradients do not become zero. It does nothing in other precisions."""
    best_dice: float | None = None
    """Validation Dice of the best checkpoint; None if there is none."""
    last_dice: float | None = None
    """Validation Dice of the checkpoint that the run was resumed from. None if it has none, or for a new run."""
    log: list[EpochLog] = field(default_factory=list)

    @property
    def precision(self) -> Precision:
        """Precision of matrix products and convolutions. A recipe that still says `auto` counts as fp32."""
        chosen = self.config.precision
        return "fp32" if chosen == "auto" else chosen

    @property
    def can_lower_scale(self) -> bool:
        """Whether the loss is scaled by more than 1, so that the scale can be lowered.

        A gradient that is not finite is then no error: the step is skipped, and the scale is lowered.
        """
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.config.epochs

    @property
    def has_final(self) -> bool:
        """Whether all epochs are done and the recipe predicts with the final checkpoint."""
        return self.is_finished and self.config.predict_with == "final"

    def save_epoch(self, validation_dice: float | None) -> None:
        """Write the last checkpoint, log.csv and progress.png after an epoch.

        The best checkpoint is written, too, if the validation Dice is the highest so far. The final one is written at
        the end of the run, if the recipe predicts with it.

        Args:
            validation_dice: Validation Dice of the epoch; None if it was not validated.
        """
        better = validation_dice is not None and (
            self.best_dice is None or validation_dice > self.best_dice
        )
        if better:
            self.best_dice = validation_dice
        checkpoint = self._checkpoint(validation_dice)
        # checkpoint_last.pt names the best Dice, so checkpoint_best.pt is written before it. Then a kill between the
        # two loses neither. A new run writes checkpoint_last.pt first, since only that file can be continued from.
        is_first = not self.is_saved
        if is_first:
            self._save_last(checkpoint)
        self._remove(METRICS)  # they are scores of an earlier state of the network
        if better:
            self._save_for_prediction(checkpoint, BEST)
        if self.has_final:
            self._save_for_prediction(checkpoint, FINAL)
        if not is_first:
            self._save_last(checkpoint)
        self._save_curves()

    def _save_curves(self) -> None:
        """Write progress.png, and then log.csv, so that progress.png is up to date whenever log.csv is."""
        network = "" if self.network == PROMISE else f"{self.network}, "
        title = f"{self.plan.dataset}, fold {self.fold}, {network}{self.preset}"
        draw_progress(self.log, title, self.folder / PROGRESS)
        save_log(self.log, self.folder / LOG)

    def save_step(self) -> None:
        """Write the last checkpoint in the middle of an epoch."""
        self._save_last(self._checkpoint(None))

    @property
    def is_saved(self) -> bool:
        """Whether a checkpoint of this run is on the disk."""
        return not self.replaces and (self.folder / LAST).exists()

    @property
    def ends_with_best(self) -> bool:
        """Whether the checkpoint that the run was resumed from holds the best network so far."""
        return self.best_dice is not None and self.last_dice == self.best_dice

    def repair(self) -> None:
        """Write the files that a killed call has left missing or behind the last checkpoint.

        Call this on a resumed run, before its first step.

        Raises:
            CheckpointError: A checkpoint cannot be written.
        """
        self._repair_best()
        self._repair_final()
        if not (self.folder / CONFIG).exists():
            save_record(self.config, self.folder / CONFIG)
        if not has_curves(self.folder, self.log):
            self._save_curves()

    def _repair_best(self) -> None:
        """Make sure that the best checkpoint belongs to this run.

        If the right one is missing and cannot be made from the resumed state, the next validation writes a new one.
        """
        path = self.folder / BEST
        try:
            found = load_checkpoint(path) if path.exists() else None
        except CheckpointError:
            found = None
        # The best checkpoint may be one epoch ahead, if a kill came before the last one was written.
        if found and (found.validation_dice == self.best_dice or found.epoch == self.epoch + 1):
            return
        path.unlink(missing_ok=True)
        if self.ends_with_best:
            self._save_for_prediction(self._checkpoint(self.last_dice), BEST)
        else:
            self.best_dice = None  # the next validation writes the best checkpoint

    def _repair_final(self) -> None:
        """Make sure that a final checkpoint exists only at the end of the run, and belongs to it."""
        if self.has_final:
            self._save_for_prediction(self._checkpoint(self.last_dice), FINAL)
        else:
            self._remove((FINAL,))

    @property
    def _kept(self) -> str:
        """End of the message if a checkpoint cannot be written."""
        if self.is_saved:
            return "then continue with --resume from the last checkpoint, which is kept"
        earlier = " (the earlier run is kept)" if self.replaces else ""
        return f"then run the same command again{earlier}"

    def _remove(self, names: Sequence[str]) -> None:
        remove_marked(self.folder, MARKS, names)

    def _save_for_prediction(self, checkpoint: Checkpoint, name: str) -> None:
        save_checkpoint(
            dataclasses.replace(checkpoint, optimizer={}, scaler={}, random_states={}),
            self.folder / name,
            self._kept,
        )

    def _save_last(self, checkpoint: Checkpoint) -> None:
        if self.replaces:  # the earlier run is kept until this one is saved
            note_replacing(self.folder, self.replaced_curves)
            save_checkpoint(checkpoint, self.folder / LAST, self._kept)
            finish_replacing(self.folder)
            self.replaces = False
            save_record(self.config, self.folder / CONFIG)
            return
        # These files belong to an earlier state of the network.
        self._remove(METRICS if self.has_final else (*METRICS, FINAL))
        save_record(self.config, self.folder / CONFIG)
        save_checkpoint(checkpoint, self.folder / LAST, self._kept)

    def _checkpoint(self, validation_dice: float | None) -> Checkpoint:
        return Checkpoint(
            model_config=self.model.config,
            train_config=self.config,
            plan=self.plan,
            preset=self.preset,
            fold=self.fold,
            split=self.split,
            seed=self.seed,
            encoder_weights=self.encoder_weights,
            epoch=self.epoch,
            step=self.step,
            sums=self.sums,
            samples_per_step=self.samples_per_step,
            validation_dice=validation_dice,
            best_dice=self.best_dice,
            log=[dataclasses.asdict(row) for row in self.log],
            weights=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=self.scaler.state_dict(),
            random_states=random_states(self.device),
            network=self.network,
        )


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the states of torch's random generators: `cpu`, and `cuda` if the run is on a GPU."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Set torch's random generators to the states of `random_states`. A generator without a state is not changed."""
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the lock of a run while the block runs, and delete what a killed call has left unfinished.

    Raises:
        CheckpointError: Another call holds the lock.
    """
    with claim(folder / ".lock", wait=False) as held:
        if held is False:
            raise CheckpointError(
                f"{folder}: another promise-train works on this run; wait for it to end, or train another --fold"
            )
        remove_leftovers(folder)
        finish_replacing(folder)
        yield
