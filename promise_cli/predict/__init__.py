"""COMMAND promise-predict: scans + clicks -> masks on each scan's own grid, and what was understood."""

from promise_cli.predict.command import needs_clicks, predict, run

__all__ = ["needs_clicks", "predict", "run"]
