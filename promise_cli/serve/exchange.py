"""Reads requests and writes answers, for all protocols."""

import base64
import gzip
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from promise_cli.console import warn
from promise_cli.errors import PromiseError, memory_reason
from promise_cli.predict.failed import reason_of
from promise_cli.serve.bounded import MOST_JSON, parse_fields
from promise_cli.serve.refusal import ClientGoneError, RefusalError

# A damaged form is answered with a refusal. The parser would also print a line about each.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

Handler = Callable[[Request], Awaitable[Response]]

_MOST_FIELDS = 16
_GONE = 499
"""HTTP status of an answer whose client has closed the connection."""


async def read_body(request: Request, most: int | None = None) -> bytes:
    """Read the body of a request. Without `most`, only the limit of all uploads applies.

    Raises:
        RefusalError: It is longer than `most` bytes.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if most is not None and size > most:
            raise RefusalError(413, f"the request is longer than {most} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def read_fields(request: Request) -> dict[str, Any]:
    """Read the body of a request, which must be a JSON object.

    Raises:
        RefusalError: The body is not a JSON object, or it is too long.
    """
    return parse_fields(await read_body(request, MOST_JSON))


async def read_form(request: Request) -> tuple[bytes, dict[str, str]]:
    """Read the file of a form, which is its field `file`, and the text of the other fields.

    While a large file arrives, it is kept in a temporary file without a name.

    Raises:
        RefusalError: The body is not a form, or the form is damaged or holds no file.
    """
    limits = {"max_files": 1, "max_fields": _MOST_FIELDS, "max_part_size": MOST_JSON}
    try:
        async with request.form(**limits) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise RefusalError(422, "the form holds no file; send it as the field 'file'")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            return await file.read(), fields
    except (HTTPException, MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise RefusalError(400, f"the form is damaged ({type(error).__name__})") from None


def bits(mask: NDArray[np.bool_]) -> bytes:
    """Pack a mask as bits, in C order with the first voxel in the highest bit, and then with gzip."""
    return gzip.compress(np.packbits(mask).tobytes(), 1)


def base64_gzip(values: NDArray[Any]) -> str:
    """Pack numbers in C order with gzip, as text in base64."""
    return base64.b64encode(gzip.compress(np.ascontiguousarray(values).tobytes(), 1)).decode()


def answering(
    handler: Handler,
    *,
    as_status: bool = False,
    refused: int | None = None,
    also: str | None = None,
) -> Handler:
    """Let a handler answer errors with a JSON object that gives the reason in `detail`.

    Args:
        handler: Handler of a request.
        as_status: Whether answers to errors also have the fields `status: error` and `message`, where 3D Slicer's
            extension looks for the reason. The statuses 409 and 422 then become 200, so that it reads them.
        refused: HTTP status that replaces the statuses 400, 409, 413 and 422. With None, each error keeps its own.
        also: Name of a further field for the reason, in which the client looks for it.
    """

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except (ClientGoneError, ClientDisconnect):
            return Response(status_code=_GONE)
        except RefusalError as error:
            status, reason = error.status, str(error)
        except PromiseError as error:
            status, reason = 422, str(error)
        except MemoryError as error:
            status, reason = 413, memory_reason(error)
        except Exception as error:
            status, reason = 500, reason_of(error)
            warn(f"{request.method} {request.url.path}: {reason}")
        content = {"detail": reason} | ({also: reason} if also else {})
        if as_status:
            content |= {"status": "error", "message": reason}
            status = 200 if status in (409, 422) else status
        if refused is not None and status in (400, 409, 413, 422):
            status = refused
        return JSONResponse(content, status)

    return answered
