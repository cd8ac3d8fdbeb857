"""The command promise-predict: segment the scans from clicks, and write masks and predictions.json."""

from promise_cli.predict.command import needs_clicks, predict, run

__all__ = ["needs_clicks", "predict", "run"]
