"""HTML pages that hold all they show in one file and need no network.

`page` is the frame that every page shares, `slices` draws a scan with outlines, `charts` draws numbers.
"""

from promise_cli.report.evaluation import (
    PAGE,
    PicturedCase,
    is_evaluation,
    render_evaluation,
    write_evaluation,
)
from promise_cli.report.page import render
from promise_cli.report.prediction import draw_picture, write_report
from promise_cli.report.slices import Outline, SlicePicture, draw_slices

__all__ = [
    "PAGE",
    "Outline",
    "PicturedCase",
    "SlicePicture",
    "draw_picture",
    "draw_slices",
    "is_evaluation",
    "render",
    "render_evaluation",
    "write_evaluation",
    "write_report",
]
