"""Clicks as part of the experiment: the test cases of a fold, predicted with simulated clicks and scored.

Only `study` and `trial` work with networks.
"""

from promise_cli.click_study.files import show_study
from promise_cli.click_study.record import ClickStudy, Strategy
from promise_cli.click_study.request import StudyRequest
from promise_cli.click_study.study import study_clicks

__all__ = [
    "ClickStudy",
    "Strategy",
    "StudyRequest",
    "show_study",
    "study_clicks",
]
