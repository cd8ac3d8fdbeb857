"""Finds the scans and clicks of a call, and the cases that cannot be predicted. Only the scans' headers are read."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.errors import PromiseError, PromptError
from promise_cli.geometry.grid import Grid
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predict.test_cases import FoldInputs
from promise_cli.predictions.record import Failure
from promise_cli.prompts import (
    MOST_HINTS,
    Click,
    Gathered,
    gather_prompts,
    locate_clicks,
    unknown_case,
)
from promise_cli.volume import (
    FORMATS,
    SUFFIXES,
    case_id,
    channel_files,
    channel_number,
    find_volumes,
    further_channels,
    nested_slices,
    read_grid,
)


@dataclass
class Inputs:
    """Scans and clicks of a call, by case id."""

    name: str
    """Name of the folder under `predictions/` where the masks go by default."""
    where: str
    """Name of the clicks in messages: the click file or folder, `--point` or `--auto`."""
    scans: dict[str, Path]
    """File or DICOM folder of each scan. It holds the first channel, or all channels."""
    clicks: dict[str, tuple[Click, ...]]
    """Clicks of each case to predict; empty for a case that is segmented as a whole."""
    attempted: set[str]
    """All cases of this call, including those that cannot be predicted."""
    asked: str
    """Hash of the scans' folder and of all clicks. It is the same in all shards of one prediction."""
    without_click: tuple[str, ...]
    """Scans that have no click and are not segmented as a whole."""
    failures: list[Failure] = field(default_factory=list)
    grids: dict[str, Grid] = field(default_factory=dict)
    """Grids of the scans' files that could be read."""
    further: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """Files of the channels after the first, by case id, where there are some."""

    def files(self, case: str) -> tuple[Path, ...]:
        """Return the files of a scan, in the order of its channels, up to the first that is missing."""
        further = self.further.get(case, ())
        there = (path for n, path in enumerate(further, 1) if channel_number(path) in (n, 0))
        return (self.scans[case], *there)


def gather_inputs(request: PredictRequest, tests: FoldInputs | None = None) -> Inputs:
    """Find the scans and clicks of a call, and note the cases that cannot be predicted.

    Args:
        request: The call.
        tests: Scans and clicks of the test cases of a fold, if the call asks for them.

    Raises:
        PromptError: There is no scan, or no clicks can be read.
    """
    images = request.images
    assert images is not None
    further: dict[str, tuple[Path, ...]] = {}
    if tests is not None:
        scans, single, where, gathered = tests.scans, False, tests.clicks.where, tests.clicks
        further = tests.further
    else:
        scans, single = _find_scans(images)
        if request.prompts is None:
            further = _take_channels(scans, ())
        where, gathered = _gather_clicks(request, scans)
    if single and any(case in scans for case in (*gathered.clicks, *gathered.broken)):
        # A click file for many scans may be used with one of them. Its other cases are then ignored.
        for found in (gathered.clicks, gathered.broken):
            for case in [case for case in found if case not in scans]:
                del found[case]
    clicks = dict(gathered.clicks)
    named = {*clicks, *gathered.broken}
    if tests is None:
        further |= _take_channels(scans, named)
    if single:
        further = {case: channel_files(path)[1:] for case, path in scans.items()}
    unclicked = tuple(case for case in scans if case not in named)
    if request.auto:
        clicks |= dict.fromkeys(unclicked, ())
        unclicked = ()
    cases = [*clicks, *gathered.broken]
    asked = repr((str(images.resolve()), sorted(clicks.items()), sorted(gathered.broken)))
    if request.shard:
        cases = request.shard.share(cases)
    inputs = Inputs(
        name_of(images) if tests is None else tests.name,
        where,
        scans,
        {case: clicks[case] for case in cases if case in clicks},
        set(cases),
        hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest(),
        unclicked,
        further={case: files for case, files in further.items() if files},
    )
    _check(inputs, request, gathered, cases)
    _say_counts({case: note for case, note in gathered.notes.items() if case in inputs.clicks})
    return inputs


def _say_counts(notes: Mapping[str, str]) -> None:
    """Say which points count, for the first cases with hidden points or with points that do not count."""
    for case, note in list(notes.items())[:MOST_HINTS]:
        say(f"{case}: {note}")
    if len(notes) > MOST_HINTS:
        say(
            f"and {len(notes) - MOST_HINTS} more cases with hidden points or points that do not count"
        )


