"""Tables of docs/results.md, made from what is kept beside it.

`python -m evidence.tables` renews every block between `<!-- MATRIX TABLE -->` and `<!-- end -->`. A figure in such a
table is that of a committed file; a test holds the page against them.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from evidence.matrix import MATRICES, Matrix, Row
from evidence.place import RESULTS
from promise_cli.records import load_json
from promise_cli.scores.comparison import compare_pairs
from promise_cli.scores.statistics import describe

PAGE = RESULTS.parent / "results.md"
MEASURED = (
    *("click", "elsewhere_on_target", "beside_target", "without_click", "background_click_added"),
    *("agreement_beside", "window_moved", "window_off_target", "whole_window"),
)
"""Columns of `click_use`, as `click_use.json` names and explains them."""
WITHOUT_CLICKS = "dynunet"
"""The row of the network that looks at whole scans."""
BLOCK = re.compile(r"<!-- (\w+) (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def render(page: str, results: Path = RESULTS) -> str:
    """The page with every table made anew.

    Raises:
        ValueError: A block names an unknown matrix or table.
    """

    def table_of(match: re.Match[str]) -> str:
        matrix, kind = match.groups()
        if matrix not in MATRICES or kind not in TABLES:
            raise ValueError(f"docs/results.md: no table '{kind}' of a matrix '{matrix}'")
        lines = TABLES[kind](MATRICES[matrix], results / matrix)
        return "\n".join([f"<!-- {matrix} {kind} -->", *lines, "<!-- end -->"])

    return BLOCK.sub(table_of, page)


def scores(matrix: Matrix, folder: Path) -> list[str]:
    """Dice and NSD on the scans' own grids, and the paired difference to the reference row."""
    lines = _head(
        "",
        "Dice",
        "95 % interval",
        *(f"NSD {mm:g} mm" for mm in matrix.tolerances_mm),
        "in one window: Dice",
        f"Dice less that of {matrix.reference}",
        "95 %",
        "p",
    )
    for row, kept in _done(matrix, folder):
        metrics = load_json(kept / "metrics.json")
        found = metrics["summary"]["overall"]
        single = kept / "metrics_single_window.json"
        cells = [
            _link(matrix, row, "metrics.json"),
            f"{found['dice']['mean']:.3f}",
            _span(found["dice"]["interval"]),
            *(f"{found['nsd'][str(mm)]['mean']:.3f}" for mm in matrix.tolerances_mm),
            f"{_mean_dice(single):.3f}" if single.exists() else "-",
        ]
        lines.append(_line(*cells, *_difference(metrics["comparison"])))
    return lines


def cost(matrix: Matrix, folder: Path) -> list[str]:
    """What each row took to train and to predict."""
    lines = _head(
        *("", "parameters", "trained", "GFLOP a patch", "steps", "s a step", "GiB training"),
        *("s a case", "GiB predicting"),
    )
    for row, kept in _done(matrix, folder):
        sessions = load_json(kept / "run.json")["sessions"]
        last, steps = sessions[-1], sum(one["steps"] for one in sessions)
        seconds = sum(one["steps"] * one["seconds_per_step"] for one in sessions if one["steps"])
        prediction = load_json(kept / "prediction.json")
        cases = prediction["cases"]["followed"]
        lines.append(
            _line(
                _link(matrix, row, "run.json"),
                f"{last['parameters']:,}",
                f"{last['parameters_trained']:,}",
                f"{last['operations_per_patch'] / 1e9:.0f}",
                str(steps),
                f"{seconds / steps:.2f}",
                f"{max(one['peak_memory_gib'] for one in sessions):.2f}",
                f"{fmean(sum(case['seconds'].values()) for case in cases):.2f}",
                f"{prediction['commands'][0]['peak_memory_gib']:.2f}",
            )
        )
    return lines


def click_use(matrix: Matrix, folder: Path) -> list[str]:
    """Dice in fixed windows with the click at other places."""
    lines = _head("", *(name.replace("_", " ") for name in MEASURED))
    for row, kept in _done(matrix, folder, "click_use.json"):
        mean = load_json(kept / "click_use.json")["mean"]
        cells = (f"{mean[name]:.3f}" if name in mean else "-" for name in MEASURED)
        lines.append(_line(_link(matrix, row, "click_use.json"), *cells))
    return lines


