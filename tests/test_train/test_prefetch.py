"""Samples reach the device in their order; on a GPU one is fetched while another is worked on."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from promise_cli.train import prefetch as prefetch_module
from promise_cli.train.prefetch import prefetch
from promise_cli.train.samples import Sample

CPU = torch.device("cpu")


def _samples(count: int) -> list[Sample]:
    return [
        Sample(
            torch.full((1, 1, 2, 2, 2), float(number)),
            torch.zeros(1, 1, 2, 2, 2),
            torch.zeros(1, 1, 3),
            torch.ones(1, 1, dtype=torch.long),
            (f"case_{number}",),
        )
        for number in range(count)
    ]


def _seen(samples: list[Sample], taken: list[str]) -> Iterator[Sample]:
    for sample in samples:
        taken.append(sample.case_ids[0])
        yield sample


def test_on_the_cpu_samples_are_read_when_they_are_asked_for() -> None:
    taken: list[str] = []
    moved = prefetch(_seen(_samples(3), taken), CPU)
    assert next(moved).case_ids == ("case_0",)
    assert taken == ["case_0"]
    assert [sample.case_ids[0] for sample in moved] == ["case_1", "case_2"]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend that there is a GPU, and return the list of what its streams are asked to do. Samples stay on the CPU."""
    found: list[str] = []
    working = SimpleNamespace(wait_stream=lambda _: found.append("wait"))

    class Fetching:
        def __enter__(self) -> None:
            found.append("copy")

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: SimpleNamespace())
    monkeypatch.setattr(torch.cuda, "stream", lambda _: Fetching())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: working)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: found.append("record"))
    monkeypatch.setattr(prefetch_module.Sample, "to", lambda self, _: self)
    return found


def test_a_gpu_copies_the_next_sample_before_it_works_on_the_current_one(
    events: list[str],
) -> None:
    taken: list[str] = []
    moved = prefetch(_seen(_samples(3), taken), torch.device("cuda"))
    assert next(moved).case_ids == ("case_0",)
    assert taken == ["case_0", "case_1"]
    assert events == ["copy", "wait", *["record"] * 4, "copy"]
    assert [sample.case_ids[0] for sample in moved] == ["case_1", "case_2"]
    assert events.count("wait") == 3


@pytest.mark.usefixtures("events")
def test_without_samples_nothing_is_given_on_any_device() -> None:
    for device in ("cpu", "cuda"):
        assert list(prefetch(iter(()), torch.device(device))) == []


def test_all_tensors_of_a_sample_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self, *_: self + 1)
    (sample,) = _samples(1)
    pinned = sample.pin_memory()
    assert isinstance(pinned, Sample)
    assert pinned.case_ids == sample.case_ids
    for before, after in zip(sample.tensors, pinned.tensors, strict=True):
        torch.testing.assert_close(after, before + 1)
