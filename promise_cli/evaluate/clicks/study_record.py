"""The records of `clicks.json`."""

from dataclasses import dataclass
from typing import Literal

from promise_cli import __version__
from promise_cli.predictions.record import describe_windows
from promise_cli.scores.statistics import Statistics

SCHEMA_VERSION = 1
Strategy = Literal["random", "centre", "boundary", "margin", "largest-error"]
Region = Literal["target", "centre", "boundary", "margin", "missed", "added"]


@dataclass(frozen=True, kw_only=True)
class SimulatedClick:
    """One click as it was set."""

    voxel: tuple[int, int, int]
    """Index (i, j, k) in the scan's file."""
    foreground: bool
    region: Region
    """What it was drawn from: another than the strategy's own where that was empty."""


@dataclass(frozen=True, kw_only=True)
class TrialScore:
    """What so many clicks of a trial led to."""

    clicks: int
    dice: float
    nsd: dict[str, float]
    """NSD by tolerance in mm."""
    prediction_voxels: int
    outside_window: int
    """Clicks that lie in none of the network's windows and were not used."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One sequence of clicks on one case."""

    case_id: str
    strategy: Strategy
    trial: int
    """Counted from 0; with seed, case and strategy it decides the draws."""
    clicks: tuple[SimulatedClick, ...]
    """Fewer than asked for where nothing was left to correct."""
    scores: tuple[TrialScore, ...]
    """One for each number of clicks."""
    dice_by_click: tuple[float, ...] = ()
    """After each click up to the largest number, where every one was predicted anyway (`largest-error`)."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """All cases after so many clicks; a case counts once, with the mean over its trials."""

    clicks: int
    dice: Statistics
    nsd: dict[str, Statistics]
    dice_sd_within: float
    """Mean over the cases of the standard deviation over a case's trials; NaN for one trial."""
    nsd_sd_within: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class ClicksNeeded:
    """How many clicks reach a Dice (NoC)."""

    dice: float
    among: tuple[int, ...]
    """Numbers of clicks that were tried: all up to the largest for `largest-error`, otherwise those asked for."""
    mean: float
    """Over all trials, the smallest of them that reaches it, and the largest where none does; NaN for a single one."""
    failures: int
    """Trials in which no number of clicks reached it."""
    trials: int


@dataclass(frozen=True, kw_only=True)
class ClickCurve:
    """One strategy."""

    strategy: Strategy
    points: tuple[CurvePoint, ...]
    auc_dice: Statistics
    """Area under Dice against clicks over the range of clicks, of cases; no value for one number of clicks."""
    auc_nsd: dict[str, Statistics]
    clicks_needed: tuple[ClicksNeeded, ...]


@dataclass(frozen=True, kw_only=True)
class ClickStudy:
    """`clicks.json`."""

    schema_version: int = SCHEMA_VERSION
    tool: str = f"promise_cli {__version__}"
    command: str
    created: str
    dataset: str
    fold: int
    checkpoints: tuple[str, ...]
    device: str
    target_label: int
    target_labels: tuple[int, ...] = ()
    """Where several labels are one target: all of them."""
    target_name: str
    protocol: str
    tolerances_mm: tuple[float, ...]
    seed: int
    num_clicks: tuple[int, ...]
    num_trials: int
    max_windows: int = 1
    """Most windows in which a lesion was followed."""
    strategies: tuple[Strategy, ...]
    without_target: tuple[str, ...]
    """Test cases that have nothing to click on and were left out."""
    curves: tuple[ClickCurve, ...]
    trials: tuple[Trial, ...]

    @property
    def windows(self) -> str:
        """How far a lesion was followed, in words."""
        return describe_windows(self.max_windows)
