"""Pictures of the cases in slices, for the page that shows the scores."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import numpy as np

from promise_cli.console import warn
from promise_cli.errors import PromiseError
from promise_cli.evaluate.score_case import is_inside, target_of_value
from promise_cli.predictions.pairs import Pair, Pairing
from promise_cli.predictions.record import ClickRecord, Predictions
from promise_cli.predictions.targets import Target
from promise_cli.report import (
    Outline,
    PicturedCase,
    SlicePicture,
    crosses_of,
    draw_slices,
    mark_cases,
)
from promise_cli.scores import CaseScore
from promise_cli.volume import Volume, read_channel, read_label

MOST_PICTURED = 100
"""Largest number of scores (one for each case and label) with slices.

Each costs the reading of a scan, and about 50 kB of the page.
"""


def picture_cases(
    pairing: Pairing, cases: Sequence[CaseScore], record: Predictions | None, channel: int = 1
) -> tuple[PicturedCase, ...]:
    """Draw slices of every case and label, the lowest Dice first.

    If there are more than `MOST_PICTURED`, only the worst ones are drawn, with the best and the median one. Clicks that
    predictions.json lists are drawn too. If a scan is missing or does not match its label, only outlines are drawn. A
    case is left out if it has nothing to show, or if its files can no longer be read.

    Args:
        pairing: The cases and their files.
        cases: The scores.
        record: Content of the predictions.json that lists the clicks; None if no clicks are known.
        channel: Channel of the scans that is shown, counted from 1.
    """
    pairs = {pair.case_id: pair for pair in pairing.pairs}
    targets = {target.label: target for target in pairing.targets or ()}
    for case in cases:
        if case.label not in targets:
            targets[case.label] = target_of_value(int(case.label))
    chosen = _choose(cases)
    clicks = {case.case_id: case.clicks for case in record.cases} if record else {}
    by_case: dict[str, list[int | str]] = {}
    for case_id, label in chosen:
        by_case.setdefault(case_id, []).append(label)
    # While one thread unpacks a file or runs a loop of numpy, the other one can work.
    with ThreadPoolExecutor(2) as threads:
        drawn = threads.map(
            lambda case_id: _draw(
                pairs[case_id],
                [targets[label] for label in by_case[case_id]],
                clicks.get(case_id, ()),
                channel,
            ),
            by_case,
        )
        try:
            found = {
                (case_id, label): pictures
                for (case_id, labels), of_case in zip(by_case.items(), drawn, strict=True)
                for label, pictures in zip(labels, of_case, strict=False)
            }
        except KeyboardInterrupt:
            threads.shutdown(cancel_futures=True)
            raise
    return tuple(PicturedCase(*one, found[one]) for one in chosen if found.get(one))


def _choose(cases: Sequence[CaseScore]) -> list[tuple[str, int | str]]:
    """Return case and label of every picture: the lowest Dice first, and scores without a Dice last.

    If there are too many, every label gets one picture before any label gets two. The cases that the page marks as
    worst, best and median are chosen first. The others follow from the worst to the best.
    """
    ranked = sorted(cases, key=lambda case: (math.isnan(case.dice), case.dice, case.case_id))
    first = {one for marked in mark_cases(cases).values() for one in marked}
    turns: dict[int | str, list[tuple[str, int | str]]] = {}
    for case in sorted(ranked, key=lambda case: (case.case_id, case.label) not in first):
        turns.setdefault(case.label, []).append((case.case_id, case.label))
    in_turn = [one for turn in zip_longest(*turns.values()) for one in turn if one is not None]
    chosen = set(in_turn[:MOST_PICTURED])
    return [one for case in ranked if (one := (case.case_id, case.label)) in chosen]


def _draw(
    pair: Pair, targets: Sequence[Target], clicks: Sequence[ClickRecord], channel: int
) -> list[tuple[SlicePicture, ...]]:
    """Draw the slices of each label of a case.

    Return an empty list if a file can no longer be read, or if memory runs out. The scores do not need the slices.
    """
    try:
        return _draw_labels(pair, targets, clicks, channel)
    except (PromiseError, OSError, MemoryError) as error:
        warn(f"case {pair.case_id}: no slices in the page ({error})")
        return []


def _draw_labels(
    pair: Pair, targets: Sequence[Target], clicks: Sequence[ClickRecord], channel: int
) -> list[tuple[SlicePicture, ...]]:
    """Read the files of a case, and draw the slices of each label."""
    scan = _read_scan(pair.scan, channel)
    label = read_label(pair.label, like=scan)
    if scan is not None and scan.array.shape != label.array.shape:
        scan, label = None, read_label(pair.label)
    found = None if pair.prediction is None else read_label(pair.prediction, like=scan or label)
    drawn = []
    crosses = crosses_of(clicks, label.grid)
    for target in targets:
        reference = is_inside(label.array, target.reference_values)
        prediction = np.zeros_like(reference)
        if found is not None:
            prediction = is_inside(found.array, target.prediction_values)
        outlines = (Outline("prediction", prediction), Outline("label", reference))
        voxels = None if scan is None else scan.array
        spacing = label.grid.spacing
        drawn.append(draw_slices(voxels, outlines, spacing, clicks=crosses, project_clicks=True))
    return drawn


def _read_scan(path: Path | None, channel: int) -> Volume | None:
    """Read a channel of a scan. Return None if it cannot be read, unless the user chose the channel."""
    try:
        return None if path is None else read_channel(path, channel - 1)
    except (PromiseError, MemoryError):
        if channel > 1:
            raise
        return None
