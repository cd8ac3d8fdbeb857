"""The scores that a training left in the folder of its run."""

from collections.abc import Iterable
from pathlib import Path

from promise_cli.disk.records import load_json
from promise_cli.errors import EvaluationError
from promise_cli.scores import METRICS_FILE, CaseScore, read_case_scores
from promise_cli.scores.statistics import mean_of
from promise_cli.scores.tolerances import TRAINING_TOLERANCE_MM

_SETTINGS = {
    "tolerances_mm": [TRAINING_TOLERANCE_MM],
    "empty_policy": "nan",
    "missing_policy": "error",
}


def trained_scores(run: Path) -> tuple[CaseScore, ...]:
    """Read the scores of a fold's test cases that promise-train wrote at the end of a run.

    Raises:
        EvaluationError: Another command has written the file, or it holds something that no training writes.
        PlanError: The file is missing or damaged.
    """
    path = run / METRICS_FILE
    content = load_json(path)
    if not isinstance(content, dict) or content.get("command") != "promise-train":
        raise EvaluationError(
            f"{path}: was not written by promise-train; move it away, and score the test cases again with promise-train"
            " --resume"
        )
    return read_case_scores(path, _SETTINGS)


def means_of(scores: Iterable[CaseScore]) -> tuple[int, float, float]:
    """Return the number of cases, and the means of Dice and NSD over them; NaN if there is no value.

    Each case counts once, with the mean over its objects.
    """
    by_case: dict[str, dict[int | str, CaseScore]] = {}
    for score in scores:
        by_case.setdefault(score.case_id, {})[score.label] = score
    groups = [list(of.values()) for of in by_case.values()]
    dice = mean_of(mean_of(score.dice for score in group) for group in groups)
    key = f"{TRAINING_TOLERANCE_MM}"
    nsd = mean_of(mean_of(score.nsd[key] for score in group) for group in groups)
    return len(groups), dice, nsd
