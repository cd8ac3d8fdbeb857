"""Overlaps three steps: while the networks work on a case, the next one is read and the previous one is written."""

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
    """Take each item through three steps, and yield it with its result, in order.

    While `work` runs on an item in the caller's thread, a second thread reads the next item and a third one writes the
    previous item. Therefore the contents of at most two items are in memory.

    Args:
        items: Items to work on.
        read: First step, from an item to its content.
        work: Second step, from an item and its content to a result.
        write: Third step, from an item and its result to what is yielded.
        room: Whether the next item may be read before the work on the current one has ended.

    Yields:
        Each item with the value of `write`, or with the exception that one of its steps raised. An exception
        does not stop the other items.
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
