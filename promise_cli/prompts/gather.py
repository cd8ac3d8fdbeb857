"""Clicks by case, and the cases whose clicks cannot be used: one of them does not spoil the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from promise_cli.errors import PromptError
from promise_cli.prompts.click import FOREGROUND, Click, lesions
from promise_cli.prompts.values import shorten


@dataclass
class Gathered:
    """What one or several click files hold."""

    where: str
    """The file or folder, for errors."""
    clicks: dict[str, tuple[Click, ...]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """Case -> why its clicks cannot be used."""

    def add(self, case: str, clicks: tuple[Click, ...]) -> None:
        """Take the clicks of a case.

        Raises:
            PromptError: The case is there already, or a lesion of it has no foreground click.
        """
        where = f"{self.where}: case {shorten(case)}"
        if case in self.clicks or case in self.broken:
            raise PromptError(f"{where} is listed twice; give its clicks as one list")
        if not clicks:
            raise PromptError(f"{where}: holds no click")
        for lesion, its in lesions(clicks).items():
            if not any(click.sign == FOREGROUND for click in its):
                name = f" of {shorten(lesion.name)}" if lesion.name else ""
                raise PromptError(
                    f"{where}: all clicks{name} are background; add one on the target"
                )
        self.clicks[case] = clicks

    def spoil(self, case: str, reason: str) -> None:
        """Note that the clicks of a case cannot be used."""
        self.clicks.pop(case, None)
        self.broken.setdefault(case, reason)

    def merge(self, other: "Gathered") -> None:
        """Take what another file holds; a case in both is broken."""
        for case, clicks in other.clicks.items():
            with self.case(case):
                self.add(case, clicks)
        for case, reason in other.broken.items():
            self.spoil(case, reason)

    @contextmanager
    def case(self, case: str) -> Iterator[None]:
        """What is wrong inside the block concerns this case alone."""
        try:
            yield
        except PromptError as error:
            self.spoil(case, str(error))
