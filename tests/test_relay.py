"""Reading, working and writing run in parallel and in order, and an item that fails does not stop the others."""

import threading
import time

import pytest

from promise_cli.predict.relay import relay


def test_results_come_in_order_and_an_exception_concerns_only_its_own_item() -> None:
    def read(item: int) -> int:
        return 10 // (item - 1)

    def work(item: int, opened: int) -> int:
        return opened // (item - 3)

    def write(item: int, found: int) -> int:
        return 100 // (item - 4) + found

    outcomes = dict(relay(list(range(6)), read, work, write))
    assert list(outcomes) == list(range(6))
    failed = [item for item, outcome in outcomes.items() if isinstance(outcome, Exception)]
    assert failed == [1, 3, 4]
    assert outcomes[2] == -60
    assert list(relay([], read, work, write)) == []


def test_the_next_item_is_read_and_the_last_written_during_the_work_on_this_one() -> None:
    begun = {(step, item): threading.Event() for step in ("read", "write") for item in range(4)}

    def read(item: int) -> int:
        begun["read", item].set()
        return item

    def work(item: int, _: int) -> int:
        if item < 3:
            assert begun["read", item + 1].wait(5)
        if item > 0:
            assert begun["write", item - 1].wait(5)
        return item

    def write(item: int, _: int) -> int:
        begun["write", item].set()
        return item

    assert list(relay(range(4), read, work, write)) == [(n, n) for n in range(4)]


def test_no_more_than_two_items_are_open_at_the_same_time() -> None:
    opened, most = [], []

    def read(item: int) -> int:
        opened.append(item)
        most.append(len(opened))
        return item

    def work(item: int, _: int) -> int:
        time.sleep(0.02)
        opened.remove(item)
        return item

    list(relay(range(6), read, work, lambda item, _: item))
    assert max(most) <= 2


def test_nothing_is_read_ahead_without_room_in_memory() -> None:
    opened, most = [], []

    def read(item: int) -> int:
        opened.append(item)
        most.append(len(opened))
        return item

    def work(item: int, _: int) -> int:
        time.sleep(0.02)
        opened.remove(item)
        return item

    done = relay(range(6), read, work, lambda item, _: item, lambda item: item == 3)
    assert list(done) == [(n, n) for n in range(6)]
    assert most == [1, 1, 1, 2, 1, 1]


def test_an_interruption_stops_everything() -> None:
    def work(_: int, __: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(relay(range(3), lambda item: item, work, lambda item, _: item))
