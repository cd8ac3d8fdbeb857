"""Writes `report.html`, the page of scores with pictures of cases."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from promise_cli.disk.atomic import write_text
from promise_cli.disk.ours import is_foreign, is_marked, remove_marked
from promise_cli.errors import EvaluationError
from promise_cli.predictions.record import Predictions
from promise_cli.report.boxes import box_plot
from promise_cli.report.page import EARLIER_PAGE, GENERATOR, MARK, PAGE, PREDICTION_MARK, render
from promise_cli.report.slices import SlicePicture
from promise_cli.scores import (
    FAILURE_DICE,
    CaseScore,
    Report,
    metrics_of,
    results_written,
    shown_names,
    statistics_of,
    values_of,
)
from promise_cli.scores.markdown import comparison_method, format_p, is_tested


@dataclass(frozen=True)
class PicturedCase:
    """A label of a case, with pictures of slices that show it."""

    case_id: str
    label: int | str
    pictures: tuple[SlicePicture, ...]


@dataclass(frozen=True)
class _Case:
    """What the page shows about one case."""

    case_id: str
    anchor: str
    scores: list[CaseScore] = field(default_factory=list)
    pictures: list[tuple[str, tuple[SlicePicture, ...]]] = field(default_factory=list)
    """Name of each pictured label, and its slices."""

    @property
    def lowest(self) -> float:
        """Lowest Dice of the case; NaN if no label has one."""
        return min((s.dice for s in self.scores if not math.isnan(s.dice)), default=math.nan)


@dataclass(frozen=True)
class _Card:
    """One picture of the gallery."""

    case_id: str
    anchor: str
    label: str
    """Name of the label; empty if there is only one label."""
    dice: float
    id: str
    """Id of the same picture in the section of its case. The card shows it a second time."""
    mark: str
    """`worst`, `median` or `best`; empty for all other cases."""
    picture: SlicePicture


def render_evaluation(
    report: Report, pictured: Sequence[PicturedCase], record: Predictions | None
) -> str:
    """Return the whole page as HTML.

    Args:
        report: The scores.
        pictured: Slices of some cases, the worst first.
        record: The predictions.json of the masks, which names networks and clicks; None if there is none.
    """
    metrics = metrics_of(report.cases[0])
    labels = report.summary.labels
    summaries = [*labels, *([report.summary.overall] if len(labels) > 1 else [])]
    names = shown_names(summaries)
    cases = _by_case(report, pictured, names)
    marks = {one: name for name, found in mark_cases(report.cases).items() for one in found}
    charts = [
        box_plot(
            {
                names[label.label]: {
                    case.case_id: values_of(case)[metric.key]
                    for case in report.cases
                    if case.label == label.label
                }
                for label in labels
            },
            metric.title,
        )
        for metric in metrics
    ]
    return render(
        "evaluation.html",
        title=_title(report),
        generator=GENERATOR,
        tool=report.tool,
        report=report,
        metrics=metrics,
        summaries=summaries,
        names=names,
        statistics_of=statistics_of,
        values_of=values_of,
        charts=[Markup(chart) for chart in charts],  # `box_plot` has escaped the names
        cases=sorted(cases.values(), key=_rank),
        gallery=_gallery(report, pictured, cases, marks, names),
        record=record,
        without_slices=[
            names[label.label]
            for label in labels
            if label.label not in {found.label for found in pictured}
        ],
        anchors={case.case_id: case.anchor for case in cases.values()},
        failure_dice=FAILURE_DICE,
        format_p=format_p,
        comparison_method=comparison_method(report.comparison) if report.comparison else "",
        tested=report.comparison is not None and is_tested(report.comparison),
    )


def _title(report: Report) -> str:
    """Return the title: the dataset and the folder of the masks, since a dataset may have several sets of masks."""
    masks = Path(report.predictions).absolute().name
    return f"Scores of {report.dataset}: {masks}" if report.dataset else f"Scores of {masks}"


def mark_cases(cases: Sequence[CaseScore]) -> dict[str, list[tuple[str, int | str]]]:
    """Return case and label of the worst, the median and the best Dice of each label. Scores without Dice are ignored.

    Returns:
        Lists under `worst`, `median` and `best`, with one entry for each label. If the number of cases is even, the
        median is the lower of the two in the middle. A label with fewer than three cases has no median, and a label
        with one case has only a worst one.
    """
    marks: dict[str, list[tuple[str, int | str]]] = {"worst": [], "median": [], "best": []}
    for label in dict.fromkeys(case.label for case in cases):
        scores = [case for case in cases if case.label == label and not math.isnan(case.dice)]
        ranked = sorted(scores, key=lambda case: (case.dice, case.case_id))
        places = {"worst": 0, "best": len(ranked) - 1, "median": (len(ranked) - 1) // 2}
        # A single case is only the worst one. Two cases are the worst and the best one.
        for name, place in list(places.items())[: len(ranked)]:
            marks[name].append((ranked[place].case_id, label))
    return marks


def write_evaluation(
    report: Report, pictured: Sequence[PicturedCase], folder: Path, record: Predictions | None
) -> None:
    """Write report.html. If promise-predict wrote a page of that name, it is kept as prediction.html."""
    text = render_evaluation(report, pictured, record)
    with results_written(folder):
        if is_marked(folder / PAGE, PREDICTION_MARK):
            (folder / PAGE).replace(folder / EARLIER_PAGE)
        write_text(folder / PAGE, text)


def refuse_foreign_page(folder: Path) -> None:
    """Refuse to replace a page that neither an evaluation of masks nor promise-predict wrote.

    Raises:
        EvaluationError: report.html is such a page. Or report.html is a page of promise-predict that would replace
            prediction.html, and prediction.html is another page.
    """
    page, earlier = folder / PAGE, folder / EARLIER_PAGE
    if not is_foreign(page, MARK):
        return
    kept = is_marked(page, PREDICTION_MARK)
    if kept and not is_foreign(earlier, PREDICTION_MARK):
        return
    raise EvaluationError(
        f"{earlier if kept else page}: exists already, and was written neither by promise-predict nor by an"
        " evaluation of masks; name another folder with -o, or use --no-report"
    )


def remove_stale_page(folder: Path) -> None:
    """Delete the page of an earlier evaluation, whose numbers are out of date."""
    remove_marked(folder, {PAGE: MARK}, [PAGE])


def _by_case(
    report: Report, pictured: Sequence[PicturedCase], names: Mapping[int | str | None, str]
) -> dict[str, _Case]:
    cases: dict[str, _Case] = {}
    for score in report.cases:
        anchor = f"case-{len(cases) + 1}"
        cases.setdefault(score.case_id, _Case(score.case_id, anchor)).scores.append(score)
    for found in pictured:
        cases[found.case_id].pictures.append((names[found.label], found.pictures))
    return cases


def _gallery(
    report: Report,
    pictured: Sequence[PicturedCase],
    cases: Mapping[str, _Case],
    marks: Mapping[tuple[str, int | str], str],
    names: Mapping[int | str | None, str],
) -> list[_Card]:
    """Return a card for each pictured label of a case, the lowest Dice first."""
    dice = {(score.case_id, score.label): score.dice for score in report.cases}
    several = len(report.summary.labels) > 1
    return [
        _Card(
            found.case_id,
            cases[found.case_id].anchor,
            names[found.label] if several else "",
            dice[found.case_id, found.label],
            _picture_id(cases[found.case_id], names[found.label]),
            marks.get((found.case_id, found.label), ""),
            found.pictures[0],
        )
        for found in pictured
    ]


def _picture_id(case: _Case, label: str) -> str:
    """Return the id of the axial picture of a label in its case's section."""
    return f"{case.anchor}-{[name for name, _ in case.pictures].index(label) + 1}"


def _rank(case: _Case) -> tuple[bool, float, str]:
    """Return a key that sorts cases with slices first, and then by their lowest Dice."""
    return not case.pictures, case.lowest if case.lowest == case.lowest else math.inf, case.case_id
