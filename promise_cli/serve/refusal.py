"""The error of a request that cannot be answered, with its HTTP status."""

from promise_cli.errors import PromiseError


class RefusalError(PromiseError):
    """A request that cannot be answered. The client shows the message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClientGoneError(Exception):
    """The client closed the connection before its answer was ready."""
