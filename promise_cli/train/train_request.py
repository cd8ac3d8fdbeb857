"""What a call of promise-train asks for."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promise_cli.errors import PlanError

OPTIONS = {
    "epochs": "--epochs",
    "learning_rate": "--lr",
    "batch_size": "--batch-size",
    "accumulate": "--accumulate",
    "patches_per_case": "--patches-per-case",
    "precision": "--precision",
    "checkpoint_activations": "--checkpoint-activations",
    "compile": "--compile",
}
"""Fields of `TrainConfig` that a call may set, and how a user asks for them."""

MAY_CHANGE = frozenset({"epochs", "batch_size", "accumulate", "checkpoint_activations", "compile"})
"""Fields that a resumed run may change: how long it trains and how a step is computed. How many samples make a
step stays (`resume.resume_run`)."""


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """One call; None leaves a choice to the preset, the dataset or the machine.

    Raises:
        PlanError: A number that is none; the other ranges are those of `TrainConfig`.
    """

    task: str | None = None
    """A preprocessed dataset; None for the only one."""
    fold: int = 0
    """Which of splits.json."""
    preset: str | None = None
    """See `presets`; `recommended` where left out, or `paper` for rivals."""
    network: str | None = None
    """See `architectures`; `promise` where left out."""
    clicks_as_channel: bool | None = None
    """Show clicks to a network that has no encoder for them, as two further channels of the image."""
    encoder: str | None = None
    """Family and size of the image transformer, where not the preset's."""
    weights: str | None = None
    """A file of pretrained weights, or `none`."""
    seed: int | None = None
    """Seed of all random draws; 42 where left out."""
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    """Samples at once on one device."""
    accumulate: int | None = None
    """Batches whose gradients make one step of the optimiser."""
    patches_per_case: int | None = None
    precision: str | None = None
    """auto, fp32 or bf16."""
    checkpoint_activations: bool | None = None
    compile: bool | None = None
    fields: tuple[str, ...] = ()
    """`NAME=VALUE` of `ModelConfig` or `TrainConfig`, beyond what the preset says."""
    device: str = "auto"
    """auto, cpu, cuda or mps."""
    devices: int = 1
    """Processes on this machine that share each step, one a device."""
    workers: int | None = None
    """Processes that read samples, for each device."""
    max_hours: float | None = None
    """Save and leave after so long."""
    tensorboard: bool = False
    """Also write curves for TensorBoard."""
    resume: bool = False
    """Go on from checkpoint_last.pt."""
    overwrite: bool = False
    """Start anew where a run exists."""
    root: Path | None = None
    """The workspace."""

    def __post_init__(self) -> None:
        if self.max_hours is not None and not 0 <= self.max_hours < math.inf:
            raise PlanError(f"--max-hours {self.max_hours}: give a number of hours, such as 23.5")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise PlanError(f"--lr {self.learning_rate}: give a number above 0, such as 4e-4")

    def recipe(self) -> dict[str, Any]:
        """The fields of `TrainConfig` that were asked for."""
        asked = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in asked.items() if value is not None}
