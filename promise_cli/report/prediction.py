"""report.html: every case of a set of predictions on one page, which needs no network and no other file."""

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from promise_cli.atomic import write_text
from promise_cli.errors import PromiseError
from promise_cli.pictures import picture_of_case
from promise_cli.predictions import (
    FAILURES,
    RECORD,
    ClickRecord,
    Failures,
    PredictedCase,
    Predictions,
)
from promise_cli.prompts import FOREGROUND
from promise_cli.records import load_record
from promise_cli.volume import Volume, read_label, read_volume

REPORT = "report.html"

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
section { margin: 2.5rem 0; break-inside: avoid; }
img { max-width: 100%; height: auto; }
.odd { color: #b00; }
"""


def draw_picture(
    scan: Volume, mask: NDArray[np.uint8], clicks: Sequence[ClickRecord], case_id: str
) -> bytes:
    """A PNG of three slices through the first foreground click, or through the middle of the mask where there is none.

    Args:
        scan: With its voxels.
        mask: (I, J, K) on `scan.grid`.
        clicks: As they were understood.
        case_id: The title.
    """
    own = [click for click in clicks if click.label == FOREGROUND]
    places = [np.rint(scan.grid.ijk(click.ras_mm)).astype(int) for click in own]
    if places:
        centre = places[0]
    elif mask.any():
        centre = np.argwhere(mask).mean(axis=0).astype(int)
    else:
        centre = np.array(mask.shape) // 2
    i, j, k = centre.tolist()
    return picture_of_case(
        scan.array, mask, None, (i, j, k), scan.grid.spacing, case_id, mark=bool(places)
    )


def write_report(folder: Path, pictures: Mapping[str, bytes]) -> None:
    """Write report.html beside the masks of a folder.

    Args:
        folder: Holds predictions.json.
        pictures: By case id, as far as they are drawn already; the others are drawn from scan and mask.
    """
    record = load_record(Predictions, folder / RECORD)
    failures = folder / FAILURES
    failed = load_record(Failures, failures).failures if failures.exists() else ()
    sections = [_section(case, pictures, folder) for case in record.cases]
    rows = [_row(case) for case in record.cases]
    missing = [
        f"<tr><td>{_text(failure.case_id)}</td><td class='odd' style='text-align: left'>"
        f"{_text(failure.reason)}</td></tr>"
        for failure in failed
    ]
    title = f"{folder.absolute().name}: {record.target_name} of {record.dataset}"
    parts = [
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1><p>{len(record.cases)} cases, {len(failed)} without a mask."
        f" Networks: {_text(', '.join(record.checkpoints))}. Clicks: {_text(record.prompts)}."
        f" Made {_text(record.created)} by promise_cli {_text(record.promise_cli)}."
        " Research software and no medical device.</p>",
        "<table><thead><tr><th>case</th><th>click (i, j, k)</th><th>LPS mm</th><th>intensity</th><th>windows</th>"
        "<th>ml</th><th>click in mask</th></tr></thead><tbody>",
        *rows,
        "</tbody></table>",
        *([f"<h2>Without a mask</h2><table>{''.join(missing)}</table>"] if missing else []),
        *sections,
        "</body></html>\n",
    ]
    write_text(folder / REPORT, "\n".join(parts))


def _row(case: PredictedCase) -> str:
    click = case.clicks[0] if case.clicks else None
    cells = [
        f"<a href='#{_text(case.case_id)}'>{_text(case.case_id)}</a>",
        ", ".join(map(str, click.voxel)) if click else "none",
        ", ".join(f"{value:.1f}" for value in click.lps_mm) if click else "",
        f"{click.intensity:g}" if click else "",
        str(len(case.windows)),
        f"{case.volume_ml:.2f}",
        ("yes" if case.holds_its_clicks else "<span class='odd'>no</span>") if click else "",
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _section(case: PredictedCase, pictures: Mapping[str, bytes], folder: Path) -> str:
    name = _text(case.case_id)
    lesions = "; ".join(
        f"{_text(lesion.name or f'value {lesion.value}')}: {lesion.volume_ml:.2f} ml"
        for lesion in case.lesions
    )
    closed = "" if case.closed else " <span class='odd'>The mask goes on beyond the windows.</span>"
    try:
        drawn = pictures.get(case.case_id) or _draw_again(case, folder)
    except PromiseError as error:
        picture = f"<p class='odd'>{_text(str(error))}</p>"
    else:
        data = base64.b64encode(drawn).decode()
        picture = f"<img alt='three slices of {name}' src='data:image/png;base64,{data}'>"
    return (
        f"<section id='{name}'><h2>{name}</h2><p>{lesions}.{closed} Scan {_text(case.scan)}, mask"
        f" {_text(case.mask)}.</p>{picture}</section>"
    )


def _draw_again(case: PredictedCase, folder: Path) -> bytes:
    """From the files, for a case of an earlier call."""
    scan = read_volume(Path(case.scan), keep_integers=True)
    mask = read_label(folder / case.mask, like=scan).array.astype(np.uint8)
    return draw_picture(scan, mask, case.clicks, case.case_id)


def _text(text: str) -> str:
    return html.escape(text, quote=True)
