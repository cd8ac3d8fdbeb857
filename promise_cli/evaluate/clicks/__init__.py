"""Clicks as part of the experiment: the test cases of a fold, predicted with simulated clicks and scored.

Only `study` and `trial` work with networks.
"""

from promise_cli.evaluate.clicks.files import show_study
from promise_cli.evaluate.clicks.study import study_clicks
from promise_cli.evaluate.clicks.study_record import ClickStudy, Strategy
from promise_cli.evaluate.clicks.study_request import StudyRequest

__all__ = [
    "ClickStudy",
    "Strategy",
    "StudyRequest",
    "show_study",
    "study_clicks",
]
