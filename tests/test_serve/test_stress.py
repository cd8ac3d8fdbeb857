"""Several clients at once, two of them hostile: each mask is right, and nothing is left behind."""

import time

import pytest

from promise_cli.serve.service import Service
from tests.stress_serve import stress
from tests.test_serve.predicted import CLICKS, predicted


@pytest.mark.slow
def test_clients_at_once_get_right_masks_and_leave_nothing_behind(
    address: str, service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    clicks = tuple(CLICKS)
    masks = {
        ("ball_007", clicks[:number]): predicted(list(clicks[:number])) for number in (1, 2, 3)
    }
    capfd.readouterr()
    seen = stress(address, masks, 2, careful=3)
    assert seen.wrong == []
    assert seen.masks >= 6
    assert seen.answers["cut off"] > 0
    assert sum(n for name, n in seen.answers.items() if name.startswith("garbage")) > 10
    ends = time.monotonic() + 5
    while service.worker.waiting and time.monotonic() < ends:
        time.sleep(0.02)
    assert service.worker.waiting == 0
    assert len(service.sessions) == 0
    assert capfd.readouterr() == ("", "")
