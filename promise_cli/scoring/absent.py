"""Refuses sets in which a target can only be absent because a value means something else in the files."""

from collections.abc import Collection, Sequence

from promise_cli.errors import EvaluationError
from promise_cli.pairs import Pairing
from promise_cli.scores import CaseScore
from promise_cli.scoring.case import ScoredCase, list_values


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
