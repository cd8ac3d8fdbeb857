"""Gather clicks by case. A case whose clicks are unusable is noted with its error and does not affect the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from promise_cli.errors import PromptError, shorten
from promise_cli.prompts.click import FOREGROUND, Click, check_number, lesions


@dataclass
class Gathered:
    """Clicks of one or several click files."""

    where: str
    """Name of the file or folder in error messages."""
    clicks: dict[str, tuple[Click, ...]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """Error message of each case whose clicks are unusable, by case id."""

    notes: dict[str, str] = field(default_factory=dict)
    """What was counted as clicks, by case id, where not all points of a file are clicks or some are hidden."""

    def add(self, case: str, clicks: tuple[Click, ...], note: str = "") -> None:
        """Add the clicks of a case, and a note on what was counted.

        Raises:
            PromptError: The case is already listed, it has no click, or one of its lesions has no foreground click.
        """
        where = f"{self.where}: case {shorten(case)}"
        if case in self.clicks or case in self.broken:
            raise PromptError(f"{where} is listed twice; give its clicks as one list")
        if not clicks:
            raise PromptError(f"{where}: holds no click; add one on the target")
        check_number(len(clicks), where)
        for lesion, its in lesions(clicks).items():
            if not any(click.sign == FOREGROUND for click in its):
                name = f" of {shorten(lesion.name)}" if lesion.name else ""
                raise PromptError(
                    f"{where}: all clicks{name} are background; add a foreground click on the target"
                )
        self.clicks[case] = clicks
        if note:
            self.notes[case] = note

    def spoil(self, case: str, reason: str) -> None:
        """Mark the clicks of a case as unusable. The first reason is kept."""
        self.clicks.pop(case, None)
        self.notes.pop(case, None)
        self.broken.setdefault(case, reason)

    def merge(self, other: "Gathered") -> None:
        """Add the cases of another file. A case that both files list becomes unusable."""
        for case, clicks in other.clicks.items():
            with self.case(case):
                self.add(case, clicks, other.notes.get(case, ""))
        for case, reason in other.broken.items():
            self.spoil(case, reason)

    @contextmanager
    def case(self, case: str) -> Iterator[None]:
        """Catch a `PromptError` of the block and note it for this case."""
        try:
            yield
        except PromptError as error:
            self.spoil(case, str(error))
