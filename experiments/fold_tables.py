"""Compare one click with no click over the test cases of several folds."""

from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from experiments.matrix import LAST_WITHOUT_CLICKS, WITHOUT_CLICKS, Matrix, Row
from experiments.score_tables import PROMISE_PREDICT, dice_by_case
from experiments.table import head, line, span
from promise_cli.disk.records import load_json
from promise_cli.scores.comparison import compare_pairs

Dice = dict[str, float]
"""Dice of each case id."""


def folds(matrix: Matrix, folder: Path) -> list[str]:
    """Table of means over five single clicks per case, for each fold and for all cases together.

    It has the rows that several folds share. Each is compared with the network without clicks: the epoch that
    validation chose with that of the other network, and the last epoch with the last.
    """
    parts = [folder, *(folder.parent / name for name in matrix.other_folds)]
    lines = head(
        *("", "test cases of", "cases", "Dice, five single clicks", f"Dice, {WITHOUT_CLICKS}"),
        *("difference", "95 %", "p", "p, Wilcoxon", "cases ahead"),
        *(f"Dice, {WITHOUT_CLICKS} cut to the part at the seeded click", "difference"),
    )
    for row in matrix.rows:
        lines += _lines(row, parts, "draws.json", row.without_clicks)
        if row.without_clicks != LAST_WITHOUT_CLICKS:
            lines += _lines(row, parts, "epochs.json", LAST_WITHOUT_CLICKS)
    return lines


def _lines(row: Row, parts: list[Path], file: str, baseline: str) -> Iterator[str]:
    """Lines of one row, from a file that several folds must have. `epochs.json` gives the values of the last epoch."""
    needed = (f"{row.name}/{file}", f"{baseline}/metrics.json", f"{baseline}/click_after.json")
    parts = [part for part in parts if all((part / name).exists() for name in needed)]
    if len(parts) < 2:
        return
    files, others, cut = ([part / name for part in parts] for name in needed)
    what = row.what if file == "draws.json" else f"{row.what}; last epoch"
    found = [of_cases(path) for path in files]
    pooled = {case_id: value for part in found for case_id, value in part.items()}
    if len(pooled) < sum(map(len, found)):
        raise ValueError(f"{row.name}: a case is tested in two folds")
    no_clicks = {case_id: dice for path in others for case_id, dice in dice_by_case(path).items()}
    at_click = {case_id: dice for path in cut for case_id, dice in _at_click(path).items()}
    named = [(part.name, cases) for part, cases in zip(parts, found, strict=True)]
    for name, cases in (*named, ("all", pooled)):
        shown = f"[{name}](results/{name}/{row.name}/{file})" if name != "all" else name
        yield line(what, shown, *_compared(cases, no_clicks, at_click))


def _compared(cases: Dice, no_clicks: Dice, at_click: Dice) -> list[str]:
    ours = list(cases.values())
    theirs = [no_clicks[case_id] for case_id in cases]
    after = fmean(at_click[case_id] for case_id in cases)
    test = compare_pairs(ours, theirs)
    return [
        str(len(ours)),
        *(f"{fmean(values):.3f}" for values in (ours, theirs)),
        *(f"{test.mean_difference:+.3f}", span(test.interval), f"{test.t_p:.2g}"),
        f"{test.wilcoxon_p:.2g}",
        str(sum(a > b for a, b in zip(ours, theirs, strict=True))),
        *(f"{after:.3f}", f"{fmean(ours) - after:+.3f}"),
    ]


def of_cases(file: Path) -> Dice:
    """Return each case's mean over the clicks in `draws.json`, or over those of the last epoch in `epochs.json`."""
    found = load_json(file)
    last = "last" in found
    of_draws = found["last"]["followed"] if last else found["dice"][PROMISE_PREDICT]
    return {case_id: fmean(values) for case_id, values in of_draws.items()}


def _at_click(file: Path) -> Dice:
    """Return the Dice of that part of the mask without clicks that the seeded click points at."""
    cases = load_json(file)["cases"]
    return {case_id: float(case["part_at_click"]) for case_id, case in cases.items()}
