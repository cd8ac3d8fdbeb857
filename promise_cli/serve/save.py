"""Saves the mask and the clicks of a session, as promise-predict writes them."""

from dataclasses import replace
from typing import Any

from promise_cli.console import say
from promise_cli.predict.open_case import write_open_case
from promise_cli.prompts import Click
from promise_cli.serve.marking import Marking
from promise_cli.serve.refusal import RefusalError
from promise_cli.serve.service import Service


def save(service: Service, marking: Marking, overwrite: bool) -> dict[str, Any]:
    """Write the mask, its record and the clicks of one scan.

    Args:
        service: The server.
        marking: Clicks on a scan of the list.
        overwrite: Whether to replace a mask that was edited, or that other networks have made.

    Returns:
        The files that were written, and the volume of all lesions and of each lesion, in ml.

    Raises:
        PromiseError: There is no click, or a file must not be replaced. Nothing was written then.
    """
    if not marking.clicks:
        raise RefusalError(422, f"{marking.name}: there is no click; click on the target first")
    request = service.request.as_predict_request(service.output, overwrite=overwrite)
    written, files = write_open_case(
        request,
        service.workspace,
        service.predictor,
        marking.scan.session,
        service.scans.files,
        marking.name,
        _numbered(marking),
    )
    say(f"{marking.name}: saved {files[0]}")
    return {
        "files": [str(path) for path in files],
        "ml": written.volume_ml,
        "lesions": [
            {"lesion": one.value, "name": one.name, "ml": one.volume_ml} for one in written.lesions
        ],
    }


def _numbered(marking: Marking) -> tuple[Click, ...]:
    """Return all clicks. Their lesions are numbered 1, 2, ... without those that have no click, as in a click file."""
    marked = [one for one in marking.lesions.values() if one.clicks]
    return tuple(
        replace(click, lesion=replace(one.lesion, number=number))
        for number, one in enumerate(marked, 1)
        for click in one.clicks
    )
