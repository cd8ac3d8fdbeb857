"""Dice, normalised surface Dice (NSD), HD95 and ASSD of two masks.

All values are exact. NSD is computed without a distance transform.
"""

from promise_cli.scores.metrics.distances import Distances
from promise_cli.scores.metrics.overlap import Scores, dice, nsd, score_masks

__all__ = ["Distances", "Scores", "dice", "nsd", "score_masks"]
