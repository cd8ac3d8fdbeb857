"""Output for the user: messages, progress bars and tables through rich, errors as one line on standard error."""

import io
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from promise_cli.errors import on_one_line, printable

T = TypeVar("T")

REPORT_SECONDS = 60.0
"""Seconds between two lines of progress in a file or a pipe."""

MOST_ROWS = 200
"""Largest number of rows of a table whose content is also in a file."""

VERBS = {"are": "is", "were": "was", "stay": "stays", "lie": "lies", "have": "has"}
"""Plural and singular of the verbs that `counted` knows."""


class PatientConsole(Console):
    """Console that prints no more when its reader has ended, since `promise-train ... | head` must not fail."""

    shows_bars = True
    """Whether progress is shown."""

    def on_broken_pipe(self) -> None:
        """Discard all further output."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())


out = PatientConsole(highlight=False, emoji=False)
err = PatientConsole(stderr=True, highlight=False, emoji=False)


class Log:
    """Copy of what a command prints, each line with its time. Progress bars are left out."""

    def __init__(self) -> None:
        """Start without a file. The lines are kept until `open` names one."""
        self._path: Path | None = None
        self._kept: list[str] = []

    def open(self, path: Path) -> None:
        """Append the lines so far to a file, and from now on each line when it is printed."""
        self._path = path
        self._write(self._kept)

    def add(self, text: str) -> None:
        """Add the lines of a text."""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = [f"{now} {line.rstrip()}\n" for line in text.splitlines()]
        if self._path is None:
            self._kept += lines
        else:
            self._write(lines)

    def _write(self, lines: Sequence[str]) -> None:
        """Append lines to the file. A full disk stops no command here, since its results need the room, too."""
        assert self._path is not None
        with (
            suppress(OSError),
            self._path.open("a", encoding="utf-8", errors="backslashreplace") as file,
        ):
            file.write("".join(lines))


_logs: list[Log] = []
"""Logs of the commands that keep one now; the innermost is the last."""


@contextmanager
def keep_log() -> Iterator[Log]:
    """Copy what the block prints into a log. An error that ends the block is its last line."""
    log = Log()
    _logs.append(log)
    try:
        yield log
    except BaseException as error:
        log.add(f"error: {str(error) or type(error).__name__:.2000}")
        raise
    finally:
        _logs.pop()


def log_only(text: str) -> None:
    """Add a text to the log of the command, if it keeps one, without printing it."""
    if _logs:
        _logs[-1].add(text)


def say(message: str) -> None:
    """Print a plain line. Paths may hold brackets and must not be wrapped, so markup and wrapping are off."""
    log_only(printable(message))
    out.print(printable(message), markup=False, soft_wrap=True)


def counted(number: int, noun: str, verb: str = "") -> str:
    """Format a number with its noun and, if wanted, a verb, such as `1 case was` or `3 cases were`.

    Args:
        number: The number.
        noun: The noun in the singular. Its plural ends in `s`, or in `ies` for `entry`.
        verb: The verb in the plural: one of `VERBS`.
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("entry") else f"{noun}s"
    shown = f"{number} {noun if number == 1 else plural}"
    return f"{shown} {VERBS[verb] if number == 1 else verb}" if verb else shown


def warn(message: str) -> None:
    """Print a warning on standard error."""
    log_only(f"warning: {printable(message)}")
    err.print(f"warning: {printable(message)}", markup=False, soft_wrap=True, style="yellow")


@contextmanager
def quieted(quiet: bool = True) -> Iterator[None]:
    """Print only warnings and errors while the block runs, if this is wanted. A log gets all lines all the same."""
    before = out.quiet, err.shows_bars
    if quiet:
        out.quiet, err.shows_bars = True, False
    try:
        yield
    finally:
        out.quiet, err.shows_bars = before


def mute() -> None:
    """Print nothing but errors from now on. Several processes may do the same work, and only one of them reports."""
    out.quiet = err.quiet = True


