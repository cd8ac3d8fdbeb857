"""The options of a call of promise-predict."""

from dataclasses import dataclass
from pathlib import Path

from promise_cli.disk.workspace import Fold, Workspace
from promise_cli.errors import PromptError
from promise_cli.jobs import Shard
from promise_cli.prompts import SPACES, Space
from promise_cli.session.neighbours import MAX_WINDOWS


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """Options of a call of promise-predict.

    Raises:
        PromptError: Two options contradict each other, or `max_windows` is below 1.
    """

    images: Path | None = None
    """A scan or a folder of scans; None only with `test_cases`."""
    prompts: Path | None = None
    """A file or folder of clicks."""
    points: tuple[tuple[float, float, float], ...] = ()
    """Foreground clicks on a single scan, instead of a click file."""
    object: str | None = None
    """Name or value of the object of clicks that name none, for networks of several objects."""
    test_cases: bool = False
    """Whether scans and clicks are those of the test cases of a fold, instead of `images` and a click file."""
    seed: int = 0
    """Seed of the clicks of `test_cases`."""
    space: Space | None = None
    """Coordinate system of `points`, and of click files that do not name one."""
    output: Path | None = None
    """Folder of the masks. None stands for `predictions/<name of images>`."""
    run_dir: Path | None = None
    """A checkpoint, a run's folder or a dataset's results. None stands for the only run."""
    folds: tuple[Fold, ...] = ()
    """Folds whose networks are averaged."""
    name: str | None = None
    """Name of the runs; None for runs without a name."""
    dataset: str | None = None
    """Dataset whose runs are meant; None for all."""
    device: str = "auto"
    precision: str = "auto"
    max_windows: int = MAX_WINDOWS
    """Largest number of windows for one lesion; 1 is the paper's single window."""
    tta: bool = False
    """Whether to average over mirrorings."""
    auto: bool = False
    """Whether to segment scans without a click as a whole."""
    save_prob: bool = False
    """Whether to write the foreground probability next to the mask, too."""
    same_format: bool = False
    """Whether to write masks in the scan's own format instead of .nii.gz."""
    report: bool = False
    """Whether to write report.html."""
    picture_channel: int = 1
    """Channel that the pictures of report.html show, counted from 1."""
    write_points: Path | None = None
    """File or folder to which the clicks are written as they were understood."""
    overwrite: bool = False
    """Whether to predict finished cases again, and to replace masks that were edited or that other networks made."""
    shard: Shard | None = None
    """Part of the cases to predict. None stands for all cases."""
    root: Path | None = None
    """Folder of the workspace."""

    @property
    def has_clicks(self) -> bool:
        """Whether clicks were given. Without clicks, only `auto` and networks that take none can be used."""
        return self.prompts is not None or bool(self.points) or self.test_cases

    @property
    def names_network(self) -> bool:
        """Whether the call says which networks to use."""
        return bool(self.run_dir or self.folds or self.name or self.dataset)

    def __post_init__(self) -> None:
        if sum((self.prompts is not None, bool(self.points))) > 1:
            raise PromptError("-p and --point both give clicks; leave out one of them")
        if self.images is None and not self.test_cases:
            raise PromptError("no scans; give them with -i, or a fold with --test-cases")
        if self.test_cases and (self.prompts is not None or self.points):
            raise PromptError("--test-cases draws its own clicks; leave out -p and --point")
        if self.object is not None and (self.test_cases or not self.has_clicks):
            raise PromptError(
                "--object says on which object the clicks of --point or -p lie; leave it out"
            )
        if self.max_windows < 1:
            raise PromptError(f"--max-windows {self.max_windows}: use 1 or more")


def parse_space(text: str) -> Space:
    """Parse the name of a coordinate system, in upper or lower case.

    Raises:
        PromptError: The name is unknown.
    """
    for space in SPACES:
        if space.lower() == text.strip().lower():
            return space
    raise PromptError(f"--space {text}: unknown; use one of {', '.join(SPACES)}")


def find_networks(request: PredictRequest, workspace: Workspace) -> tuple[Path, ...]:
    """Find the checkpoints whose networks a call uses.

    Raises:
        WorkspaceError: No run fits, or several do.
    """
    return workspace.find_runs(request.run_dir, request.folds, request.name, request.dataset)
