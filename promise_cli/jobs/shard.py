"""One part of a job that several commands do at the same time, such as a SLURM array."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from promise_cli.errors import PromiseError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, counted from 1."""

    number: int = 1
    count: int = 1

    def share(self, items: Sequence[T]) -> list[T]:
        """This part's items: every `count`-th; the parts share none and together hold all."""
        return list(items[self.number - 1 :: self.count])

    def own_first(self, items: Sequence[T]) -> list[T]:
        """All items, this part's first, then the next part's and so on, so that helpers begin apart."""
        parts = [(self.number - 1 + more) % self.count for more in range(self.count)]
        return [item for part in parts for item in items[part :: self.count]]


def read_shard(text: str | None) -> Shard:
    """Read `3/16`; None is the whole job.

    Raises:
        PromiseError: The text is no such part.
    """
    if text is None:
        return Shard()
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if match and 1 <= int(match[1]) <= int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise PromiseError(
        f"--shard {text}: no part of a job; count from 1, such as 3/16 for the third of sixteen"
    )