def fail(message: str) -> None:
    """Print an error as one line on standard error."""
    err.quiet = False
    err.print(f"error: {on_one_line(message)}", markup=False, soft_wrap=True, style="red")


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Iterate with a progress bar and the time that is left.

    Where the output is not a terminal, a line is printed every `REPORT_SECONDS` instead.
    """
    if not err.shows_bars:
        yield from items
        return
    if not err.is_terminal:
        yield from _report(items, description, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        yield from progress.track(items, description=description, total=total)


@contextmanager
def track_bytes(source: BinaryIO, description: str, total: int | None) -> Iterator[BinaryIO]:
    """Yield a reader of `source` that shows a progress bar in bytes, or nothing where the output is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=err, disable=not (err.is_terminal and err.shows_bars), transient=True
    ) as progress:
        yield progress.wrap_file(source, total=total or 0, description=description)


def _report(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Iterate, and print every `REPORT_SECONDS` how many items are done."""
    begin = said = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - said >= REPORT_SECONDS and number < total:
            said = now
            minutes = (now - begin) / number * (total - number) / 60
            err.print(
                f"{description}: {number} of {total}, about {minutes:.0f} min left", soft_wrap=True
            )


def show_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], file: str = ""
) -> None:
    """Print a table. The first column holds text, the others hold numbers and are aligned to the right.

    A table that is wider than the terminal is printed in parts, one below the other. Each part repeats the first
    column, so that every row keeps its name. In a file or a pipe, a table takes the width that it needs.

    Args:
        title: Line above the table; empty for none.
        columns: Names of the columns.
        rows: Cells of each row.
        file: File that holds all rows. If it is given, only the first `MOST_ROWS` are printed.
    """
    left_out = len(rows) - MOST_ROWS if file else 0
    rows = rows[:MOST_ROWS] if left_out > 0 else rows
    columns = [printable(column) for column in columns]
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(cell_len(row[number]) for row in (columns, *cells)) for number in range(len(columns))
    ]
    if title:
        log_only(printable(title))
        out.print(Text(printable(title), style="bold"), soft_wrap=True)
    whole = PatientConsole(file=out.file, emoji=False, width=_table_width(widths), quiet=out.quiet)
    parts = _fold(widths, out.width) if out.is_terminal else [range(1, len(columns))]
    for part in parts:
        (out if out.is_terminal else whole).print(_table(columns, cells, part))
    if _logs:
        text = io.StringIO()
        Console(file=text, emoji=False, width=_table_width(widths)).print(
            _table(columns, cells, range(1, len(columns)))
        )
        log_only(text.getvalue())
    if left_out > 0:
        say(f"and {counted(left_out, 'more row')}; {file} has all of them")


def _table(columns: Sequence[str], cells: Sequence[Sequence[str]], part: range) -> Table:
    """Return a table of the first column and of a part of the others."""
    # Cells are `Text`, because rich could read names of cases and folders as markup.
    table = Table()
    for number in (0, *part):
        justify: Literal["left", "right"] = "right" if number else "left"
        table.add_column(Text(columns[number]), justify=justify, overflow="fold")
    for row in cells:
        table.add_row(*(Text(row[number]) for number in (0, *part)))
    return table


def _fold(widths: Sequence[int], limit: int) -> list[range]:
    """Divide the columns after the first into parts that fit, each with the first column, into `limit` characters.

    A part has at least one column, even if that does not fit.
    """
    parts = []
    begin = 1
    for number in range(2, len(widths)):
        if _table_width([widths[0], *widths[begin : number + 1]]) > limit:
            parts.append(range(begin, number))
            begin = number
    return [*parts, range(begin, len(widths))]


def _table_width(widths: Sequence[int]) -> int:
    """Return the width of a table whose columns hold so many characters, with its lines and margins."""
    return sum(width + 3 for width in widths) + 1
