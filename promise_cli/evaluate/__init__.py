"""Scoring of cases: read their files, check the grids, apply the policies, and share the work among processes."""

from promise_cli.evaluate.doubts import find_doubts, find_edited, record_of, with_clicks
from promise_cli.evaluate.pictures import picture_cases
from promise_cli.evaluate.rules import (
    EmptyPolicy,
    MissingPolicy,
    Rules,
    make_score,
    refuse_nothing_left,
)
from promise_cli.evaluate.score_case import ScoredCase, score_case
from promise_cli.evaluate.score_cases import (
    complete_labels,
    notes_of_labels,
    refuse_missing_target,
    score_cases,
)
from promise_cli.evaluate.score_other import score_other, scores_file

__all__ = [
    "EmptyPolicy",
    "MissingPolicy",
    "Rules",
    "ScoredCase",
    "complete_labels",
    "find_doubts",
    "find_edited",
    "make_score",
    "notes_of_labels",
    "picture_cases",
    "record_of",
    "refuse_missing_target",
    "refuse_nothing_left",
    "score_case",
    "score_cases",
    "score_other",
    "scores_file",
    "with_clicks",
]
