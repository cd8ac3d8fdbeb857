"""The records of `metrics.json`."""

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from promise_cli import __version__
from promise_cli.scores.comparison import Comparison
from promise_cli.scores.statistics import (
    BOOTSTRAP_SAMPLES,
    BOOTSTRAP_SEED,
    CONFIDENCE_PERCENT,
    Statistics,
)

SCHEMA_VERSION = 1
METRICS_FILE, TABLE_FILE, MARKDOWN_FILE = "metrics.json", "metrics.csv", "metrics.md"
FAILURE_DICE = 0.1
"""A Dice below this counts as a failure."""
NUM_WORST = 5
"""So many cases are named as the worst."""

Status = Literal["ok", "reference_empty", "prediction_empty", "both_empty", "prediction_missing"]


def typed_command() -> str:
    """What the user typed, so that a shell takes it again; bytes that are no UTF-8 are written as escapes."""
    typed = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return typed.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, kw_only=True)
class CaseScore:
    """One label of one case."""

    case_id: str
    label: int | str
    name: str
    status: Status
    dice: float
    """NaN, and null in the file, where it does not exist."""
    nsd: dict[str, float]
    """NSD by tolerance in mm, such as `5.0`."""
    further: dict[str, float] = field(default_factory=dict)
    """What was asked for beyond Dice and NSD, such as `hd95_mm`; NaN where it does not exist."""
    reference_voxels: int
    prediction_voxels: int
    common_voxels: int
    """Number of voxels that both masks hold."""
    scan_voxels: int
    """Number of voxels of the whole scan."""
    reference_ml: float
    prediction_ml: float
    spacing: tuple[float, float, float]
    """mm along the axes of the label's file, as NSD took it."""


@dataclass(frozen=True, kw_only=True)
class LabelSummary:
    """One label over all cases, or all labels together."""

    label: int | str | None
    """None for all labels together, where a case counts once with the mean over its labels."""
    name: str
    failures: int
    """Cases with a Dice below 0.1."""
    worst_cases: tuple[str, ...]
    """Up to five case ids by Dice, the lowest first."""
    dice: Statistics
    nsd: dict[str, Statistics]
    further: dict[str, Statistics]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All statistics."""

    overall: LabelSummary
    labels: tuple[LabelSummary, ...]
    foreground_mean_dice: float
    """Mean over labels of their means, as nnU-Net states it."""
    foreground_mean_nsd: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """How the intervals were drawn."""

    samples: int = BOOTSTRAP_SAMPLES
    seed: int = BOOTSTRAP_SEED
    confidence_percent: float = CONFIDENCE_PERCENT


@dataclass(frozen=True, kw_only=True)
class Report:
    """`metrics.json`."""

    schema_version: int = SCHEMA_VERSION
    tool: str = f"promise_cli {__version__}"
    command: str
    created: str
    dataset: str | None
    predictions: str
    labels: str
    output: str
    files: tuple[str, ...] = (METRICS_FILE, TABLE_FILE, MARKDOWN_FILE)
    """What belongs to this evaluation, in the folder `output`."""
    protocol: str
    tolerances_mm: tuple[float, ...]
    empty_policy: str
    empty_cases: int
    """Case-label pairs with both masks empty, to which the policy applied."""
    missing_policy: str
    missing_cases: int
    notes: tuple[str, ...]
    bootstrap: Bootstrap = Bootstrap()
    summary: Summary
    comparison: Comparison | None = None
    """Paired tests against another set of predictions; null where none was asked for."""
    cases: tuple[CaseScore, ...]