def mask_name(case: str, scan: Path, same_format: bool) -> str:
    """Make the name of a case's mask file.

    It ends in `.nii.gz`. With `same_format` it ends like the scan's file instead, if a single file of that format can
    hold a mask.
    """
    suffix = next((end for end in SUFFIXES if scan.name.lower().endswith(end)), ".nii.gz")
    suffix = {".mhd": ".mha", ".seg.nrrd": ".nrrd"}.get(suffix, suffix)
    return f"{case}{suffix}" if same_format and scan.is_file() else f"{case}.nii.gz"


def _gather_clicks(request: PredictRequest, scans: dict[str, Path]) -> tuple[str, Gathered]:
    if request.prompts is not None:
        return str(request.prompts), gather_prompts(
            request.prompts, space=request.space, scans=scans
        )
    gathered = Gathered("--point" if request.points else "--auto")
    if request.points:
        if len(scans) != 1:
            raise PromptError(
                f"--point: needs a single scan, but {request.images} holds {len(scans)}; give one scan with -i, or a"
                " click file with -p"
            )
        space = request.space or "voxel"
        gathered.add(
            next(iter(scans)), tuple(Click(point, space=space) for point in request.points)
        )
    return gathered.where, gathered


def _check(
    inputs: Inputs, request: PredictRequest, gathered: Gathered, cases: Collection[str]
) -> None:
    for case in cases:
        if case in gathered.broken:
            inputs.failures.append(Failure(case_id=case, reason=gathered.broken[case]))
            continue
        path = inputs.scans.get(case)
        if path is None:
            # The search for similar names is slow. If many names are wrong, suggestions for the first few suffice.
            known = inputs.scans if len(inputs.failures) < MOST_HINTS else ()
            reason = unknown_case(Path(inputs.where), case, known, request.images or Path())
            inputs.failures.append(Failure(case_id=case, reason=reason))
            continue
        try:
            inputs.grids[case] = grid = read_grid(path, several=True)
            if inputs.clicks[case]:
                locate_clicks(inputs.clicks[case], grid, grid, f"{inputs.where}: case {case}")
        except PromiseError as error:
            inputs.failures.append(Failure(case_id=case, reason=str(error)))


def find_scans(images: Path, channels: int) -> dict[str, tuple[Path, ...]]:
    """Find the scans of a file or folder, each with the files of its channels.

    Args:
        images: A scan or a folder of scans.
        channels: Number of channels that the network sees. With one, the files of further channels are left out.

    Returns:
        Files by case id, in the order of the channels. A single file may hold all channels.

    Raises:
        PromptError: There is no scan.
    """
    scans, single = _find_scans(images)
    further = _take_channels(scans, ())
    if single:
        further = {case: channel_files(path)[1:] for case, path in scans.items()}
    further = {case: files for case, files in further.items() if files}
    found = Inputs("", "", scans, {}, set(), "", (), further=further)
    if channels == 1 and further:
        leave_out_channels(found, quiet=images.is_file())
    return {case: found.files(case) for case in scans}


def _find_scans(images: Path) -> tuple[dict[str, Path], bool]:
    """Find the scans by case id, and whether the path is that of a single scan."""
    if not images.exists():
        raise PromptError(f"{images}: no such scan or folder")
    if not images.is_dir():
        return {case_id(images): images}, True
    scans = find_volumes(images)
    if not scans:
        nested = nested_slices(images)
        instead = "" if nested is None else f"; DICOM slices lie in {nested}, so give that folder"
        raise PromptError(
            f"{images}: no scan in this folder{instead or f'; scans end in {FORMATS}'}"
        )
    return scans, list(scans.values()) == [images]


def _take_channels(scans: dict[str, Path], named: Collection[str]) -> dict[str, tuple[Path, ...]]:
    """Remove files from the scans that are further channels of other scans, and return them by case.

    A file that clicks name stays a scan of its own.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for name, (case, _) in further_channels(scans).items():
        if name not in named:
            found[case] = (*found.get(case, ()), scans.pop(name))
    return found


def leave_out_channels(inputs: Inputs, *, quiet: bool) -> None:
    """Leave out the channels after the first, which a network for one channel does not see.

    Args:
        inputs: The scans, which are changed.
        quiet: Whether not to warn of it, because the user named a single file.
    """
    left_out = [path for files in inputs.further.values() for path in files]
    case, files = next(iter(inputs.further.items()))
    if not quiet:
        warn(
            f"{files[0]}: channel {channel_number(files[0]) + 1} of case {case}; this network sees only the first"
            f" channel, so {counted(len(left_out), 'such file', 'are')} left out; rename a file that is a scan of its"
            " own"
        )
    inputs.further.clear()


def name_of(images: Path) -> str:
    """Derive the name of the predictions from a folder or scan. A link to a folder gives its own name."""
    return images.absolute().name if images.is_dir() else case_id(images)
