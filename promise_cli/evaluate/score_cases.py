"""Scoring of many cases over processes, labels that only some cases have, and refusals of an absent target."""

import math
import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial

from promise_cli.errors import EvaluationError
from promise_cli.evaluate.rules import Rules, make_score
from promise_cli.evaluate.score_case import ScoredCase, list_values, score_case, target_of_value
from promise_cli.jobs import Death, Job, start_jobs
from promise_cli.predictions.pairs import Pair, Pairing
from promise_cli.scores import CaseScore
from promise_cli.scores.metrics import Scores

HELP_WANTED_S = 4.0
"""Further processes take a second to start; they are worth it when more than this is left."""


def score_cases(pairs: Sequence[Pair], rules: Rules, workers: int | None) -> Iterator[ScoredCase]:
    """Score cases, in their order.

    Args:
        pairs: The cases.
        rules: Rules that hold for all cases.
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
    yield from _score_beside(pairs[done:], rules, workers)


def _score_beside(pairs: Sequence[Pair], rules: Rules, workers: int | None) -> Iterator[ScoredCase]:
    """Score in processes that end with this one; results keep the order of the pairs."""
    jobs = [Job(pair, pair.case_id, 0) for pair in pairs]
    waiting: dict[int, ScoredCase] = {}
    next_one = 0
    for number, scored in start_jobs(partial(score_case, rules=rules), jobs, workers):
        if isinstance(scored, Death):
            raise EvaluationError(
                f"case {scored.name}: the process that scored it died of {scored.reason}, also alone; score where"
                " there is more memory, or use --workers 0"
            )
        waiting[number] = scored
        while next_one in waiting:
            yield waiting.pop(next_one)
            next_one += 1


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


def refuse_absent_target(cases: Sequence[ScoredCase], pairing: Pairing) -> None:
    """Refuse labels of which none holds the target, unless their dataset.json says that they might.

    A set of healthy cases is as good as any; but labels that hold other values alone, such as a mask of 0 and 1 for a
    target of value 2, would score 0 without a word.

    Raises:
        EvaluationError: All labels lack the target and some hold other values.
    """
    if pairing.is_named or not pairing.targets:
        return
    others = {value for case in cases for value in case.other_values}
    found = any(score.reference_voxels for case in cases for score in case.scores)
    if others and not found:
        target = pairing.targets[0]
        raise EvaluationError(
            f"{pairing.labels}: no label holds {target.label} ({target.name}), the target of {pairing.predictions};"
            f" they hold {list_values(others)}: give the dataset's own labels"
        )


def refuse_absent_masks(
    scores: Sequence[CaseScore], compared: Collection[int | str], other: Pairing
) -> None:
    """Refuse a set to compare with whose masks never hold what is compared, but other labels.

    Raises:
        EvaluationError: So it is.
    """
    there = {score.label: score.name for score in scores if score.prediction_voxels}
    absent = [score for score in scores if score.label in compared and score.label not in there]
    if absent and there and not there.keys() & set(compared):
        raise EvaluationError(
            f"--compare {other.predictions}: no mask holds {absent[0].label} ({absent[0].name}), which is compared;"
            f" they hold {', '.join(f'{label} ({name})' for label, name in there.items())}: write the label's value"
            " into the masks"
        )
