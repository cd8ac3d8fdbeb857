"""Files of a study of clicks, which both the study and a training that replaces its network know by name."""

import re
from contextlib import suppress
from pathlib import Path

from promise_cli.disk.atomic import remove_leftovers
from promise_cli.disk.ours import Marks, generator_mark, is_marked, json_mark, remove_marked
from promise_cli.scores.folder import METHOD, TOOL

STUDY_FOLDER = "clicks"
"""Folder of a study within the folder of the run."""
STUDY_FILE = "clicks.json"
UNFINISHED = "unfinished"
"""Folder of finished cases within the folder of a study. It is removed once the results are written."""
STUDY_GENERATOR = "promise-evaluate --clicks"
"""Name of the generator that is written into the page. A later call recognises the page by it."""
FIRST_COLUMNS = ("case_id", "strategy", "trial", "clicks", "dice")
STUDY_MARKS: Marks = {
    STUDY_FILE: TOOL,
    "clicks.csv": re.compile(rf"\A{','.join(FIRST_COLUMNS)},"),
    "clicks.md": METHOD,
    "report.html": generator_mark(STUDY_GENERATOR),
}
"""Marks by which the files of an earlier study are recognised."""
KEPT_MARK = json_mark("case_id", "key")
"""Mark of a finished case of a study that is not finished."""
LOCK = ".lock"
"""Name of the lock in the folder of finished cases, which a study holds while it runs."""


def has_study(run: Path) -> bool:
    """Whether a run's folder holds a study of its network."""
    return is_marked(run / STUDY_FOLDER / STUDY_FILE, TOOL)


def remove_study(run: Path) -> None:
    """Delete the study of a run's network, finished or not. Files that no study wrote are kept."""
    folder = run / STUDY_FOLDER
    if not folder.is_dir():
        return
    remove_marked(folder, STUDY_MARKS, STUDY_MARKS)
    remove_kept(folder)
    remove_leftovers(folder)
    with suppress(OSError):  # it holds files of others
        folder.rmdir()


def remove_kept(folder: Path) -> None:
    """Delete the finished cases of a study that is not finished. Files that no study wrote are kept."""
    place = folder / UNFINISHED
    if not place.is_dir():
        return
    names = [path.name for path in place.glob("*.json")]
    remove_marked(place, dict.fromkeys(names, KEPT_MARK), names)
    remove_leftovers(place)
    lock = place / LOCK
    if lock.is_file() and not lock.stat().st_size:
        lock.unlink()
    with suppress(OSError):
        place.rmdir()
