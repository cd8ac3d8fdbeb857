"""Get the scores of another set of predictions of the same cases, by reading a file or by scoring its masks now."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from promise_cli.console import counted, track
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import EvaluationError
from promise_cli.evaluate.doubts import find_edited, record_of
from promise_cli.evaluate.rules import Rules, refuse_nothing_left
from promise_cli.evaluate.score_cases import complete_labels, refuse_missing_masks, score_cases
from promise_cli.predictions.pairs import Pairing, missing_error, pair_cases
from promise_cli.scores import METRICS_FILE, CaseScore, PairedScores, read_scores, scores_by_case
from promise_cli.volume import find_volumes


def score_other(
    other: Path, pairing: Pairing, rules: Rules, workspace: Workspace, workers: int | None
) -> tuple[PairedScores, tuple[str, ...]]:
    """Return the scores of the set to compare with, and notes on them.

    Rules and labels are those of this set, which is the one that promise-evaluate was called for.

    Args:
        other: The other set. A folder of masks or a single mask is scored now. If it is a metrics.json, or a folder
            that holds one but no masks, the scores are read from that file.
        pairing: Cases of this set.
        rules: Rules that apply to both sets.
        workspace: Workspace in which labels are looked for.
        workers: Number of processes, as for `score_cases`.

    Raises:
        EvaluationError: The other set holds different cases, was scored by different rules, or is this set itself.
        WorkspaceError: There is nothing to evaluate.
    """
    if (record := scores_file(other)) is not None:
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
    refuse_missing_masks(scores, [target.label for target in pairing.targets or ()], found)
    edited = find_edited(found, record_of(found))
    return scores_by_case(scores), (*_notes(scores, found, rules), *edited)


def scores_file(other: Path) -> Path | None:
    """Return the metrics.json that a path to compare with means; None if it means masks."""
    record = other if other.suffix == ".json" else other / METRICS_FILE
    return record if record.is_file() and (record == other or not find_volumes(other)) else None


def _notes(scores: Sequence[CaseScore], found: Pairing, rules: Rules) -> tuple[str, ...]:
    """Return one note that says how often each policy applied to the other set, or no note if neither applied."""
    missing = sum(pair.prediction is None for pair in found.pairs)
    empty = sum(score.status == "both_empty" for score in scores)
    counts = []
    if missing:
        counts.append(f"predictions missing: {rules.missing}, {counted(missing, 'case')}")
    if empty:
        counts.append(f"both masks empty: {rules.empty}, {counted(empty, 'score')}")
    return (f"compared with {found.predictions}: {'; '.join(counts)}",) if counts else ()


def _same_cases(found: Pairing, pairing: Pairing) -> Pairing:
    """Return the other set with only the cases of this one.

    Raises:
        EvaluationError: A case of this set is not in the other set, or the other set predicts a further case.
    """
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
