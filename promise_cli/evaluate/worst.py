"""The worst cases as slices, for the page that shows the scores."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import numpy as np

from promise_cli.console import warn
from promise_cli.errors import PromiseError
from promise_cli.evaluate.score_case import is_inside, target_of_value
from promise_cli.predictions.pairs import Pair, Pairing
from promise_cli.predictions.targets import Target
from promise_cli.report import Outline, PicturedCase, SlicePicture, draw_slices
from promise_cli.scores import CaseScore, Summary
from promise_cli.volume import Volume, read_label, read_volume

FEWEST_PICTURED, MOST_PICTURED = 6, 24
"""Cases and labels with slices: one a label, as far as that stays between these; each costs the reading of a scan."""


def picture_worst(
    pairing: Pairing, summary: Summary, cases: Sequence[CaseScore]
) -> tuple[PicturedCase, ...]:
    """Slices of the cases with the lowest Dice, each label in turn.

    A scan that is not there or does not fit leaves the outlines alone; a case with nothing to show, or whose files
    cannot be read any more, is left out.
    """
    pairs = {pair.case_id: pair for pair in pairing.pairs}
    targets = {target.label: target for target in pairing.targets or ()}
    for case in cases:
        if case.label not in targets:
            targets[case.label] = target_of_value(int(case.label))
    number = min(MOST_PICTURED, max(FEWEST_PICTURED, len(summary.labels)))
    chosen = list(_choose(summary))[:number]
    by_case: dict[str, list[int | str]] = {}
    for case_id, label in chosen:
        by_case.setdefault(case_id, []).append(label)
    with ThreadPoolExecutor(2) as threads:  # unpacking and numpy's loops let the other thread work
        drawn = threads.map(
            lambda case_id: _draw(pairs[case_id], [targets[label] for label in by_case[case_id]]),
            by_case,
        )
        found = {
            (case_id, label): pictures
            for (case_id, labels), of_case in zip(by_case.items(), drawn, strict=True)
            for label, pictures in zip(labels, of_case, strict=False)
        }
    return tuple(PicturedCase(*one, found[one]) for one in chosen if found.get(one))


def _choose(summary: Summary) -> Iterator[tuple[str, int | str]]:
    for row in zip_longest(*(label.worst_cases for label in summary.labels)):
        for case_id, label in zip(row, summary.labels, strict=True):
            if case_id is not None and label.label is not None:
                yield case_id, label.label


def _draw(pair: Pair, targets: Sequence[Target]) -> list[tuple[SlicePicture, ...]]:
    """The slices of each of a case's labels; none at all where a file cannot be read any more."""
    try:
        scan = _read_scan(pair.scan)
        label = read_label(pair.label, like=scan)
        if scan is not None and scan.array.shape != label.array.shape:
            scan, label = None, read_label(pair.label)
        found = None if pair.prediction is None else read_label(pair.prediction, like=scan or label)
    except (PromiseError, OSError) as error:
        warn(f"case {pair.case_id}: no slices in the page ({error})")
        return []
    drawn = []
    for target in targets:
        reference = is_inside(label.array, target.reference_values)
        prediction = np.zeros_like(reference)
        if found is not None:
            prediction = is_inside(found.array, target.prediction_values)
        outlines = (Outline("prediction", prediction), Outline("label", reference))
        voxels = None if scan is None else scan.array
        drawn.append(draw_slices(voxels, outlines, label.grid.spacing))
    return drawn


def _read_scan(path: Path | None) -> Volume | None:
    try:
        return None if path is None else read_volume(path)
    except PromiseError:
        return None
