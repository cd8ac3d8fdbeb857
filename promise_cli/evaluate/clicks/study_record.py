"""The records of `clicks.json`."""

from dataclasses import dataclass
from typing import Literal

from promise_cli import __version__
from promise_cli.dataset.objects import TargetObject
from promise_cli.disk.workspace import Fold
from promise_cli.predictions.record import describe_windows
from promise_cli.scores.statistics import Statistics

SCHEMA_VERSION = 1
Strategy = Literal["random", "centre", "boundary", "margin", "largest-error"]
Region = Literal["target", "centre", "boundary", "margin", "missed", "added"]


@dataclass(frozen=True, kw_only=True)
class SimulatedClick:
    """One simulated click."""

    voxel: tuple[int, int, int]
    """Index (i, j, k) in the scan's file."""
    foreground: bool
    region: Region
    """Region that the click was drawn from. It is not the strategy's own if that region was empty."""


@dataclass(frozen=True, kw_only=True)
class TrialScore:
    """Scores of a trial after a certain number of clicks."""

    clicks: int
    """Number of clicks."""
    dice: float
    nsd: dict[str, float]
    """NSD by tolerance in mm."""
    prediction_voxels: int
    outside_window: int
    """Number of clicks that lie in none of the network's windows and were not used."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One sequence of clicks on one case, with its scores."""

    case_id: str
    object: str = ""
    """Name of the object that is clicked; empty if the network segments one target."""
    strategy: Strategy
    trial: int
    """Number of the trial, counted from 0. Together with seed, case, object and strategy it decides the draws."""
    clicks: tuple[SimulatedClick, ...]
    """Clicks in the order in which they were set. There are fewer than asked for if nothing was left to correct."""
    scores: tuple[TrialScore, ...]
    """Scores after each number of clicks that was asked for."""
    dice_by_click: tuple[float, ...] = ()
    """Dice after each click up to the largest number. Only `largest-error` has it: it predicts after every click."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Statistics over all cases after a certain number of clicks.

    A case counts once, with the mean over its trials.
    """

    clicks: int
    """Number of clicks."""
    dice: Statistics
    nsd: dict[str, Statistics]
    """Statistics of NSD by tolerance in mm."""
    dice_sd_within: float
    """Mean over the cases of the standard deviation of Dice over a case's trials; NaN for one trial."""
    nsd_sd_within: dict[str, float]
    """The same for NSD, by tolerance in mm."""


@dataclass(frozen=True, kw_only=True)
class ClicksNeeded:
    """Number of clicks needed to reach a Dice (NoC)."""

    dice: float
    """Dice to reach."""
    among: tuple[int, ...]
    """Numbers of clicks that were tried: all up to the largest for `largest-error`, otherwise those asked for."""
    mean: float
    """Mean over all trials of the smallest number in `among` that reaches the Dice.

    A trial that never reaches it counts with the largest number. The mean is NaN if `among` holds a single number.
    """
    failures: int
    """Number of trials in which no number of clicks reached the Dice."""
    trials: int
    """Number of all trials."""


@dataclass(frozen=True, kw_only=True)
class ClickCurve:
    """Scores of one strategy, on one object, against the number of clicks."""

    object: str = ""
    """Name of the object; empty if the network segments one target."""
    strategy: Strategy
    points: tuple[CurvePoint, ...]
    auc_dice: Statistics
    """Statistics over cases of the area under Dice against clicks, divided by the range of clicks.

    The area has no value if there is only one number of clicks.
    """
    auc_nsd: dict[str, Statistics]
    """The same for NSD, by tolerance in mm."""
    clicks_needed: tuple[ClicksNeeded, ...]

    @property
    def name(self) -> str:
        """Object and strategy, for titles."""
        return f"{self.object}, {self.strategy}" if self.object else self.strategy


@dataclass(frozen=True, kw_only=True)
class ClickStudy:
    """Content of `clicks.json`."""

    schema_version: int = SCHEMA_VERSION
    tool: str = f"promise_cli {__version__}"
    command: str
    created: str
    dataset: str
    fold: Fold
    checkpoints: tuple[str, ...]
    device: str
    target_label: int
    target_labels: tuple[int, ...] = ()
    """All labels of the target, if it is made of several."""
    target_name: str
    objects: tuple[TargetObject, ...] = ()
    """Objects that the network segments; empty for one target."""
    protocol: str
    tolerances_mm: tuple[float, ...]
    seed: int
    num_clicks: tuple[int, ...]
    num_trials: int
    max_windows: int = 1
    """Largest number of windows for one lesion."""
    strategies: tuple[Strategy, ...]
    without_target: tuple[str, ...]
    """Ids of test cases that were left out, since they have nothing to click on."""
    curves: tuple[ClickCurve, ...]
    trials: tuple[Trial, ...]

    @property
    def never_held(self) -> tuple[str, ...]:
        """Names of objects that no test case holds. They have no curve."""
        found = {curve.object for curve in self.curves}
        return tuple(one.name for one in self.objects if one.name not in found)

    @property
    def windows(self) -> str:
        """Description of how far a lesion was followed."""
        return describe_windows(self.max_windows)
