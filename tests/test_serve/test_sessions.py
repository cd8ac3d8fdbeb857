"""A session is in use from the beginning of a request to its answer, however long that takes."""

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient

from promise_cli.serve.open_scans import OpenScan
from promise_cli.serve.service import Service
from promise_cli.serve.sessions import Sessions
from promise_cli.session.prediction import Prediction
from tests.test_serve.test_page_api import begin, click


def test_a_session_does_not_end_while_a_request_of_it_is_answered() -> None:
    now = [0.0]
    sessions = Sessions(1, lambda: now[0])

    async def answer(token: str | None, *, is_use: bool = True) -> str:
        session = sessions.find(token, "page", is_use=is_use) if token else sessions.begin("page")
        await asyncio.sleep(0.01)
        return session.token

    async def pass_time(seconds: float) -> None:
        await asyncio.sleep(0)  # the requests begin
        now[0] += seconds
        sessions.drop_unused()
        assert [sessions.remaining(token) for token in sessions.tokens()] in ([], [60])
        await asyncio.sleep(0.02)  # they are answered

    async def try_it() -> None:
        beginning = asyncio.create_task(answer(None))
        await pass_time(1000)
        token = await beginning
        now[0] += 59
        clicks = [asyncio.create_task(answer(token)) for _ in range(2)]
        await pass_time(1000)
        assert [await one for one in clicks] == [token, token]
        assert sessions.remaining(token) == 60
        now[0] += 59
        looking = asyncio.create_task(answer(token, is_use=False))
        assert sessions.remaining(token) == 1
        await pass_time(2)
        await looking
        assert sessions.tokens() == ()

    asyncio.run(try_it())


def test_a_click_that_takes_longer_than_a_session_lasts_is_answered(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    sessions = service.sessions = Sessions(1, lambda: now[0])
    session, other = (begin(client, order="stored")["session"] for _ in range(2))
    predict = OpenScan.predict

    def slowly(*arguments: Any) -> Prediction:
        now[0] += 1000
        sessions.drop_unused()
        return predict(*arguments)

    monkeypatch.setattr(OpenScan, "predict", slowly)
    for number, point in enumerate(([13, 12, 9], [16, 14, 11]), 1):
        assert len(click(client, session, point)["lesions"][0]["clicks"]) == number
    assert sessions.tokens() == (session,)
    assert client.get(f"/api/sessions/{other}").status_code == 410
