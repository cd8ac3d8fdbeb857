"""Errors that end a request without a result."""

from promise_cli.errors import PromiseError


class RefusalError(PromiseError):
    """Reason why a request is refused, with the HTTP status of the answer. The client shows the message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClientGoneError(Exception):
    """The client closed the connection before its answer was ready."""
