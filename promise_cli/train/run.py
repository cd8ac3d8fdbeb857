"""One training on disk: results/<dataset>/fold_<n> with its checkpoints, config.json, log.csv and progress.png."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim import AdamW

from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.atomic import PREFIX
from promise_cli.disk.records import save_record
from promise_cli.disk.workspace import BEST, FINAL, LAST
from promise_cli.errors import CheckpointError
from promise_cli.jobs import claim
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from promise_cli.network.device import Precision
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.registry import PROMISE, Network
from promise_cli.train.curves import EpochLog, draw_progress, save_log

METRICS = ("metrics.json", "metrics.csv", "metrics.md")
"""Files with the scores of the fold's test cases, written at the end."""


@dataclass(eq=False, kw_only=True)
class Run:
    """A network in training, and how far it is."""

    folder: Path
    preset: str
    fold: int
    split: Split
    seed: int
    plan: Plan
    """Plan of the dataset, with the network's patch size."""
    config: TrainConfig
    """Recipe, with the precision that was chosen."""
    samples_per_step: int
    """Samples in a step, over all devices and batches."""
    model: Network
    optimizer: AdamW
    device: torch.device
    encoder_weights: str
    """Name and sha256 of the pretrained weights, or `none`."""
    network: str = PROMISE
    """Name of the network in `network.registry`."""
    replaces: bool = False
    """Whether an earlier run lies in the folder, which goes when this one can first be used."""
    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done in the epoch after that."""
    sums: dict[str, float] = field(default_factory=dict)
    """What the log adds up over these steps."""
    scaler: torch.amp.GradScaler = field(
        default_factory=lambda: torch.amp.GradScaler("cpu", enabled=False)
    )
    """Scales the loss in fp16, so that small gradients do not become zero; does nothing in other precisions."""
    best_dice: float | None = None
    last_dice: float | None = None
    """Validation Dice of the checkpoint that the run was resumed from."""
    log: list[EpochLog] = field(default_factory=list)

    @property
    def precision(self) -> Precision:
        """Precision of matrix products and convolutions."""
        chosen = self.config.precision
        return "fp32" if chosen == "auto" else chosen

    @property
    def can_lower_scale(self) -> bool:
        """Whether a gradient that is not finite only means a smaller scale of the loss, and one skipped step."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.config.epochs

    @property
    def has_final(self) -> bool:
        """Whether the run is at its end, and its recipe predicts with that."""
        return self.is_finished and self.config.predict_with == "final"

    def save_epoch(self, validation_dice: float | None) -> None:
        """Write the checkpoints, the log and its picture; the best where this is it, the final one at the end."""
        better = validation_dice is not None and (
            self.best_dice is None or validation_dice > self.best_dice
        )
        if better:
            self.best_dice = validation_dice
        checkpoint = self._checkpoint(validation_dice)
        if self.replaces:
            self._save_last(checkpoint)
        else:
            self._remove(METRICS)  # they are of the network before
        if (
            better
        ):  # before the last one, which says what the best is: a kill between them loses neither
            self._save_for_prediction(checkpoint, BEST)
        if self.has_final:
            self._save_for_prediction(checkpoint, FINAL)
        self._save_last(checkpoint)
        save_log(self.log, self.folder / "log.csv")
        network = "" if self.network == PROMISE else f"{self.network}, "
        title = f"{self.plan.dataset}, fold {self.fold}, {network}{self.preset}"
        draw_progress(self.log, title, self.folder / "progress.png")

    def save_step(self) -> None:
        """Write the last checkpoint within an epoch."""
        self._save_last(self._checkpoint(None))

    @property
    def is_saved(self) -> bool:
        """Whether a checkpoint of this run is on the disk."""
        return not self.replaces and (self.folder / LAST).exists()

    def repair_best(self) -> None:
        """See that the best checkpoint is this run's, where a kill left none or that of a run before.

        Raises:
            CheckpointError: It cannot be written.
        """
        path = self.folder / BEST
        try:
            found = load_checkpoint(path) if path.exists() else None
        except CheckpointError:
            found = None
        if found and (found.validation_dice == self.best_dice or found.epoch == self.epoch + 1):
            return  # of the epoch to come: it was written before the last one, and will be again
        path.unlink(missing_ok=True)
        if self.best_dice is not None and self.last_dice == self.best_dice:
            self._save_for_prediction(self._checkpoint(self.last_dice), BEST)
        else:
            self.best_dice = None  # the next validation writes one

    def repair_final(self) -> None:
        """See that the final checkpoint is there at the end alone, and this run's, whatever a kill or stop left.

        To be called of a resumed run before its first step.

        Raises:
            CheckpointError: It cannot be written.
        """
        if self.has_final:
            self._save_for_prediction(self._checkpoint(self.last_dice), FINAL)
        else:
            self._remove((FINAL,))

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def _save_for_prediction(self, checkpoint: Checkpoint, name: str) -> None:
        save_checkpoint(
            dataclasses.replace(checkpoint, optimizer={}, scaler={}, random_states={}),
            self.folder / name,
        )

    def _save_last(self, checkpoint: Checkpoint) -> None:
        if not self.replaces:  # of another network than this one
            self._remove(METRICS if self.has_final else (*METRICS, FINAL))
        save_checkpoint(checkpoint, self.folder / LAST)
        save_record(self.config, self.folder / "config.json")
        if self.replaces:  # not before there is something in its place
            self._remove((BEST, FINAL, "log.csv", "progress.png", *METRICS))
            self.replaces = False

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
    """State of torch's random generators: the CPU's, and the GPU's if the run is on one."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Set torch's random generators as `random_states` found them; what is missing stays as it is."""
    if "cpu" in states:
        torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other calls off a run, and clear away what a killed one left half-written.

    Raises:
        CheckpointError: Another call holds it.
    """
    with claim(folder / ".lock", wait=False) as held:
        if held is False:
            raise CheckpointError(
                f"{folder}: another promise-train works on this run; wait for it to end, or train another --fold"
            )
        for path in folder.glob(f"{PREFIX}*"):
            path.unlink(missing_ok=True)
        yield
