"""Checks where the results of promise-predict go. What may not be replaced there is refused before any prediction."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from promise_cli.console import counted, say, warn
from promise_cli.disk.atomic import remove_leftovers
from promise_cli.disk.ours import Marks, foreign_error, is_foreign, json_mark, refuse_foreign
from promise_cli.errors import PromptError
from promise_cli.predict.inputs import Inputs, mask_name
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.record import FAILURES, PROBABILITIES, RECORD
from promise_cli.prompts import (
    MARKUPS_MARK,
    ONE_LESION,
    POINTS_MARK,
    Click,
    lesions,
    write_markups,
    write_points,
)

MARKS: Marks = {RECORD: json_mark("promise_cli"), FAILURES: json_mark("failures")}
"""Marks of the records of promise-predict."""
_NAME = re.compile(r'(?:"mask"\s*:|[\[,])\s*("(?:[^"\\]|\\.)*")(?!\s*:)')
"""Pattern of a mask's name, or of a name in a list, in the text of predictions.json. Names of scans do not fit."""
_ELSEWHERE = "give another folder with -o"


def check_output(folder: Path, images: Path, scans: dict[str, Path], same_format: bool) -> None:
    """Check that the masks can be written to a folder without replacing scans or masks that this tool did not write.

    Raises:
        PromptError: They would replace one, or the folder is a file or cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise PromptError(f"{folder}: masks need a folder, found a file; {_ELSEWHERE}")
    _check_writable(folder)
    if images.is_dir() and folder.resolve() == images.resolve():
        shown = next(iter(scans.values()))
        raise PromptError(
            f"{shown}: a mask would replace this scan, or lie among the scans; {_ELSEWHERE}"
        )
    theirs = {path.resolve() for path in scans.values()}
    theirs |= {path.absolute() for path in scans.values()}
    for case, path in scans.items():
        mask = folder / mask_name(case, path, same_format)
        if mask.absolute() in theirs or mask.resolve() in theirs:
            raise PromptError(f"{mask}: a mask would replace this scan; {_ELSEWHERE}")
        if mask.exists() and not (folder / RECORD).exists():
            raise foreign_error(mask, "promise-predict", _ELSEWHERE)


def _check_writable(folder: Path) -> None:
    """Check that a folder can be written to, before time is spent on predictions."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PromptError(
            f"{folder}: masks cannot be written there, because {there} is not a writable folder; {_ELSEWHERE}"
        )


def outputs(request: PredictRequest, inputs: Inputs, cases: Iterable[str]) -> Iterator[str]:
    """Yield the name, relative to the folder, of each mask and each file of probabilities of a call."""
    for case in cases:
        yield mask_name(case, inputs.scans[case], request.same_format)
        if request.save_prob:
            for lesion in lesions(inputs.clicks[case]) or (ONE_LESION,):
                yield probabilities_name(case, lesion.number)


def probabilities_name(case: str, lesion: int) -> str:
    """Return the name of a lesion's file of probabilities, relative to the folder of the masks."""
    place = PROBABILITIES if lesion == 1 else f"{PROBABILITIES}/lesion_{lesion}"
    return f"{place}/{case}.nii.gz"


def refuse_foreign_outputs(folder: Path, request: PredictRequest, inputs: Inputs) -> None:
    """Refuse a call that would replace a file that promise-predict did not write, even with `--overwrite`.

    A mask or file of probabilities is known by its name in predictions.json. Names are looked for in the text of that
    file, so that they are found in a damaged one, and in one of another version.

    Raises:
        WorkspaceError: The call would replace such a file.
    """
    refuse_foreign(folder, MARKS, MARKS, "promise-predict", _ELSEWHERE)
    known = named_files(folder)
    there = [case for case in inputs.clicks if case in inputs.scans]
    for name in outputs(request, inputs, there):
        place = folder / name
        is_empty = place.is_file() and not place.stat().st_size
        if place.exists() and not is_empty and not (place.is_file() and name in known):
            raise foreign_error(place, "promise-predict", _ELSEWHERE)


def named_files(folder: Path) -> set[str]:
    """Return the names of all files of promise-predict in a folder's predictions.json, and maybe other texts."""
    path = folder / RECORD
    if not path.is_file():
        return set()
    found = set()
    for quoted in _NAME.findall(path.read_text(encoding="utf-8", errors="replace")):
        with suppress(ValueError):
            found.add(str(json.loads(quoted)))
    return found


def write_clicks(request: PredictRequest, inputs: Inputs) -> None:
    """Write the clicks of all cases that can be predicted to the path of `--write-points`.

    A name that ends in `.mrk.json` means a file for 3D Slicer, any other `.json` means our own JSON, and any other
    name means a folder with a `.mrk.json` for each case.

    Raises:
        PromptError: There is no click, a file exists already, or several cases would have to go into one `.mrk.json`.
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
    _refuse_replaced(request, files)
    remove_leftovers(path if path.is_dir() else path.parent, [file.name for file in files])
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


def _refuse_replaced(request: PredictRequest, files: Mapping[Path, str | None]) -> None:
    """Refuse to write clicks into the click file of the call, or to replace other files."""
    for file, case in files.items():
        same = request.prompts is not None and file.resolve() == request.prompts.resolve()
        if same or (file.exists() and not request.overwrite):
            raise PromptError(f"{file}: exists already; give another name, or --overwrite")
        if is_foreign(file, POINTS_MARK if case is None else MARKUPS_MARK):
            raise foreign_error(file, "promise-predict", "give another name")


def _are_numbered(clicks: tuple[Click, ...]) -> bool:
    return all(lesion.value == number for number, lesion in enumerate(lesions(clicks), 1))
