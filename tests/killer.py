"""A stand-in for SIGKILL that strikes at a chosen write."""

from collections.abc import Callable
from pathlib import Path

import pytest


class Kill(BaseException):
    """An exception that stands for SIGKILL, since no code of the package continues after it."""


class Killer:
    """Raises `Kill` instead of the nth change of a file, and instead of all later ones, as if the process were gone."""

    def __init__(self, patch: pytest.MonkeyPatch, nth: int) -> None:
        self.left, self.last = nth, ""
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, self._or_die(getattr(Path, name)))

    def _or_die(self, change: Callable) -> Callable:
        def changed(path: Path, *arguments, **options):
            if path.exists() and path.suffix != ".lock":
                self.left -= 1
                self.last = self.last or (path.name if self.left <= 0 else "")
                if self.left <= 0:
                    raise Kill
            return change(path, *arguments, **options)

        return changed
