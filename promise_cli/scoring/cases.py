"""Many cases over processes, and the labels that only some of them have."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from promise_cli.errors import EvaluationError
from promise_cli.metrics import Scores
from promise_cli.pairs import Pair
from promise_cli.scores import CaseScore
from promise_cli.scoring.case import ScoredCase, list_values, score_case, target_of_value
from promise_cli.scoring.rules import Rules, make_score

HELP_WANTED_S = 4.0
"""Further processes take a second to start; they are worth it when more than this is left."""


def score_cases(pairs: Sequence[Pair], rules: Rules, workers: int | None) -> Iterator[ScoredCase]:
    """Score cases, in their order.

    Args:
        pairs: The cases.
        rules: For all of them.
        workers: Processes; 0 works in this one, None begins here and takes one a core when much
            is left.

    Raises:
        EvaluationError: A case cannot be compared, or a process was killed.
        VolumeError: A file is damaged or holds no label.
    """
    begin, done = time.monotonic(), 0
    while done < len(pairs) and (workers == 0 or workers is None):
        yield score_case(pairs[done], rules)
        done += 1
        left_s = (time.monotonic() - begin) / done * (len(pairs) - done)
        if workers is None and left_s > HELP_WANTED_S:
            break
    rest = pairs[done:]
    count = min(workers or os.cpu_count() or 1, len(rest))
    if count == 0:
        return
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"))
    try:
        yield from pool.map(score_case, rest, [rules] * len(rest))
    except BrokenProcessPool:
        raise EvaluationError(
            "a process was killed while scoring, perhaps for want of memory; use --workers 0"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def notes_of_labels(cases: Sequence[ScoredCase], most: int = 3) -> tuple[str, ...]:
    """What is odd about the geometry of label files, the first few cases of each kind by name."""
    found: dict[str, list[str]] = {}
    for case in cases:
        for note in case.notes:
            found.setdefault(note, []).append(case.pair.case_id)
    return tuple(
        f"label of {', '.join(names[:most])}{f' and {len(names) - most} more' if len(names) > most else ''}: {note}"
        for note, names in found.items()
    )


def complete_labels(cases: Sequence[ScoredCase], rules: Rules) -> list[CaseScore]:
    """All scores in order; labels that were not known beforehand are given to every case.

    Raises:
        EvaluationError: A prediction holds a value that no reference holds.
    """
    if rules.targets is not None:
        return [score for case in cases for score in case.scores]
    known = {score.label for case in cases for score in case.scores if score.reference_voxels}
    known = known or {1}
    nothing = Scores(math.nan, (math.nan,) * len(rules.tolerances_mm), 0, 0)
    scores = []
    for case in cases:
        there = {score.label: score for score in case.scores}
        others = set(there) - known
        if others:
            raise EvaluationError(
                f"{case.pair.prediction}: holds the value {list_values(others)}, the label files hold"
                f" {list_values(known)}; give the prediction the labels' values"
            )
        for value in known - set(there):
            target = target_of_value(int(value))
            there[value] = make_score(
                case.pair, target, case.spacing, case.voxel_ml, case.scan_voxels, nothing, rules
            )
        scores += [there[value] for value in sorted(there, key=int)]
    return scores
