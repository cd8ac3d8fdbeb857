"""Tables of scores, and of the time and memory that they took."""

import re
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.matrix import WITHOUT_CLICKS, Matrix
from experiments.table import done, head, line, link, span
from promise_cli.disk.records import load_json
from promise_cli.scores.comparison import MetricComparison, compare_pairs, holm
from promise_cli.scores.statistics import describe
from promise_cli.train.curves import load_log

WAYS = ("one_window round_click", "one_window in_scan", "followed round_click", "followed in_scan")
"""Names of the ways in `draws.json`."""
PROMISE_PREDICT = WAYS[-1]
"""Way that promise-predict uses for networks that see where their clicks are."""


def scores(matrix: Matrix, folder: Path) -> list[str]:
    """Table of Dice and NSD on the scans' own grids, and of the paired difference to the reference row."""
    lines = head(
        "",
        "epoch",
        "Dice",
        "95 % interval",
        *(f"NSD {mm:g} mm" for mm in matrix.tolerances_mm),
        "Dice in one window",
        f"Dice minus that of {matrix.reference}",
        "95 %",
        "p",
    )
    for row, kept in done(matrix, folder):
        metrics = load_json(kept / "metrics.json")
        found = metrics["summary"]["overall"]
        single = kept / "metrics_single_window.json"
        cells = [
            link(matrix, row, "metrics.json"),
            epoch_of(kept),
            f"{found['dice']['mean']:.3f}",
            span(found["dice"]["interval"]),
            *(_with_interval(found["nsd"][str(mm)]) for mm in matrix.tolerances_mm),
            f"{mean_dice(single):.3f}" if single.exists() else "-",
        ]
        lines.append(line(*cells, *_difference(metrics["comparison"])))
    return lines


def pairs(matrix: Matrix, folder: Path) -> list[str]:
    """Table of paired differences of Dice between chosen rows, from their scores with the same clicks."""
    found: dict[tuple[str, str], MetricComparison] = {}
    for one, other in matrix.pairs:
        files = [folder / name / "metrics.json" for name in (one, other)]
        if all(file.exists() for file in files):
            ours, theirs = (dice_by_case(file) for file in files)
            found[one, other] = compare_pairs(list(ours.values()), [theirs[case] for case in ours])
    corrected = holm({pair: test.t_p for pair, test in found.items()})
    named = {row.name: row for row in matrix.rows}
    lines = head("", "compared with", "difference in Dice", "95 %", "p", "p, Holm", "p, Wilcoxon")
    for (one, other), test in found.items():
        lines.append(
            line(
                *(link(matrix, named[name], "metrics.json") for name in (one, other)),
                *(f"{test.mean_difference:+.3f}", span(test.interval), f"{test.t_p:.2g}"),
                *(f"{corrected[one, other]:.2g}", f"{test.wilcoxon_p:.2g}"),
            )
        )
    return lines


def draws(matrix: Matrix, folder: Path) -> list[str]:
    """Table of Dice over five single clicks per case, compared with the network without clicks.

    Rows of the best epoch are compared with its best epoch, rows of the last epoch with its last.
    """
    lines = head(
        *(
            "",
            "one window around the click",
            "one window in the scan",
            "followed, around the click",
        ),
        *("followed, in the scan", "95 % interval", "lowest and highest draw"),
        *(f"Dice minus that of {WITHOUT_CLICKS}, best or last epoch as in the row", "95 %", "p"),
    )
    for row, kept in done(matrix, folder):
        if not row.clicks:
            of_cases, file = dice_by_case(kept / "metrics.json"), "metrics.json"
            means, spread = ["-"] * 3, "-"
        elif (kept / "draws.json").exists():
            dice, file = load_json(kept / "draws.json")["dice"], "draws.json"
            means = [f"{fmean(map(fmean, dice[way].values())):.3f}" for way in WAYS[:-1]]
            of_cases = {case_id: fmean(values) for case_id, values in dice[PROMISE_PREDICT].items()}
            of_draws = [
                fmean(values) for values in zip(*dice[PROMISE_PREDICT].values(), strict=True)
            ]
            spread = f"{min(of_draws):.3f} to {max(of_draws):.3f}"
        else:
            continue
        found = describe(list(of_cases.values()))
        baseline = folder / row.without_clicks / "metrics.json"
        if not baseline.exists():
            continue
        without = dice_by_case(baseline)
        test = compare_pairs(list(of_cases.values()), [without[case] for case in of_cases])
        differs = (f"{test.mean_difference:+.3f}", span(test.interval), f"{test.t_p:.2g}")
        lines.append(
            line(
                *(link(matrix, row, file), *means, f"{found.mean:.3f}", span(found.interval)),
                *(spread, *(differs if row.clicks else ("", "", ""))),
            )
        )
    return lines


def cost(matrix: Matrix, folder: Path) -> list[str]:
    """Table of the time and memory that each row took to train and to predict."""
    lines = head(
        *(
            "",
            "parameters",
            "trained",
            "GFLOP per patch",
            "precision",
            "threads",
            "steps",
            "s per step",
        ),
        *("GiB in training", "s per case", "GiB in prediction"),
    )
    for row, kept in done(matrix, folder):
        sessions = load_json(kept / "run.json")["sessions"]
        last, steps = sessions[-1], sum(one["steps"] for one in sessions)
        seconds = sum(one["steps"] * one["seconds_per_step"] for one in sessions if one["steps"])
        prediction = load_json(kept / "prediction.json")
        cases = prediction["cases"]["followed"]
        lines.append(
            line(
                link(matrix, row, "run.json"),
                f"{last['parameters']:,}",
                f"{last['parameters_trained']:,}",
                f"{last['operations_per_patch'] / 1e9:.0f}",
                last["precision"],
                *(re.findall(r"(\d+) threads?$", last["device"]) or ["-"]),
                str(steps),
                f"{seconds / steps:.2f}",
                f"{max(one['peak_memory_gib'] for one in sessions):.2f}",
                f"{fmean(sum(case['seconds'].values()) for case in cases):.2f}",
                f"{prediction['commands'][0]['peak_memory_gib']:.2f}",
            )
        )
    return lines


def epoch_of(kept: Path) -> str:
    """Return the epoch whose network predicts: the last, or that of the best validation Dice (the first of equals).

    The latter is followed by the number of epochs, as in `25 of 30`.
    """
    log = load_log(kept / "log.csv")
    if load_json(kept / "config.json").get("predict_with") == "final":
        return str(log[-1].epoch)
    validated = [row for row in log if row.validation_dice is not None]
    best = max(validated, key=lambda row: row.validation_dice or 0.0)
    return f"{best.epoch} of {log[-1].epoch}"


def _difference(comparison: dict[str, Any] | None) -> tuple[str, str, str]:
    if comparison is None:
        return ("", "", "")
    test = comparison["labels"][0]["metrics"]["dice"]
    return (f"{test['mean_difference']:+.3f}", span(test["interval"]), f"{test['t_p']:.2g}")


def _with_interval(found: dict[str, Any]) -> str:
    return f"{found['mean']:.3f} ({span(found['interval'])})"


def mean_dice(path: Path) -> float:
    """Return the mean Dice over the cases of a `metrics.json`."""
    return float(load_json(path)["summary"]["overall"]["dice"]["mean"])


def dice_by_case(path: Path) -> dict[str, float]:
    """Return the Dice of each case of a `metrics.json`."""
    return {case["case_id"]: float(case["dice"]) for case in load_json(path)["cases"]}
