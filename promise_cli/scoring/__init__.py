"""Cases -> scores: files read, grids checked, policies applied, over processes."""

from promise_cli.scoring.absent import refuse_absent_target
from promise_cli.scoring.case import ScoredCase, header_spacing, score_case
from promise_cli.scoring.cases import complete_labels, notes_of_labels, score_cases
from promise_cli.scoring.other import score_other
from promise_cli.scoring.rules import (
    EmptyPolicy,
    MissingPolicy,
    Rules,
    make_score,
    refuse_nothing_left,
)
from promise_cli.scoring.worst import picture_worst

__all__ = [
    "EmptyPolicy",
    "MissingPolicy",
    "Rules",
    "ScoredCase",
    "complete_labels",
    "header_spacing",
    "make_score",
    "notes_of_labels",
    "picture_worst",
    "refuse_absent_target",
    "refuse_nothing_left",
    "score_case",
    "score_cases",
    "score_other",
]
