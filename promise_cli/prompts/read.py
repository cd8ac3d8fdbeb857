"""Read clicks by case from a click file of any kind, or from a folder of click files.

The coordinate system comes from the file or from the caller. It is never guessed.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from promise_cli.disk.records import load_json
from promise_cli.disk.regular import check_regular
from promise_cli.errors import PlanError, PromptError, shorten
from promise_cli.prompts.click import Click, Space
from promise_cli.prompts.fcsv import parse_fcsv
from promise_cli.prompts.gather import Gathered
from promise_cli.prompts.mitk import parse_point_set
from promise_cli.prompts.places import MOST_HINTS, near_names
from promise_cli.prompts.points import parse_points
from promise_cli.prompts.slicer import is_markups, parse_markups
from promise_cli.prompts.table import parse_table
from promise_cli.prompts.tally import Points
from promise_cli.volume import case_id

MOST_CLICK_BYTES = 1 << 25
"""Largest size of a click file: a million clicks. Its content takes about thirty times as much memory."""
SUFFIXES = (".mrk.json", ".json", ".fcsv", ".mps", ".csv", ".tsv")


def read_prompts(
    path: Path, *, space: Space | None = None, scans: Collection[str] = ()
) -> dict[str, tuple[Click, ...]]:
    """Read all clicks of a file or folder.

    Args:
        path: Our JSON, a file of 3D Slicer (`.mrk.json`, `.fcsv`) or MITK (`.mps`), a table (`.csv`, `.tsv`), or a
            folder of such files.
        space: Coordinate system of points whose file does not name one.
        scans: Case ids of the scans. A click file that names no case belongs to the scan of the same name. A single
            click file may also belong to the only scan. If no scans are given, the file's name is the case id.

    Raises:
        PromptError: A file does not exist, is damaged or is of another kind, or an entry is not a click.
    """
    gathered = gather_prompts(path, space=space, scans=scans)
    for reason in gathered.broken.values():
        raise PromptError(reason)
    return gathered.clicks


def gather_prompts(
    path: Path, *, space: Space | None = None, scans: Collection[str] = ()
) -> Gathered:
    """Read clicks like `read_prompts`, but note the cases with unusable clicks instead of raising.

    Raises:
        PromptError: The folder holds no click file, or `path` is a file that cannot be read at all.
    """
    if not path.is_dir():
        return _read_file(path, space, scans, alone=True)
    files = [entry for entry in sorted(path.iterdir()) if _kind(entry) and entry.is_file()]
    if not files:
        raise PromptError(
            f"{path}: no click file in this folder; click files end in {', '.join(SUFFIXES)}"
        )
    gathered = Gathered(str(path))
    for file in files:
        try:
            hints = len(gathered.broken) < MOST_HINTS
            gathered.merge(_read_file(file, space, scans, alone=len(files) == 1, hints=hints))
        except PromptError as error:
            gathered.spoil(_stem(file), str(error))
    return gathered


def _read_file(
    path: Path, space: Space | None, scans: Collection[str], *, alone: bool, hints: bool = True
) -> Gathered:
    kind = _kind(path)
    if not path.exists():
        raise PromptError(f"{path}: no such file")
    if kind is None:
        raise PromptError(f"{path}: not a click file; click files end in {', '.join(SUFFIXES)}")
    where = str(path)
    if kind in (".csv", ".tsv"):
        return parse_table(_text(path), where, space, _only_case(path, scans, alone=alone))
    if kind in (".json", ".mrk.json"):
        content = _json(path)
        if not is_markups(content):
            if kind == ".mrk.json":
                raise PromptError(
                    f"{where}: not a markups file as 3D Slicer writes it; save it again there, or let the name of our"
                    " own JSON end in .json only"
                )
            return _read_points(content, path, space)
    case = _only_case(path, scans, alone=alone)
    if case is None:
        raise PromptError(
            f"{path}: its name does not say which scan it belongs to; name it after its scan, such as"
            f" {next(iter(scans))}{kind}{near_names(_stem(path), scans if hints else ())}"
        )
    gathered = Gathered(where)
    points = _read_clicks(path, case, space)
    gathered.add(case, points.clicks, points.note)
    return gathered


def _read_points(content: Any, path: Path, space: Space | None) -> Gathered:
    """Read our own JSON, whose cases may refer to other click files."""
    notes: dict[str, str] = {}

    def read_beside(case: str, name: str) -> tuple[Click, ...]:
        points = _read_clicks(_beside(path, name), case, space)
        if points.note:
            notes[case] = points.note
        return points.clicks

    gathered = parse_points(content, str(path), space, read_beside)
    gathered.notes |= {case: note for case, note in notes.items() if case in gathered.clicks}
    return gathered


def _beside(path: Path, name: str) -> Path:
    """Return the path of a file that is named relative to `path`; Windows writes it with backslashes."""
    found = path.parent / name
    try:
        return found if found.exists() else path.parent / name.replace("\\", "/")
    except OSError:
        return found  # such as a name that is too long; reading it gives the reason


def _read_clicks(path: Path, case: str, space: Space | None) -> Points:
    """Read the clicks of a case from a file that may hold no other case."""
    kind, where = _kind(path), str(path)
    if kind == ".fcsv":
        return parse_fcsv(_text(path), where, space)
    if kind == ".mps":
        return Points(parse_point_set(_bytes(path), where, space))
    if kind in (".csv", ".tsv"):
        gathered = parse_table(_text(path), where, space, case)
        for reason in gathered.broken.values():
            raise PromptError(reason)
        if set(gathered.clicks) != {case}:
            raise PromptError(
                f"{where}: holds clicks of cases other than {shorten(case)}; leave only its own"
            )
        return Points(gathered.clicks[case], gathered.notes.get(case, ""))
    if kind in (".json", ".mrk.json"):
        content = _json(path)
        if is_markups(content):
            return parse_markups(content, where, space)
    raise PromptError(
        f"{where}: not a click file for a single case; use .mrk.json, .fcsv, .mps or .csv"
    )


def _only_case(path: Path, scans: Collection[str], *, alone: bool) -> str | None:
    """Find the case of a click file that names none: the file's own name, or the only scan; None if neither applies."""
    stem = _stem(path)
    if stem in scans or not scans:
        return stem
    return next(iter(scans)) if alone and len(scans) == 1 else None


def _kind(path: Path) -> str | None:
    if path.name.startswith("."):
        return None
    return next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)


def _stem(path: Path) -> str:
    """Derive the case id from the name of a click file: `liver_3.nii.gz.mrk.json` -> `liver_3`."""
    return case_id(Path(path.name[: -len(_kind(path) or "") or None]))


def _json(path: Path) -> Any:
    try:
        check_regular(path, MOST_CLICK_BYTES)
        return load_json(path)
    except OSError as error:
        raise PromptError(
            f"{path}: not readable ({error.strerror}); check the path and its permissions"
        ) from None
    except PlanError as error:
        raise PromptError(" ".join(str(error).split())) from None


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PromptError(
            f"{path}: not UTF-8 text ({error.reason}); save it again as UTF-8"
        ) from None


def _bytes(path: Path) -> bytes:
    try:
        check_regular(path, MOST_CLICK_BYTES)
        return path.read_bytes()
    except OSError as error:
        raise PromptError(
            f"{path}: not readable ({error.strerror}); check the path and its permissions"
        ) from None
