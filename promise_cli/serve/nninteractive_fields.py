"""Reads the fields that clients of nnInteractive send, and packs the answers to them."""

import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from promise_cli import __version__
from promise_cli.errors import shown
from promise_cli.serve.bounded import number_triple, parse_fields
from promise_cli.serve.packed import pack
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.regions import changed_box
from promise_cli.serve.sessions import ClientSession

META = "X-Meta"
"""Name of the header with the JSON object that accompanies a packed array."""
_INTERACTIONS = ("points", "bbox2d", "bbox3d", "bbox", "scribble", "scribbles", "lasso")
CAPABILITIES: dict[str, Any] = {
    # The names of the interactions differ between versions of the protocol.
    "supported_interactions": dict.fromkeys(_INTERACTIONS, True) | {"initial_seg": False},
    "channel_mapping": {},
    "num_interaction_channels": 0,
    "supports_initial_label": False,
    "supports_zero_shot_label_refinement": False,
    "preferred_scribble_thickness": [2, 2, 2],
    "interaction_decay": 1.0,
    "inference_session_version": f"promise_cli {__version__}",
    "supports_undo": True,
    "do_autozoom": False,
}
"""Description of the networks that clients receive."""
Answer = tuple[dict[str, Any], bytes]
"""Meta data and body of an answer."""
NO_ANSWER: Answer = ({"ran_prediction": False, "bbox": None}, b"")
"""Answer to a request that has not changed the mask."""


def meta_of(request: Request) -> dict[str, Any]:
    """Read the JSON object in the header `X-Meta`. A missing header counts as an empty object."""
    return parse_fields(request.headers.get(META, "").encode("latin-1"))


def spacing_of(properties: Any) -> tuple[float, float, float] | None:
    """Return the spacing in mm along the axes of the client's array. None means that the client does not know it.

    1 x 1 x 1 mm counts as not known, because napari sends it for every image without a voxel size.

    Raises:
        RefusalError: The spacing is not three numbers, or is impossible.
    """
    found = properties.get("spacing") if isinstance(properties, dict) else None
    if found is None:
        return None
    a, b, c = number_triple(found, "spacing")
    if not all(0.001 <= edge <= 100 for edge in (a, b, c)):
        raise RefusalError(422, f"spacing: {shown(found)} mm is impossible")
    return None if (a, b, c) == (1, 1, 1) else (a, b, c)


def stroke_box(given: Any, shape: Sequence[int]) -> list[tuple[int, int]]:
    """Return the box of a stroke. It is the whole image unless the client names a part of it."""
    if given is None:
        return [(0, n) for n in shape]
    if not isinstance(given, list) or len(given) != 3 or not all(is_pair(span) for span in given):
        raise RefusalError(422, "interaction_bbox: three pairs of numbers are needed")
    return [(int(low), int(high)) for low, high in given]


def is_pair(value: Any) -> bool:
    """Whether a value is a list of two numbers."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(
            isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e9
            for one in value
        )
    )


def changes(session: ClientSession) -> Answer:
    """Return the changed part of the mask, with which the client updates its own mask."""
    marking = session.marked()
    changed = changed_box(session.sent, marking.region)
    if session.is_unsure:
        i, j, k = marking.scan.grid.shape
        changed = ((0, i), (0, j), (0, k))
    session.sent, session.is_unsure = marking.region, False
    if changed is None:
        return {"ran_prediction": True, "bbox": None}, b""
    part = session.axes.array_of(marking.region.within(changed)).astype(session.dtype)
    spans = session.axes.spans(changed, marking.scan.grid.shape)
    return {"ran_prediction": True, "bbox": [list(span) for span in spans]}, pack(part)


def packed(answer: Answer) -> Response:
    """Return an answer with its meta data in the header `X-Meta`."""
    meta, body = answer
    return Response(body, media_type="application/octet-stream", headers={META: json.dumps(meta)})
