"""Find the scans and clicks of a call, and the cases that cannot be predicted. Only the scans' headers are read."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.errors import PromiseError, PromptError
from promise_cli.geometry.grid import Grid
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.record import RECORD, Failure
from promise_cli.prompts import (
    MOST_HINTS,
    Click,
    Gathered,
    gather_prompts,
    lesions,
    locate_clicks,
    unknown_case,
    write_markups,
    write_points,
)
from promise_cli.volume import (
    FORMATS,
    SUFFIXES,
    case_id,
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
    clicks: dict[str, tuple[Click, ...]]
    """Clicks of each case to predict; empty for a case that is segmented as a whole."""
    attempted: set[str]
    """All cases of this call, including those that cannot be predicted."""
    without_click: tuple[str, ...]
    """Scans that have no click and are not segmented as a whole."""
    failures: list[Failure] = field(default_factory=list)
    grids: dict[str, Grid] = field(default_factory=dict)
    """Grids of the scans' files that could be read."""


def gather_inputs(request: PredictRequest) -> Inputs:
    """Find the scans and clicks of a call, and note the cases that cannot be predicted.

    Raises:
        PromptError: There is no scan, or no clicks can be read.
    """
    scans, single = _find_scans(request.images)
    if request.prompts is None:
        scans = _without_channels(scans, ())
    where, gathered = _gather_clicks(request, scans)
    if single and any(case in scans for case in (*gathered.clicks, *gathered.broken)):
        # A click file for many scans may be used with one of them. Its other cases are then ignored.
        for found in (gathered.clicks, gathered.broken):
            for case in [case for case in found if case not in scans]:
                del found[case]
    clicks = dict(gathered.clicks)
    named = {*clicks, *gathered.broken}
    scans = _without_channels(scans, named)
    unclicked = tuple(case for case in scans if case not in named)
    if request.auto:
        clicks |= dict.fromkeys(unclicked, ())
        unclicked = ()
    cases = [*clicks, *gathered.broken]
    if request.shard:
        cases = request.shard.share(cases)
    inputs = Inputs(
        _name(request.images),
        where,
        scans,
        {case: clicks[case] for case in cases if case in clicks},
        set(cases),
        unclicked,
    )
    _check(inputs, request, gathered, cases)
    _say_counts({case: note for case, note in gathered.notes.items() if case in inputs.clicks})
    return inputs


def _say_counts(notes: Mapping[str, str]) -> None:
    """Say for the first cases of which points only some are clicks, or some are hidden, what was counted."""
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


def check_output(folder: Path, images: Path, scans: dict[str, Path], same_format: bool) -> None:
    """Check that the masks can be written to a folder without replacing scans or masks of another origin.

    Raises:
        PromptError: They would replace one, or the folder is a file or cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise PromptError(
            f"{folder}: masks need a folder, found a file; give another folder with -o"
        )
    _check_writable(folder)
    if images.is_dir() and folder.resolve() == images.resolve():
        shown = next(iter(scans.values()))
        raise PromptError(
            f"{shown}: a mask would replace this scan, or lie among the scans; give another folder with -o"
        )
    theirs = {path.resolve() for path in scans.values()}
    theirs |= {path.absolute() for path in scans.values()}
    for case, path in scans.items():
        mask = folder / mask_name(case, path, same_format)
        if mask.absolute() in theirs or mask.resolve() in theirs:
            raise PromptError(
                f"{mask}: a mask would replace this scan; give another folder with -o"
            )
        if mask.exists() and not (folder / RECORD).exists():
            raise PromptError(
                f"{mask}: exists already, and was not made by promise-predict; give another folder with -o"
            )


def _check_writable(folder: Path) -> None:
    """Check that a folder can be written to, before time is spent on predictions."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PromptError(
            f"{folder}: masks cannot be written there, because {there} is not a writable folder; give another folder"
            " with -o"
        )


def write_clicks(request: PredictRequest, inputs: Inputs) -> None:
    """Write the clicks of all cases that can be predicted to the path of `--write-points`.

    A name that ends in `.mrk.json` means a file for 3D Slicer, any other `.json` means our own JSON, and any other
    name means a folder with a `.mrk.json` for each case.

    Raises:
        PromptError: There is no click, a file exists already, or one `.mrk.json` is asked for several cases.
    """
    path = request.write_points
    assert path is not None
    failed = {failure.case_id for failure in inputs.failures}
    clicks = {case: its for case, its in inputs.clicks.items() if its and case not in failed}
    if not clicks:
        raise PromptError(f"{path}: there is no click to write")
    note = f"converted from {Path(inputs.where).name} by promise-predict"
    files: dict[Path, str | None] = {path: None}
    if path.name.lower().endswith(".mrk.json"):
        if len(clicks) != 1:
            raise PromptError(
                f"{path}: a .mrk.json holds one case, found {len(clicks)} cases; give a folder or a .json"
            )
        files = {path: next(iter(clicks))}
    elif path.suffix.lower() != ".json":
        files = {path / f"{case}.mrk.json": case for case in clicks}
    for file in files:
        same = request.prompts is not None and file.resolve() == request.prompts.resolve()
        if same or (file.exists() and not request.overwrite):
            raise PromptError(f"{file}: exists already; give another name, or --overwrite")
    for file, case in files.items():
        if case is None:
            write_points(file, clicks, inputs.grids, note)
        else:
            write_markups(file, clicks[case], inputs.grids[case])
    say(f"clicks of {counted(len(clicks), 'case')} written to {path}")
    valued = [case for case in files.values() if case and not _are_numbered(clicks[case])]
    if valued:
        warn(
            f"{path}: 3D Slicer's files cannot store mask values, so the lesions of {counted(len(valued), 'case')},"
            f" such as {valued[0]}, get the values 1, 2, ... when they are read; write a .json to keep their own values"
        )


def _are_numbered(clicks: tuple[Click, ...]) -> bool:
    return all(lesion.value == number for number, lesion in enumerate(lesions(clicks), 1))


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
            reason = unknown_case(Path(inputs.where), case, known, request.images)
            inputs.failures.append(Failure(case_id=case, reason=reason))
            continue
        try:
            inputs.grids[case] = grid = read_grid(path)
            if inputs.clicks[case]:
                locate_clicks(inputs.clicks[case], grid, grid, f"{inputs.where}: case {case}")
        except PromiseError as error:
            inputs.failures.append(Failure(case_id=case, reason=str(error)))


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


def _without_channels(scans: dict[str, Path], named: Collection[str]) -> dict[str, Path]:
    """Leave out further channels of other scans, unless clicks name them, since networks see only the first channel."""
    channels = {name: found for name, found in further_channels(scans).items() if name not in named}
    if channels:
        name, (case, channel) = next(iter(channels.items()))
        warn(
            f"{scans[name]}: channel {channel} of case {case}; a network sees only the first channel, so"
            f" {counted(len(channels), 'such file', 'are')} left out;"
            " rename a file that is a scan of its own"
        )
    return {name: path for name, path in scans.items() if name not in channels}


def _name(images: Path) -> str:
    """Derive the name of the predictions from a folder or scan. A link to a folder gives its own name."""
    return images.absolute().name if images.is_dir() else case_id(images)