def click_numbers(matrix: Matrix, folder: Path) -> list[str]:
    """Mean Dice over cases and seeds by number and place of the clicks, in one window."""
    strategies = ("random", "centre", "boundary")
    lines = _head("", "clicks", *strategies, "standard deviation over seeds, random")
    for row, kept in _done(matrix, folder, "clicks.csv"):
        values: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        with (kept / "clicks.csv").open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                key = (line["strategy"], int(line["clicks"]))
                values[key][line["trial"]].append(float(line["dice"]))
        for number in sorted({number for _, number in values}):
            of_trials = {
                name: [fmean(cases) for cases in values[name, number].values()]
                for name in strategies
            }
            lines.append(
                _line(
                    _link(matrix, row, "clicks.csv"),
                    str(number),
                    *(f"{fmean(of_trials[name]):.3f}" for name in strategies),
                    f"{stdev(of_trials['random']):.3f}",
                )
            )
    return lines


def draws(matrix: Matrix, folder: Path) -> list[str]:
    """Dice over five single clicks a case, against the network without clicks."""
    lines = _head(
        *("", "Dice, mean of five draws", "95 % interval", "least and largest draw"),
        *(f"Dice less that of {WITHOUT_CLICKS}", "95 %", "p"),
    )
    without = _dice_by_case(folder / WITHOUT_CLICKS / "metrics.json")
    for row, kept in _done(matrix, folder):
        if row.name == WITHOUT_CLICKS:
            found = describe(list(without.values()))
            lines.append(
                _line(
                    _link(matrix, row, "metrics.json"),
                    *(f"{found.mean:.3f}", _span(found.interval), "", "", "", ""),
                )
            )
        if (kept / "draws.json").exists():
            dice = load_json(kept / "draws.json")["dice"]
            of_draws = [fmean(values) for values in zip(*dice.values(), strict=True)]
            of_cases = {case_id: fmean(values) for case_id, values in dice.items()}
            found = describe(list(of_cases.values()))
            test = compare_pairs(list(of_cases.values()), [without[name] for name in of_cases])
            lines.append(
                _line(
                    _link(matrix, row, "draws.json"),
                    *(f"{found.mean:.3f}", _span(found.interval)),
                    f"{min(of_draws):.3f} to {max(of_draws):.3f}",
                    *(f"{test.mean_difference:+.3f}", _span(test.interval), f"{test.t_p:.2g}"),
                )
            )
    return lines


def learning(matrix: Matrix, folder: Path) -> list[str]:
    """Dice on cases that were trained on and on others."""
    lines = _head("", "training cases", "validation cases", "test cases")
    for row, kept in _done(matrix, folder, "seen.json"):
        mean = load_json(kept / "seen.json")["mean"]
        lines.append(
            _line(
                _link(matrix, row, "seen.json"),
                *(f"{mean[part]:.3f}" for part in ("train", "val", "test")),
            )
        )
    return lines


def encoder_use(matrix: Matrix, folder: Path) -> list[str]:
    """Dice with one of the two encoders looking at another case, and how far the transformer tells cases apart."""
    names = ("as it is", "transformer of another case", "CNN of another case")
    lines = _head("", *names, *(f"levels apart, {level}" for level in range(1, 5)))
    for row, kept in _done(matrix, folder, "encoder_use.json"):
        mean = load_json(kept / "encoder_use.json")["mean"]
        cells = (mean[name] for name in ("as_it_is", "levels_of_another", "detail_of_another"))
        lines.append(
            _line(
                _link(matrix, row, "encoder_use.json"),
                *(f"{value:.3f}" for value in cells),
                *(f"{value:.3f}" for value in mean["difference"]),
            )
        )
    return lines


TABLES: dict[str, Callable[[Matrix, Path], list[str]]] = {
    "scores": scores,
    "cost": cost,
    "click_use": click_use,
    "click_numbers": click_numbers,
    "draws": draws,
    "learning": learning,
    "encoder_use": encoder_use,
}


def _done(matrix: Matrix, folder: Path, file: str = "metrics.json") -> list[tuple[Row, Path]]:
    """Rows of which this file is kept, and their folders."""
    return [(row, folder / row.name) for row in matrix.rows if (folder / row.name / file).exists()]


def _link(matrix: Matrix, row: Row, file: str) -> str:
    return f"[{row.what}](results/{matrix.name}/{row.name}/{file})"


def _difference(comparison: dict[str, Any] | None) -> tuple[str, str, str]:
    if comparison is None:
        return ("", "", "")
    test = comparison["labels"][0]["metrics"]["dice"]
    return (f"{test['mean_difference']:+.3f}", _span(test["interval"]), f"{test['t_p']:.2g}")


def _mean_dice(path: Path) -> float:
    return float(load_json(path)["summary"]["overall"]["dice"]["mean"])


def _dice_by_case(path: Path) -> dict[str, float]:
    return {case["case_id"]: float(case["dice"]) for case in load_json(path)["cases"]}


def _span(interval: Sequence[float | None]) -> str:
    low, high = interval
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _head(*names: str) -> list[str]:
    return [_line(*names), "|" + "---|" * len(names)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
