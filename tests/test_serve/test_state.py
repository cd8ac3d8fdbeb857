"""What the server keeps: scans and windows within limits, and sessions while they are used. Jobs run one at a time."""

import asyncio
import gc
import threading

import numpy as np
import pytest
from scipy import ndimage
from starlette.testclient import TestClient

from promise_cli.geometry.grid import Grid
from promise_cli.geometry.patch import Patch
from promise_cli.serve.open_scans import OpenScan
from promise_cli.serve.refusal import ClientGoneError, RefusalError
from promise_cli.serve.regions import NOTHING, Region, changed_box, longest_axial_mm
from promise_cli.serve.service import Service
from promise_cli.serve.sessions import MOST_SESSIONS, Sessions
from promise_cli.serve.worker import MOST_WAITING, Worker
from promise_cli.session.kept import KeptWindows
from tests.conftest import OBLIQUE
from tests.test_serve.test_page_api import begin, click


def test_windows_of_all_scans_share_a_limit_and_the_oldest_is_dropped() -> None:
    kept = KeptWindows(3)
    image = np.zeros((8, 8, 8), np.float32)
    one, two = kept.new_scan(), kept.new_scan()
    places = [Patch((n, 0, 0), (4, 4, 4)) for n in range(3)]
    first = kept.window(one, places[0], image)
    second = kept.window(two, places[0], image)
    assert first is not second
    kept.window(one, places[1], image)
    assert kept.window(one, places[0], image) is first
    kept.window(two, places[2], image)
    assert len(kept) == 3
    assert kept.window(one, places[0], image) is first
    assert kept.window(two, places[0], image) is not second
    kept.forget(two)
    assert kept.window(one, places[0], image) is first
    assert len(kept) == 1


@pytest.mark.slow
def test_scans_are_closed_when_others_need_their_memory(
    client: TestClient, service: Service
) -> None:
    service.scans.most_bytes = 1
    earlier = {id(one) for one in gc.get_objects() if type(one) is OpenScan}
    states = {}
    for _ in range(3):
        for scan in ("ball_002", "ball_003", "ball_007"):
            session = states.setdefault(scan, begin(client, scan, order="stored"))["session"]
            found = click(client, session, [13, 12, 9])
            assert service.scans.open_names == (scan,)
            assert len(service.kept) <= 1
            client.post(f"/api/sessions/{session}/lesions/1/undo")
            assert found["changed"] is not None
    del found
    gc.collect()
    held = [one for one in gc.get_objects() if type(one) is OpenScan and id(one) not in earlier]
    assert [one.name for one in held] == ["ball_007"]


def test_a_closed_scan_is_read_again_and_its_clicks_are_kept(
    client: TestClient, service: Service
) -> None:
    service.scans.most_bytes = 1
    one = begin(client, "ball_007", order="stored")["session"]
    click(client, one, [13, 12, 9])
    two = begin(client, "ball_002")["session"]
    click(client, two, [13, 12, 9])
    after = click(client, one, [16, 14, 11])
    assert len(after["lesions"][0]["clicks"]) == 2
    again = begin(client, order="stored", lesions=after["lesions"])
    mine, theirs = (
        client.get(f"/api/sessions/{name}/mask").content for name in (one, again["session"])
    )
    assert mine == theirs


def test_sessions_end_when_nobody_uses_them_and_their_number_is_bounded() -> None:
    now = [0.0]
    sessions = Sessions(1, lambda: now[0])
    one, two = sessions.begin("page"), sessions.begin("page")
    now[0] = 50
    sessions.find(one.token, "page")
    now[0] = 70
    assert sessions.remaining(one.token) == 40
    with pytest.raises(RefusalError, match="was not used for 1 minutes"):
        sessions.find(two.token, "page")
    with pytest.raises(RefusalError, match="this session has ended, or it was not used for 1 min"):
        sessions.find(one.token, "slicer")
    for _ in range(MOST_SESSIONS - 1):
        sessions.begin("nninteractive")
    with pytest.raises(RefusalError, match="sessions are open; close one"):
        sessions.begin("page")
    now[0] = 200
    sessions.begin("page")
    assert len(sessions) == 1


def test_sessions_end_even_if_no_request_comes() -> None:
    now, looked = [0.0], threading.Semaphore(0)
    sessions = Sessions(1, lambda: now[0])

    def look() -> None:
        sessions.drop_unused()
        looked.release()

    Worker(look, 0.02)
    sessions.begin("slicer")
    now[0] = 61
    for _ in range(2):  # the first look may have begun before
        assert looked.acquire(timeout=10)
    assert len(sessions) == 0


