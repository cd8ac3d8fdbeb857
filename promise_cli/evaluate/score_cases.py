"""Score many cases in processes, and make the checks that need the scores of all cases."""

import math
import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from promise_cli.errors import EvaluationError, listed
from promise_cli.evaluate.rules import Rules, make_score
from promise_cli.evaluate.score_case import ScoredCase, list_values, score_case, target_of_value
from promise_cli.jobs import Death, Job, start_jobs
from promise_cli.predictions.pairs import Pair, Pairing
from promise_cli.scores import CaseScore
from promise_cli.scores.metrics import Scores
from promise_cli.volume import REORDERED

HELP_WANTED_S = 4.0
"""Seconds of work above which further processes are started. Starting them takes about one second."""


def score_cases(pairs: Sequence[Pair], rules: Rules, workers: int | None) -> Iterator[ScoredCase]:
    """Score cases and yield the results in the order of the cases.

    Args:
        pairs: The cases.
        rules: Rules that hold for all cases.
        workers: Number of processes. 0 works in this process. None begins in this process, and starts one for each core
            if much is left.

    Raises:
        EvaluationError: A case cannot be compared, or a process died.
        VolumeError: A file is damaged, or is not a label file.
    """
    begin, done = time.monotonic(), 0
    while done < len(pairs) and (workers == 0 or workers is None):
        yield score_case(pairs[done], rules)
        done += 1
        left_s = (time.monotonic() - begin) / done * (len(pairs) - done)
        if workers is None and left_s > HELP_WANTED_S:
            break
    yield from _score_in_processes(pairs[done:], rules, workers)


def _score_in_processes(
    pairs: Sequence[Pair], rules: Rules, workers: int | None
) -> Iterator[ScoredCase]:
    """Score in further processes, which end with this one. The results keep the order of the pairs."""
    jobs = [Job(pair, pair.case_id, 0) for pair in pairs]
    waiting: dict[int, ScoredCase] = {}
    next_one = 0
    for number, scored in start_jobs(partial(score_case, rules=rules), jobs, workers):
        if isinstance(scored, Death):
            raise EvaluationError(
                f"case {scored.name}: the process that scored it died of {scored.reason}, even with no"
                " other job running; score where there is more memory, or use --workers 0"
            )
        waiting[number] = scored
        while next_one in waiting:
            yield waiting.pop(next_one)
            next_one += 1


def notes_of_labels(cases: Sequence[ScoredCase], most: int = 3) -> tuple[str, ...]:
    """Return the notes on the geometry of the files, each with the ids of the first `most` cases that it is about."""
    found: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        for note in case.notes:
            found.setdefault(("label", note), []).append(case.pair.case_id)
        if case.is_reordered:
            found.setdefault(("prediction", REORDERED), []).append(case.pair.case_id)
    return tuple(
        f"{file} of {listed(names, most)}: {note}" for (file, note), names in found.items()
    )


def complete_labels(cases: Sequence[ScoredCase], rules: Rules) -> list[CaseScore]:
    """Return all scores in order, with the same labels for every case.

    If the labels were not known beforehand, they are the values that the label files hold, or 1 if all label files are
    empty. A case in which neither file holds one of these values gets the score of two empty masks for it.

    Raises:
        EvaluationError: A prediction holds a value that no label file holds.
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
                f"{case.pair.prediction}: holds the value {list_values(others)}, but the label files hold"
                f" {list_values(known)}; give the prediction the labels' values"
            )
        for value in known - set(there):
            target = target_of_value(int(value))
            there[value] = make_score(
                case.pair, target, case.spacing, case.voxel_ml, case.scan_voxels, nothing, rules
            )
        scores += [there[value] for value in sorted(there, key=int)]
    return scores


def refuse_missing_target(cases: Sequence[ScoredCase], pairing: Pairing) -> None:
    """Refuse label files that hold other values but never the target, unless their dataset.json names the target.

    Label files without any values are accepted, since a set of healthy cases is valid. Label files with only other
    values, such as 0 and 1 where the target has value 2, would score 0 without any message.

    Raises:
        EvaluationError: No label file holds the target, and some hold other values.
    """
    if pairing.is_named or not pairing.targets:
        return
    others = {value for case in cases for value in case.other_values}
    found = any(score.reference_voxels for case in cases for score in case.scores)
    if others and not found:
        target = pairing.targets[0]
        raise EvaluationError(
            f"{pairing.labels}: no label file holds {target.label} ({target.name}), the target of"
            f" {pairing.predictions}, but some hold {list_values(others)}; give the dataset's own labels"
        )


def refuse_missing_masks(
    scores: Sequence[CaseScore], compared: Collection[int | str], other: Pairing
) -> None:
    """Refuse a set to compare with whose masks hold other labels but never the compared ones.

    Raises:
        EvaluationError: No mask of the other set holds a compared label, and some masks hold other labels.
    """
    there = {score.label: score.name for score in scores if score.prediction_voxels}
    missing = [score for score in scores if score.label in compared and score.label not in there]
    if missing and there and not there.keys() & set(compared):
        raise EvaluationError(
            f"--compare {other.predictions}: no mask holds {missing[0].label} ({missing[0].name}), which is compared,"
            f" but some hold {listed(f'{label} ({name})' for label, name in there.items())}; write the label's"
            " value into the masks"
        )
