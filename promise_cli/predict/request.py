"""What a call of promise-predict asks for."""

import re
from dataclasses import dataclass
from pathlib import Path

from promise_cli.errors import PromptError
from promise_cli.prompts import SPACES, Space

MAX_WINDOWS = 20
"""For one lesion. A ball of 200 mm takes 9 to 14 windows of 128 mm, by where it is clicked."""


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
    """For one lesion; 1 is the paper's single window."""
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
    shard: tuple[int, int] | None = None
    """Which part of how many, counted from 1."""
    root: Path | None = None
    """The workspace."""

    def __post_init__(self) -> None:
        if sum((self.prompts is not None, bool(self.points))) > 1:
            raise PromptError("-p and --point both give clicks; leave out one")
        if self.prompts is None and not self.points and not self.auto:
            raise PromptError("no clicks: give a file with -p, a voxel with --point, or --auto")
        if self.max_windows < 1:
            raise PromptError(f"--max-windows {self.max_windows}: use 1 or more")


def parse_shard(text: str) -> tuple[int, int]:
    """`3/16` as (3, 16).

    Raises:
        PromptError: Something else, or a part that does not exist.
    """
    match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts:
        raise PromptError(f"--shard {text}: use I/N, such as 1/4 to 4/4, counted from 1")
    return part, parts


def parse_space(text: str) -> Space:
    """A coordinate system, in any case.

    Raises:
        PromptError: It is unknown.
    """
    for space in SPACES:
        if space.lower() == text.strip().lower():
            return space
    raise PromptError(f"--space {text}: unknown; use one of {', '.join(SPACES)}")