def test_jobs_run_one_after_the_other_and_the_loop_stays_free() -> None:
    worker, order, running = Worker(), [], []

    def job(number: int, loop: asyncio.AbstractEventLoop) -> int:
        running.append(number)
        assert running == [number]
        ticked = threading.Event()
        loop.call_soon_threadsafe(ticked.set)
        assert ticked.wait(10)  # the loop runs while the job does
        order.append(number)
        running.clear()
        return number

    async def all_jobs() -> list[int]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(worker.run(lambda n=n: job(n, loop)) for n in range(6)))

    assert asyncio.run(all_jobs()) == order == list(range(6))
    assert worker.waiting == 0


async def until_waiting(worker: Worker, number: int) -> None:
    """Let other tasks run until so many jobs wait or are being computed."""
    while worker.waiting < number:
        await asyncio.sleep(0)


def test_a_client_that_goes_away_frees_its_place_and_its_job_is_left_out() -> None:
    worker, done, release = Worker(), [], threading.Event()

    async def gone() -> bool:
        return True

    async def try_it() -> None:
        slow = asyncio.create_task(worker.run(release.wait))
        await until_waiting(worker, 1)
        with pytest.raises(ClientGoneError):
            await worker.run(lambda: done.append("never"), gone)
        release.set()
        await slow
        await worker.run(lambda: done.append("last"))

    asyncio.run(try_it())
    assert done == ["last"]


def test_a_job_that_fails_raises_its_error_and_the_next_one_runs() -> None:
    worker = Worker()

    def fail() -> None:
        raise ZeroDivisionError

    async def try_it() -> int:
        with pytest.raises(ZeroDivisionError):
            await worker.run(fail)
        return await worker.run(lambda: 7)

    assert asyncio.run(try_it()) == 7


def test_too_many_waiting_jobs_are_refused() -> None:
    worker, release = Worker(), threading.Event()

    async def try_it() -> None:
        jobs = [asyncio.create_task(worker.run(release.wait)) for _ in range(MOST_WAITING)]
        await until_waiting(worker, MOST_WAITING)
        with pytest.raises(RefusalError, match="requests are waiting; try again later"):
            await worker.run(release.wait)
        release.set()
        await asyncio.gather(*jobs)

    asyncio.run(try_it())


def test_the_changed_box_holds_exactly_the_voxels_that_differ() -> None:
    one, two = np.zeros((9, 9, 9), np.uint8), np.zeros((9, 9, 9), np.uint8)
    one[2:4, 3:5, 1:3] = 1
    two[2:4, 3:5, 1:3] = 1
    assert changed_box(Region.of(one), Region.of(two)) is None
    two[7, 3, 1], two[2, 3, 1] = 2, 2
    assert changed_box(Region.of(one), Region.of(two)) == ((2, 8), (3, 4), (1, 2))
    assert changed_box(NOTHING, Region.of(one)) == ((2, 4), (3, 5), (1, 3))
    assert changed_box(NOTHING, NOTHING) is None
    assert np.array_equal(Region.of(two).whole((9, 9, 9)), two)


def test_the_longest_axial_diameter_is_that_of_a_drawn_shape() -> None:
    mask = np.zeros((20, 12, 4), bool)
    mask[3:13, 5, 1] = True
    mask[4, 2:8, 3] = True
    straight = Grid(mask.shape, np.diag([0.5, 2.0, 3.0, 1]))
    assert longest_axial_mm(mask, straight) == pytest.approx(np.hypot(0.5, 12))
    mask[4, 2:8, 3] = False
    assert longest_axial_mm(mask, straight) == pytest.approx(np.hypot(5, 2))
    turned = mask.transpose(2, 0, 1)
    affine = OBLIQUE @ np.array([[0, 0.5, 0, 0], [0, 0, 2.0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    assert longest_axial_mm(turned, Grid(turned.shape, affine)) == pytest.approx(
        np.hypot(5, 2), rel=0.1
    )
    assert longest_axial_mm(mask & False, straight) == 0


def test_the_longest_diameter_of_scattered_masks_is_that_of_all_parts() -> None:
    rng = np.random.default_rng(0)
    affine = np.array([[0.8, 0.2, 0, 0], [-0.1, 0.7, 0, 0], [0, 0.1, 3, 0], [0, 0, 0, 1.0]])
    for _ in range(20):
        mask = rng.random((12, 13, 3)) < rng.uniform(0.1, 0.6)
        longest = 0.0
        for plane in np.moveaxis(mask, 2, 0):
            parts, count = ndimage.label(plane, np.ones((3, 3)))
            for part in range(1, count + 1):
                pixels = np.argwhere(parts == part)
                corners = (pixels[:, None] + [[0, 0], [0, 1], [1, 0], [1, 1]]).reshape(-1, 2)
                places = corners @ affine[:3, :2].T
                steps = places[:, None] - places
                longest = max(longest, np.linalg.norm(steps, axis=2).max())
        assert longest_axial_mm(mask, Grid(mask.shape, affine)) == pytest.approx(longest)
