"""The five commands. Each reads its arguments, calls the code that does the work, and explains errors to the user.

Each command has a file of its own. Heavy imports lie inside the functions, so that `--help` answers at once.
"""

from promise_cli.cli.evaluate import evaluate_app
from promise_cli.cli.predict import predict_app
from promise_cli.cli.preprocess import preprocess_app
from promise_cli.cli.serve import serve_app
from promise_cli.cli.train import train_app

__all__ = ["evaluate_app", "predict_app", "preprocess_app", "serve_app", "train_app"]
