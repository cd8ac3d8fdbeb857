"""The scores of another set of predictions of the same cases: read, or scored now."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from promise_cli.console import track
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import EvaluationError
from promise_cli.evaluate.rules import Rules, refuse_nothing_left
from promise_cli.evaluate.score_cases import complete_labels, refuse_absent_masks, score_cases
from promise_cli.predictions.pairs import Pairing, missing_error, pair_cases
from promise_cli.scores import METRICS_FILE, CaseScore, PairedScores, read_scores, scores_by_case
from promise_cli.volume import find_volumes


def score_other(
    other: Path, pairing: Pairing, rules: Rules, workspace: Workspace, workers: int | None
) -> tuple[PairedScores, tuple[str, ...]]:
    """Scores by the same rules, and against the same labels, as this set's; and what to know of them.

    Args:
        other: A folder of masks or one mask, which are scored now; a metrics.json, or a folder with nothing else.
        pairing: This set.
        rules: Rules that hold for both sets.
        workspace: Where labels are looked for.
        workers: Processes.

    Raises:
        EvaluationError: The other set holds other cases, or was scored by other rules.
        WorkspaceError: There is nothing.
    """
    record = other if other.suffix == ".json" else other / METRICS_FILE
    if record.is_file() and (record == other or not find_volumes(other)):
        settings = {
            "tolerances_mm": list(rules.tolerances_mm),
            "empty_policy": rules.empty,
            "missing_policy": rules.missing,
        }
        return read_scores(record, settings), ()
    found = _same_cases(
        pair_cases(other, pairing.labels, workspace, may_lack=rules.missing != "error"), pairing
    )
    lacking = missing_error(found)
    if lacking is not None and rules.missing == "error":
        raise lacking
    refuse_nothing_left(found, rules)
    if found.predictions.resolve() == pairing.predictions.resolve():
        raise EvaluationError(
            f"--compare {other}: these are the same predictions; name another set"
        )
    own = dataclasses.replace(rules, targets=found.targets, whole_label=found.whole_label)
    scored = track(score_cases(found.pairs, own, workers), "scoring other", len(found.pairs))
    scores = complete_labels(list(scored), own)
    refuse_absent_masks(scores, [target.label for target in pairing.targets or ()], found)
    return scores_by_case(scores), _notes(scores, found, rules)


def _notes(scores: Sequence[CaseScore], found: Pairing, rules: Rules) -> tuple[str, ...]:
    """What the policies did to the other set."""
    missing = sum(pair.prediction is None for pair in found.pairs)
    empty = sum(score.status == "both_empty" for score in scores)
    counts = []
    if missing:
        counts.append(f"predictions missing: {rules.missing}, {missing} cases")
    if empty:
        counts.append(f"both masks empty: {rules.empty}, {empty} scores")
    return (f"compared with {found.predictions}: {'; '.join(counts)}",) if counts else ()


def _same_cases(found: Pairing, pairing: Pairing) -> Pairing:
    """The other set with the cases of this one, which it must hold and no others."""
    wanted = {pair.case_id for pair in pairing.pairs}
    for pair in found.pairs:
        if pair.prediction is not None and pair.case_id not in wanted:
            raise EvaluationError(
                f"{pair.prediction}: case {pair.case_id} is not in {pairing.predictions}; both sets must hold the"
                " same cases"
            )
    kept = tuple(pair for pair in found.pairs if pair.case_id in wanted)
    lacking = sorted(wanted - {pair.case_id for pair in kept})
    if lacking:
        raise EvaluationError(
            f"{found.predictions}: case {lacking[0]} of {pairing.predictions} is not in it; both sets must hold the"
            " same cases"
        )
    return dataclasses.replace(found, pairs=kept)
