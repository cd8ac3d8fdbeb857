"""Find signs that masks, scans and labels do not belong together. The scores are computed nevertheless."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from promise_cli.console import counted
from promise_cli.errors import PromiseError, listed
from promise_cli.evaluate.score_case import ScoredCase
from promise_cli.predictions.pairs import Pairing, scan_next_to
from promise_cli.predictions.record import Predictions, is_as_written, read_record
from promise_cli.prompts import FOREGROUND
from promise_cli.volume import read_channel, volume_files

SHOWN = 3
"""Number of cases that a warning names, and of scans that are compared voxel by voxel."""
_BLOCK, _BLOCKS = 1 << 16, 16
"""Bytes of a block, and number of blocks of a file that are compared."""


def record_of(pairing: Pairing) -> Predictions | None:
    """Read the predictions.json that lists the masks of a pairing; None if none lists them, or if it is damaged."""
    record = read_record(pairing.folder)
    masks = {pairing.folder / case.mask for case in record.cases} if record else set()
    return record if any(pair.prediction in masks for pair in pairing.pairs) else None


def with_clicks(pairing: Pairing, record: Predictions | None) -> Pairing:
    """Return the pairing with the foreground clicks that predictions.json lists for each case."""
    if record is None:
        return pairing
    clicks = {
        case.case_id: tuple(click.ras_mm for click in case.clicks if click.label == FOREGROUND)
        for case in record.cases
    }
    pairs = (
        dataclasses.replace(pair, clicks=clicks.get(pair.case_id, ())) for pair in pairing.pairs
    )
    return dataclasses.replace(pairing, pairs=tuple(pairs))


def find_doubts(
    pairing: Pairing, record: Predictions | None, cases: Sequence[ScoredCase]
) -> tuple[str, ...]:
    """Return a line for each sign that masks, scans and labels do not belong together.

    Args:
        pairing: The cases and their files.
        record: The predictions.json that lists the masks; None if none lists them.
        cases: The scores of all cases.
    """
    return (
        *find_edited(pairing, record),
        *_other_scans(pairing, record),
        *_not_clicked(record, cases),
        *(_missed_clicks(pairing, cases) or _without_overlap(pairing, cases)),
    )


def find_edited(pairing: Pairing, record: Predictions | None) -> tuple[str, ...]:
    """Return a line that names the masks that are no longer as promise-predict wrote them."""
    scored = {pair.case_id for pair in pairing.pairs if pair.prediction is not None}
    edited = [
        case.mask
        for case in (record.cases if record else ())
        if case.case_id in scored and case.mask_bytes and not is_as_written(case, pairing.folder)
    ]
    if not edited:
        return ()
    verb, them = ("was", "it") if len(edited) == 1 else ("were", "them")
    return (
        f"{pairing.folder}: {listed(edited, SHOWN)} {verb} edited after promise-predict wrote {them}; the scores are"
        " those of the edited state",
    )


def _missed_clicks(pairing: Pairing, cases: Sequence[ScoredCase]) -> tuple[str, ...]:
    """Ask about the labels if foreground clicks lie outside of them. Cases with an empty label are not counted."""
    judged = [
        case
        for case in cases
        if case.pair.clicks and any(score.reference_voxels for score in case.scores)
    ]
    missed = [case.pair.case_id for case in judged if case.missed_clicks]
    if not missed:
        return ()
    if all(case.missed_clicks == len(case.pair.clicks) for case in judged):
        where = "the case" if len(judged) == 1 else f"all {len(judged)} cases"
        return (
            f"{pairing.labels}: the foreground clicks of {where} lie outside the label; are these the labels of the"
            f" scans that were clicked, and is {_target(pairing)} what was clicked?",
        )
    return (
        f"{pairing.labels}: in {len(missed)} of {counted(len(judged), 'case')} a foreground click lies outside the"
        f" label: {listed(missed, SHOWN)}",
    )


def _not_clicked(record: Predictions | None, cases: Sequence[ScoredCase]) -> tuple[str, ...]:
    """Return a line that names objects which labels hold and nobody clicked, since their masks are empty."""
    if record is None or not record.objects:
        return ()
    asked = {case.case_id: {lesion.name for lesion in case.lesions} for case in record.cases}
    missed = [
        f"{score.name} of {case.pair.case_id}"
        for case in cases
        for score in case.scores
        if score.reference_voxels
        and case.pair.prediction is not None
        and score.name not in asked.get(case.pair.case_id, {score.name})
    ]
    if not missed:
        return ()
    return (
        f"{counted(len(missed), 'object')} of the labels got no click, so the mask can hold only smaller objects"
        f" within {'it' if len(missed) == 1 else 'them'}: {listed(missed, SHOWN)}",
    )


def _target(pairing: Pairing) -> str:
    return " or ".join(f"{target.label} ({target.name})" for target in pairing.targets or ())


def _without_overlap(pairing: Pairing, cases: Sequence[ScoredCase]) -> tuple[str, ...]:
    """Ask about the labels if none of several masks shares a voxel with its label."""
    judged = [case for case in cases if any(score.status == "ok" for score in case.scores)]
    if len(judged) < 2 or any(score.common_voxels for case in judged for score in case.scores):
        return ()
    return (
        f"{pairing.labels}: no mask shares a voxel with its label in any of {len(judged)} cases; are these the labels"
        " of the same scans?",
    )


def _other_scans(pairing: Pairing, record: Predictions | None) -> tuple[str, ...]:
    """Ask about the labels if the scans next to them are not those that the masks were predicted on."""
    predicted = {case.case_id: Path(case.scan) for case in (record.cases if record else ())}
    tried = 0
    for pair in pairing.pairs:
        scan, near = predicted.get(pair.case_id), scan_next_to(pair.case_id, pair.label)
        if scan is None or near is None or not scan.exists() or tried == SHOWN:
            continue
        if _has_same_bytes(scan, near):
            continue
        tried += 1
        if not _has_same_voxels(scan, near):
            return (
                f"{pair.label}: lies next to the scan {near}, but its mask was predicted on {scan}, whose voxels"
                " differ; are these the labels of the predicted scans?",
            )
    return ()


def _has_same_bytes(scan: Path, other: Path) -> bool:
    """Whether two scans are the same file, or files whose size and blocks at even distances are equal."""
    if scan.samefile(other):
        return True
    if len(volume_files(scan)) > 1 or scan.is_dir() or scan.stat().st_size != other.stat().st_size:
        return False
    places = np.linspace(0, max(0, scan.stat().st_size - _BLOCK), _BLOCKS).astype(int).tolist()
    with scan.open("rb") as one, other.open("rb") as two:
        for place in places:
            one.seek(place)
            two.seek(place)
            if one.read(_BLOCK) != two.read(_BLOCK):
                return False
    return True


def _has_same_voxels(scan: Path, other: Path) -> bool:
    """Whether two scans hold the same numbers. Scans that cannot be read count as the same."""
    try:
        one, two = (read_channel(path).array for path in (scan, other))
    except (PromiseError, OSError, MemoryError):
        return True
    return one.shape == two.shape and bool(np.allclose(one, two, rtol=1e-4, atol=1e-3))
