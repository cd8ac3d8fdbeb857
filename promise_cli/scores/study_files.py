"""Files of a study of clicks, which both the study and a training that replaces its network know by name."""

import re
import shutil
from pathlib import Path

from promise_cli.scores.folder import METHOD, TOOL, Marks, generator_mark, is_marked, remove_stale

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


def has_study(run: Path) -> bool:
    """Whether a run's folder holds a study of its network."""
    return is_marked(run / STUDY_FOLDER / STUDY_FILE, TOOL)


def remove_study(run: Path) -> None:
    """Delete the study of a run's network, finished or not. Files that no study wrote are kept."""
    folder = run / STUDY_FOLDER
    if not folder.is_dir():
        return
    remove_stale(folder, STUDY_MARKS, STUDY_MARKS)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()
