"""A part of a job that several commands share, such as the tasks of a SLURM array."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from promise_cli.errors import PromiseError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count` parts; `number` counts from 1."""

    number: int = 1
    count: int = 1

    def share(self, items: Sequence[T]) -> list[T]:
        """Return the items of this part: every `count`-th one. Each item is in exactly one of the parts."""
        return list(items[self.number - 1 :: self.count])

    def own_first(self, items: Sequence[T]) -> list[T]:
        """Return all items: those of this part first, then those of the next part and so on.

        Commands that work on all items then begin with different ones.
        """
        parts = [(self.number - 1 + more) % self.count for more in range(self.count)]
        return [item for part in parts for item in items[part :: self.count]]


def read_shard(text: str | None) -> Shard:
    """Read a part of a job, such as `3/16`; None is the whole job.

    Raises:
        PromiseError: The text is not a part I/N with 1 <= I <= N.
    """
    if text is None:
        return Shard()
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if match and 1 <= int(match[1]) <= int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise PromiseError(
        f"--shard {text}: not a part of a job; give I/N counted from 1, such as 3/16 for the third of 16"
    )
