"""HTML pages that hold all they show in one file and need no internet connection.

`page` is the frame that every page shares, `slices` draws a scan with outlines, `boxes` and `charts` draw numbers.
"""

from promise_cli.report.boxes import box_plot
from promise_cli.report.charts import Curve, line_chart
from promise_cli.report.evaluation import (
    PicturedCase,
    mark_cases,
    refuse_foreign_page,
    remove_stale_page,
    render_evaluation,
    write_evaluation,
)
from promise_cli.report.page import GENERATOR, PAGE, render
from promise_cli.report.prediction import crosses_of, draw_prediction, page_of, write_report
from promise_cli.report.slices import Outline, SlicePicture, draw_slices

__all__ = [
    "GENERATOR",
    "PAGE",
    "Curve",
    "Outline",
    "PicturedCase",
    "SlicePicture",
    "box_plot",
    "crosses_of",
    "draw_prediction",
    "draw_slices",
    "line_chart",
    "mark_cases",
    "page_of",
    "refuse_foreign_page",
    "remove_stale_page",
    "render",
    "render_evaluation",
    "write_evaluation",
    "write_report",
]
