"""Output for the user: messages, progress bars and tables through rich, errors as one line on standard error."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

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

T = TypeVar("T")

PIPED_WIDTH = 160
"""Width in characters of a table that goes into a file or a pipe, where rich would wrap it at 80."""

REPORT_SECONDS = 60.0
"""Seconds between two lines of progress in a file or a pipe."""


class PatientConsole(Console):
    """Console that falls silent when its reader has ended: `promise-train ... | head` must not end a training."""

    def on_broken_pipe(self) -> None:
        """Discard all further output."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())


out = PatientConsole(highlight=False, emoji=False)
err = PatientConsole(stderr=True, highlight=False, emoji=False)


def printable(text: str) -> str:
    """Escape what a terminal would not show as it is: control characters, line breaks, marks that turn text around.

    Names from files could otherwise change what a terminal shows. Text that no encoding can hold is escaped, too.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def say(message: str) -> None:
    """Print a plain line. Paths may hold brackets and must not be wrapped, so markup and wrapping are off."""
    out.print(printable(message), markup=False, soft_wrap=True)


def warn(message: str) -> None:
    """Print a warning on standard error."""
    err.print(f"warning: {printable(message)}", markup=False, soft_wrap=True, style="yellow")


def mute() -> None:
    """Print nothing but errors from now on. Several processes may do the same work, and only one of them reports."""
    out.quiet = err.quiet = True


def fail(message: str) -> None:
    """Print an error as one line on standard error."""
    err.quiet = False
    err.print(
        f"error: {printable(' '.join(message.split()))}", markup=False, soft_wrap=True, style="red"
    )


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """Iterate with a progress bar and the time that is left.

    Where the output is not a terminal, a line is printed every `REPORT_SECONDS` instead.
    """
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
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as progress:
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


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table. The first column holds text, the others hold numbers and are aligned to the right."""
    # Cells are `Text`, because rich could read names of cases and folders as markup.
    table = Table(title=Text(printable(title)), title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(
            Text(printable(column)), justify="right" if number else "left", no_wrap=number > 0
        )
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    if out.is_terminal:
        out.print(table)
    else:
        Console(highlight=False, emoji=False, width=PIPED_WIDTH).print(table)
