"""Three things at once: the next case is read and the last one written while the networks work on this one."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Opened = TypeVar("Opened")
Found = TypeVar("Found")
Written = TypeVar("Written")
Result = TypeVar("Result")


def relay(
    items: Sequence[Item],
    read: Callable[[Item], Opened],
    work: Callable[[Item, Opened], Found],
    write: Callable[[Item, Found], Written],
    room: Callable[[Item], bool] = lambda _: True,
) -> Iterator[tuple[Item, Written | Exception]]:
    """Take every item through three steps, and yield it with what came of it, in order.

    Reading is one item ahead, where there is room next to the current one, and writing one behind, each in a thread
    of its own; the work is done in the caller's. So at most two items are in memory as they were read. Where a step
    raised, what it raised is yielded, and the other items go on.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        behind: tuple[Item, Future[Written]] | None = None
        ahead: Future[Opened] | None = None
        for item, following in zip(items, (*items[1:], None), strict=False):
            opened = _try((ahead or reader.submit(read, item)).result)
            ahead = None
            if following is not None and room(following):
                ahead = reader.submit(read, following)
            found = opened if isinstance(opened, Exception) else _try(work, item, opened)
            del opened
            if behind is not None:
                yield behind[0], _try(behind[1].result)
            behind = None
            if isinstance(found, Exception):
                yield item, found
            else:
                behind = item, writer.submit(write, item, found)
        if behind is not None:
            yield behind[0], _try(behind[1].result)


def _try(step: Callable[..., Result], *arguments: object) -> Result | Exception:
    try:
        return step(*arguments)
    except Exception as error:
        return error
