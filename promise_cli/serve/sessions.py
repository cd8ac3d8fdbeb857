"""The clients' sessions. Each has a token that cannot be guessed, and ends when nobody uses it for some time."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from promise_cli.serve.array_axes import STORED, ArrayAxes
from promise_cli.serve.marking import Marking
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import NOTHING, Region

MOST_SESSIONS = 32
"""Largest number of sessions at the same time."""
Kind = Literal["page", "nninteractive", "slicer", "itksnap"]


@dataclass(eq=False)
class ClientSession:
    """What the server keeps for one client."""

    token: str
    kind: Kind
    used: float
    """Time of the last request that counts as use, in seconds of the monotonic clock."""
    marking: Marking | None = None
    """Clicks on the scan. None until the client has sent or named a scan."""
    axes: ArrayAxes = STORED
    """Axes of the client's array."""
    order: str = "stored"
    """Order of the axes that a page asked for: `ras` or `stored`."""
    is_upload: bool = False
    """Whether the client's scan is held only for this session, because it is not in the list."""
    dtype: np.dtype[np.generic] = field(default_factory=lambda: np.dtype(np.uint8))
    """Type of the client's mask."""
    sent: Region = NOTHING
    """The mask that the client has."""
    is_unsure: bool = False
    """Whether the client may have another mask than `sent`."""
    steps: list[int] = field(default_factory=list)
    """Number of clicks that each interaction of a viewer has added. Undo removes those of the last one."""

    @property
    def scan_key(self) -> str:
        """Name of the scan, or the session's token if the scan is held only for this session."""
        return self.token if self.is_upload else self.marked().name

    def marked(self) -> Marking:
        """Return the clicks on the scan.

        Raises:
            RefusalError: The client has not sent a scan.
        """
        if self.marking is None:
            raise RefusalError(409, "no image was sent; send the scan first")
        return self.marking


class Sessions:
    """All sessions of the server."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a session. Sessions end after this many minutes without use."""
        self.seconds = minutes * 60
        self._clock = clock
        self._sessions: dict[str, ClientSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, kind: Kind) -> ClientSession:
        """Begin a session.

        Raises:
            RefusalError: There are too many sessions that were used lately.
        """
        self.drop_unused()
        if len(self._sessions) >= MOST_SESSIONS:
            raise RefusalError(
                503, f"{MOST_SESSIONS} sessions are open; close one, or try again later"
            )
        session = ClientSession(secrets.token_urlsafe(16), kind, self._clock())
        self._sessions[session.token] = session
        return session

    def find(self, token: str, kind: Kind, *, is_use: bool = True) -> ClientSession:
        """Return a session. This counts as use of the session unless `is_use` is false.

        Raises:
            RefusalError: The session has ended, belongs to another protocol, or never existed.
        """
        self.drop_unused()
        session = self._sessions.get(token)
        if session is None or session.kind != kind:
            raise RefusalError(
                410, f"this session has ended, or it was not used for {self.seconds / 60:g} minutes;"
                " begin a new one (saved masks are kept)"
            )  # fmt: skip
        if is_use:
            session.used = self._clock()
        return session

    def remaining(self, token: str) -> float:
        """Return after how many seconds without use a session ends. It is 0 if the session has ended."""
        session = self._sessions.get(token)
        return max(0.0, session.used + self.seconds - self._clock()) if session else 0.0

    def end(self, token: str) -> None:
        """End a session. Nothing happens if it has ended already."""
        self._sessions.pop(token, None)

    def tokens(self) -> tuple[str, ...]:
        """Return the tokens of all sessions."""
        return tuple(self._sessions)

    def uploads(self) -> int:
        """Return how many scans are held for single sessions."""
        return sum(session.is_upload for session in list(self._sessions.values()))

    def drop_unused(self) -> None:
        """End the sessions that nobody has used for too long. This may be called in any thread."""
        oldest = self._clock() - self.seconds
        for token, one in list(self._sessions.items()):
            if one.used < oldest:
                self._sessions.pop(token, None)
