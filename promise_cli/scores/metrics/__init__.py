"""Dice, normalised surface Dice and distances of two masks, exact and without a distance transform for NSD."""

from promise_cli.scores.metrics.distances import Distances
from promise_cli.scores.metrics.overlap import Scores, dice, nsd, score_masks

__all__ = ["Distances", "Scores", "dice", "nsd", "score_masks"]
