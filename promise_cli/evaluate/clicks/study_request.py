"""Options of a study of clicks, which are checked before anything is loaded."""

from dataclasses import dataclass
from pathlib import Path

from promise_cli.disk.workspace import Fold
from promise_cli.errors import EvaluationError
from promise_cli.evaluate.clicks.study_record import Strategy
from promise_cli.scores.tolerances import Protocol

MOST_CLICKS = 100
"""Largest number of clicks that can be asked for."""


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """The options of `promise-evaluate --clicks`.

    Raises:
        EvaluationError: A number of clicks, trials or windows is out of its range.
    """

    clicks: tuple[int, ...]
    """Numbers of clicks after which the mask is scored."""
    trials: int = 1
    strategies: tuple[Strategy, ...] = ("random",)
    seed: int = 0
    max_windows: int = 1
    """Largest number of windows for one lesion, as in `promise-predict`; 1 is the paper's single window."""
    tolerances_mm: tuple[float, ...] = ()
    """Tolerances of NSD in mm. If there are none, the protocol's tolerance is used."""
    protocol: Protocol = "promise"
    fold: Fold | None = None
    run: Path | None = None
    name: str | None = None
    """Name of the run; None for runs without a name."""
    dataset: str | None = None
    """Dataset whose runs are meant; None for all."""
    device: str = "auto"
    output: Path | None = None
    """Folder of the results; None means the folder `clicks` next to the checkpoint."""
    overwrite: bool = False
    """Whether to replace an earlier study in the folder of the results."""
    root: Path | None = None

    def __post_init__(self) -> None:
        for number in self.clicks:
            if not 1 <= number <= MOST_CLICKS:
                raise EvaluationError(f"--clicks {number}: use numbers from 1 to {MOST_CLICKS}")
        object.__setattr__(self, "strategies", tuple(dict.fromkeys(self.strategies)))
        if self.trials < 1:
            raise EvaluationError(f"--trials {self.trials}: use 1 or more")
        if self.max_windows < 1:
            raise EvaluationError(f"--max-windows {self.max_windows}: use 1 or more")

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of clicks in ascending order, without repetition."""
        return tuple(sorted(set(self.clicks)))
