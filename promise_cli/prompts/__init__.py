"""Clicks: read them from the files of several tools, convert them to voxels, write them, and draw them at random."""

from promise_cli.prompts.click import (
    BACKGROUND,
    FOREGROUND,
    ONE_LESION,
    PADDING,
    SPACES,
    Click,
    Lesion,
    Space,
    lesions,
)
from promise_cli.prompts.correction import Correction, largest_error
from promise_cli.prompts.draw import draw_clicks
from promise_cli.prompts.gather import Gathered
from promise_cli.prompts.places import (
    MOST_HINTS,
    format_point,
    locate_clicks,
    nearest_voxel,
    other_readings,
    unknown_case,
)
from promise_cli.prompts.read import gather_prompts, read_prompts
from promise_cli.prompts.simulated import random_voxels, trial_rng
from promise_cli.prompts.write import MARKUPS_MARK, POINTS_MARK, write_markups, write_points

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "MARKUPS_MARK",
    "MOST_HINTS",
    "ONE_LESION",
    "PADDING",
    "POINTS_MARK",
    "SPACES",
    "Click",
    "Correction",
    "Gathered",
    "Lesion",
    "Space",
    "draw_clicks",
    "format_point",
    "gather_prompts",
    "largest_error",
    "lesions",
    "locate_clicks",
    "nearest_voxel",
    "other_readings",
    "random_voxels",
    "read_prompts",
    "trial_rng",
    "unknown_case",
    "write_markups",
    "write_points",
]
