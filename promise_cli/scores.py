"""Scores per case and in summary, and the files that hold them: metrics.json, metrics.csv."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promise_cli import __version__
from promise_cli.atomic import write_text
from promise_cli.errors import EvaluationError
from promise_cli.records import save_record
from promise_cli.summary import (
    BOOTSTRAP_SAMPLES,
    BOOTSTRAP_SEED,
    CONFIDENCE_PERCENT,
    Statistics,
    describe,
)

SCHEMA_VERSION = 1
FAILURE_DICE = 0.1
"""A Dice below this counts as a failure."""

Status = Literal["ok", "reference_empty", "prediction_empty", "both_empty", "prediction_missing"]


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
    """By tolerance in mm, such as `5.0`."""
    reference_voxels: int
    prediction_voxels: int
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
    dice: Statistics
    nsd: dict[str, Statistics]


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
    cases: tuple[CaseScore, ...]


def summarize(cases: Sequence[CaseScore]) -> Summary:
    """Statistics for each label and for all together; `cases` holds at least one."""
    names = {case.label: case.name for case in cases}
    labels = tuple(
        _summarize_label(label, name, [case for case in cases if case.label == label])
        for label, name in names.items()
    )
    tolerances = list(cases[0].nsd)
    by_case: dict[str, list[CaseScore]] = {}
    for case in cases:
        by_case.setdefault(case.case_id, []).append(case)
    dice = [_mean(score.dice for score in scores) for scores in by_case.values()]
    overall = LabelSummary(
        label=None,
        name="all labels",
        failures=sum(value < FAILURE_DICE for value in dice),
        dice=describe(dice),
        nsd={
            key: describe(
                [_mean(score.nsd[key] for score in scores) for scores in by_case.values()]
            )
            for key in tolerances
        },
    )
    return Summary(
        overall=overall,
        labels=labels,
        foreground_mean_dice=_mean(label.dice.mean for label in labels),
        foreground_mean_nsd={
            key: _mean(label.nsd[key].mean for label in labels) for key in tolerances
        },
    )


def write_report(report: Report, folder: Path) -> None:
    """Write metrics.json and metrics.csv, each whole or not at all.

    Raises:
        EvaluationError: The folder cannot be written to.
    """
    try:
        write_text(folder / "metrics.csv", _to_csv(report.cases))
        save_record(report, folder / "metrics.json")
    except OSError as error:
        raise EvaluationError(
            f"{folder}: cannot be written to ({error.strerror}); name another folder with -o"
        ) from None


def _summarize_label(label: int | str, name: str, cases: Sequence[CaseScore]) -> LabelSummary:
    return LabelSummary(
        label=label,
        name=name,
        failures=sum(case.dice < FAILURE_DICE for case in cases),
        dice=describe([case.dice for case in cases]),
        nsd={key: describe([case.nsd[key] for case in cases]) for key in cases[0].nsd},
    )


def _mean(values: Iterable[float]) -> float:
    """Mean of what is not NaN; NaN where nothing is left."""
    present = [value for value in values if not math.isnan(value)]
    return sum(present) / len(present) if present else math.nan


def _to_csv(cases: Sequence[CaseScore]) -> str:
    """One row for a case and label; a value that does not exist is an empty cell."""
    tolerances = list(cases[0].nsd)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["case_id", "label", "name", "status", "dice"]
        + [f"nsd_{key}mm" for key in tolerances]
        + ["reference_voxels", "prediction_voxels", "reference_ml", "prediction_ml"]
    )
    for case in cases:
        values = [case.dice, *case.nsd.values()]
        table.writerow(
            [case.case_id, case.label, case.name, case.status]
            + ["" if math.isnan(value) else repr(value) for value in values]
            + [case.reference_voxels, case.prediction_voxels, case.reference_ml, case.prediction_ml]
        )
    return text.getvalue()
