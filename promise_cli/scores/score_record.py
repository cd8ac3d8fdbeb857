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
"""Number of cases that are named as the worst."""

Status = Literal["ok", "reference_empty", "prediction_empty", "both_empty", "prediction_missing"]


def typed_command() -> str:
    """Return what the user typed, quoted for a shell. Bytes that are not UTF-8 are written as escapes."""
    typed = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return typed.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, kw_only=True)
class CaseScore:
    """Scores of one label of one case."""

    case_id: str
    label: int | str
    """Value of the label, such as 2, or `1+2` for a region of several labels."""
    name: str
    status: Status
    dice: float
    """Dice, 0 to 1; NaN (null in the file) where it does not exist."""
    nsd: dict[str, float]
    """NSD, 0 to 1, by tolerance in mm, such as `5.0`; NaN where it does not exist."""
    further: dict[str, float] = field(default_factory=dict)
    """Values of the metrics that were asked for besides Dice and NSD, by key such as `hd95_mm`; NaN where one does not
    exist.
    """
    reference_voxels: int
    prediction_voxels: int
    common_voxels: int
    """Number of voxels that lie in both masks."""
    scan_voxels: int
    """Number of voxels of the whole scan."""
    reference_ml: float
    prediction_ml: float
    spacing: tuple[float, float, float]
    """mm along the axes of the label's file, as it was used for NSD."""


@dataclass(frozen=True, kw_only=True)
class LabelSummary:
    """Statistics of one label over all cases, or of all labels together."""

    label: int | str | None
    """Value of the label; None for all labels together, where a case counts once, with the mean over its labels."""
    name: str
    failures: int
    """Number of cases with a Dice below 0.1."""
    worst_cases: tuple[str, ...]
    """Case ids with the lowest Dice, the lowest first; five at most."""
    dice: Statistics
    nsd: dict[str, Statistics]
    """Statistics of NSD by tolerance in mm."""
    further: dict[str, Statistics]
    """Statistics of the metrics that were asked for besides Dice and NSD, by key."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Statistics of each label and of all labels together."""

    overall: LabelSummary
    labels: tuple[LabelSummary, ...]
    foreground_mean_dice: float
    """Mean over labels of each label's mean Dice, as nnU-Net reports it."""
    foreground_mean_nsd: dict[str, float]
    """Mean over labels of each label's mean NSD, by tolerance in mm."""


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Settings of the bootstrap that the intervals come from."""

    samples: int = BOOTSTRAP_SAMPLES
    seed: int = BOOTSTRAP_SEED
    confidence_percent: float = CONFIDENCE_PERCENT


@dataclass(frozen=True, kw_only=True)
class Report:
    """Content of `metrics.json`."""

    schema_version: int = SCHEMA_VERSION
    tool: str = f"promise_cli {__version__}"
    command: str
    created: str
    dataset: str | None
    predictions: str
    labels: str
    output: str
    files: tuple[str, ...] = (METRICS_FILE, TABLE_FILE, MARKDOWN_FILE)
    """Names of the files of this evaluation in the folder `output`."""
    protocol: str
    tolerances_mm: tuple[float, ...]
    empty_policy: str
    empty_cases: int
    """Number of scores (one for each case and label) with both masks empty, to which `empty_policy` applied."""
    missing_policy: str
    missing_cases: int
    """Number of cases without a prediction, to which `missing_policy` applied."""
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    """Signs that masks, scans and labels do not belong together."""
    bootstrap: Bootstrap = Bootstrap()
    summary: Summary
    comparison: Comparison | None = None
    """Paired tests against another set of predictions; None (null in the file) if they were not asked for."""
    cases: tuple[CaseScore, ...]
