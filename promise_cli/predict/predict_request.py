"""What a call of promise-predict asks for."""

from dataclasses import dataclass
from pathlib import Path

from promise_cli.errors import PromptError
from promise_cli.jobs import Shard
from promise_cli.prompts import SPACES, Space
from promise_cli.session.neighbours import MAX_WINDOWS


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """One call."""

    images: Path
    """A scan or a folder of scans."""
    prompts: Path | None = None
    """A file or folder of clicks."""
    points: tuple[tuple[float, float, float], ...] = ()
    """Foreground clicks on the only scan, instead of a file."""
    space: Space | None = None
    """Coordinate system of points whose file does not say it."""
    output: Path | None = None
    """Where masks go; `predictions/<name of images>` where left out."""
    run_dir: Path | None = None
    """A checkpoint, a run's folder or a dataset's results; the only run where left out."""
    folds: tuple[int, ...] = ()
    """Whose networks are averaged."""
    device: str = "auto"
    precision: str = "auto"
    max_windows: int = MAX_WINDOWS
    """Most windows for one lesion; 1 is the paper's single window."""
    tta: bool = False
    """Average over mirrorings."""
    auto: bool = False
    """Look at the whole of scans without a click."""
    save_prob: bool = False
    """Write the foreground's probability too."""
    same_format: bool = False
    """Write masks in the scan's own format instead of .nii.gz."""
    report: bool = False
    """Write report.html."""
    write_points: Path | None = None
    """Where to write the clicks as they were understood."""
    overwrite: bool = False
    """Do finished cases again."""
    shard: Shard | None = None
    """The part of the cases to do; None for all."""
    root: Path | None = None
    """The workspace."""

    @property
    def has_clicks(self) -> bool:
        """Whether any were given; without, networks that take none and `auto` look at whole scans."""
        return self.prompts is not None or bool(self.points)

    def __post_init__(self) -> None:
        if sum((self.prompts is not None, bool(self.points))) > 1:
            raise PromptError("-p and --point both give clicks; leave out one")
        if self.max_windows < 1:
            raise PromptError(f"--max-windows {self.max_windows}: use 1 or more")


def parse_space(text: str) -> Space:
    """A coordinate system, in any case.

    Raises:
        PromptError: It is unknown.
    """
    for space in SPACES:
        if space.lower() == text.strip().lower():
            return space
    raise PromptError(f"--space {text}: unknown; use one of {', '.join(SPACES)}")
