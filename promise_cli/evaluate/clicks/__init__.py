"""Study of clicks: the test cases of a fold are predicted with simulated clicks, and the masks are scored.

Only the modules `study` and `trial` use networks.
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
