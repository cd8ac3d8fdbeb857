"""Page `report.html` of a study of clicks: the curves, and every case with its spread."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup

from promise_cli.evaluate.clicks.curves import area
from promise_cli.evaluate.clicks.study_record import ClickStudy
from promise_cli.report import Curve, line_chart, render
from promise_cli.scores.statistics import Statistics
from promise_cli.scores.study_files import STUDY_GENERATOR


def render_clicks(study: ClickStudy) -> str:
    """Return the HTML of the whole page."""
    charts = [
        _chart(study, name, tolerance)
        for name in dict.fromkeys(curve.object for curve in study.curves)
        for tolerance in (None, *map(str, study.tolerances_mm))
    ]
    return render(
        "clicks.html",
        title=f"Clicks on {study.dataset}, fold {study.fold}",
        generator=STUDY_GENERATOR,
        tool=study.tool,
        study=study,
        charts=[Markup(chart) for chart in charts],  # `line_chart` has escaped them
        rows=list(_rows(study)),
        has_sums=any(len(curve.clicks_needed[0].among) > 1 for curve in study.curves),
        num_cases=len({trial.case_id for trial in study.trials}),
    )


def _chart(study: ClickStudy, name: str, tolerance: str | None) -> str:
    """Draw the mean over cases against clicks, with the interval of the mean.

    Args:
        study: The study.
        name: Name of the object; empty for one target.
        tolerance: Tolerance of NSD in mm, as the keys of `CurvePoint.nsd`; None draws Dice.
    """
    curves = []
    for curve in study.curves:
        if curve.object != name:
            continue
        found: list[Statistics] = [
            point.dice if tolerance is None else point.nsd[tolerance] for point in curve.points
        ]
        curves.append(
            Curve(
                curve.strategy,
                tuple(point.clicks for point in curve.points),
                tuple(of.mean for of in found),
                tuple(of.interval for of in found),
            )
        )
    title = "Dice" if tolerance is None else f"NSD {float(tolerance):g} mm"
    return line_chart(curves, f"{title} of {name}" if name else title, "clicks")


def _rows(
    study: ClickStudy,
) -> Iterator[tuple[str, str, str, list[tuple[float, float]], float]]:
    """Yield case, object, strategy, mean and SD of Dice over trials for each number of clicks, and the mean's area."""
    by_case: dict[tuple[str, str, str], list[list[float]]] = {}
    for trial in study.trials:
        values = [score.dice for score in trial.scores]
        by_case.setdefault((trial.case_id, trial.object, trial.strategy), []).append(values)
    for (case_id, name, strategy), found in by_case.items():
        dice = np.array(found)
        means = dice.mean(axis=0).tolist()
        spread = dice.std(axis=0, ddof=1).tolist() if len(dice) > 1 else [float("nan")] * len(means)
        yield (
            case_id,
            name,
            strategy,
            list(zip(means, spread, strict=True)),
            area(study.num_clicks, means),
        )
