"""The arguments of a call of promise-train."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promise_cli.disk.workspace import Fold
from promise_cli.errors import PlanError

OPTIONS = {
    "epochs": "--epochs",
    "learning_rate": "--lr",
    "batch_size": "--batch-size",
    "accumulate": "--accumulate",
    "patches_per_case": "--patches-per-case",
    "augmentation": "--augmentation",
    "freeze": "--freeze",
    "precision": "--precision",
    "checkpoint_activations": "--checkpoint-activations",
    "compile": "--compile",
}
"""Fields of `TrainConfig` that have an option of their own, and the name of that option."""

MAY_CHANGE = frozenset({"epochs", "batch_size", "accumulate", "checkpoint_activations", "compile"})
"""Fields that a resumed run may change. They decide how long it trains and how a step is computed. The number of
samples in a step must stay the same (`resume.resume_run`)."""


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """The arguments of a call. None leaves a choice to the preset, the dataset or the machine.

    Raises:
        PlanError: `max_hours` or `learning_rate` is not finite or out of range. `TrainConfig` checks the other numbers.
    """

    task: str | None = None
    """Name or folder of a preprocessed dataset; None for the only one."""
    fold: Fold = 0
    """Number of the fold in splits.json, counted from 0, or `all`."""
    name: str | None = None
    """Name of the run, which becomes a part of its folder's name; None for the folder without a name."""
    preset: str | None = None
    """Name of a preset in `network.recipe`. None means `recommended`, or `paper` for networks other than ProMISe."""
    network: str | None = None
    """Name of a network in `network.registry`; None means `promise`."""
    clicks_as_channel: bool | None = None
    """Whether a network without an encoder for clicks gets them as two further channels of the image."""
    encoder: str | None = None
    """Name of the image encoder; None for that of the preset."""
    weights: str | None = None
    """File of pretrained weights, or `none`; None for the official file."""
    start_from: str | None = None
    """Folder of a run, or checkpoint, whose weights the run starts with; None to start as the preset says."""
    freeze: str | None = None
    """Part of the network that is not trained: nothing, encoder or all-but-head."""
    seed: int | None = None
    """Seed of all random numbers; None means 42."""
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    """Number of samples in a batch on one device."""
    accumulate: int | None = None
    """Number of batches whose gradients make one step of the optimizer."""
    patches_per_case: int | None = None
    augmentation: str | None = None
    """How intensities are augmented: paper or nnunet."""
    precision: str | None = None
    """Precision of the network: auto, fp32, bf16 or fp16."""
    checkpoint_activations: bool | None = None
    compile: bool | None = None
    fields: tuple[str, ...] = ()
    """Texts `NAME=VALUE` that set fields of the network or of `TrainConfig` after the preset."""
    device: str = "auto"
    """Kind of device: auto, cpu, cuda or mps."""
    devices: int = 1
    """Number of processes on this machine that share each step, one per device."""
    workers: int | None = None
    """Number of processes that read samples, for each device."""
    max_hours: float | None = None
    """Hours after which the run is saved and the call ends."""
    tensorboard: bool = False
    """Whether to write curves for TensorBoard, too."""
    resume: bool = False
    """Whether to continue from checkpoint_last.pt."""
    overwrite: bool = False
    """Whether to replace a run that exists already."""
    root: Path | None = None
    """Root of the workspace; None for $PROMISE_ROOT or else the current folder."""

    def __post_init__(self) -> None:
        if self.max_hours is not None and not 0 <= self.max_hours < math.inf:
            raise PlanError(f"--max-hours {self.max_hours}: give a number of hours, such as 23.5")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise PlanError(f"--lr {self.learning_rate}: give a number above 0, such as 4e-4")

    def recipe(self) -> dict[str, Any]:
        """Return the fields of `TrainConfig` that the call sets."""
        asked = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in asked.items() if value is not None}
