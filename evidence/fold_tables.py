"""One click against no click over the test cases of several folds."""

from pathlib import Path
from statistics import fmean

from evidence.matrix import Matrix
from evidence.score_tables import PROMISE_PREDICT, WITHOUT_CLICKS, dice_by_case
from evidence.table import head, line, span
from promise_cli.records import load_json
from promise_cli.scores.comparison import compare_pairs


def folds(matrix: Matrix, folder: Path) -> list[str]:
    """Means over five single clicks a case, of rows that every fold has, fold by fold and all cases together.

    Against the network without clicks, best with best epoch and last with last.
    """
    parts = [folder, *(folder.parent / name for name in matrix.other_folds)]
    lines = head(
        *(
            "",
            "test cases of",
            "cases",
            "five single clicks: Dice",
            f"{WITHOUT_CLICKS}, best or last epoch as here: Dice",
        ),
        *("difference", "95 %", "p", "p, Wilcoxon", "cases ahead"),
        *(f"{WITHOUT_CLICKS}, part at the seeded click: Dice", "difference"),
    )
    for row in matrix.rows:
        files = [part / row.name / "draws.json" for part in parts]
        others = [part / row.without_clicks / "metrics.json" for part in parts]
        cut = [part / row.without_clicks / "click_after.json" for part in parts]
        if not all(file.exists() for file in (*files, *others, *cut)):
            continue
        found = [_of_cases(file) for file in files]
        pooled = {case_id: value for part in found for case_id, value in part.items()}
        if len(pooled) < sum(map(len, found)):
            raise ValueError(f"{row.name}: a case is tested in two folds")
        no_clicks = {
            case_id: dice for file in others for case_id, dice in dice_by_case(file).items()
        }
        at_click = {case_id: dice for file in cut for case_id, dice in _at_click(file).items()}
        named = [(part.name, cases) for part, cases in zip(parts, found, strict=True)]
        for name, cases in (*named, ("all", pooled)):
            ours = list(cases.values())
            theirs = [no_clicks[case_id] for case_id in cases]
            after = fmean(at_click[case_id] for case_id in cases)
            test = compare_pairs(ours, theirs)
            shown = f"[{name}](results/{name}/{row.name}/draws.json)" if name != "all" else name
            lines.append(
                line(
                    *(row.what, shown, str(len(ours))),
                    *(f"{fmean(values):.3f}" for values in (ours, theirs)),
                    *(f"{test.mean_difference:+.3f}", span(test.interval), f"{test.t_p:.2g}"),
                    f"{test.wilcoxon_p:.2g}",
                    str(sum(a > b for a, b in zip(ours, theirs, strict=True))),
                    *(f"{after:.3f}", f"{fmean(ours) - after:+.3f}"),
                )
            )
    return lines


def _at_click(file: Path) -> dict[str, float]:
    """Dice of the part of the mask without clicks that the seeded click points at."""
    cases = load_json(file)["cases"]
    return {case_id: float(case["part_at_click"]) for case_id, case in cases.items()}


def _of_cases(file: Path) -> dict[str, float]:
    dice = load_json(file)["dice"][PROMISE_PREDICT]
    return {case_id: fmean(values) for case_id, values in dice.items()}
