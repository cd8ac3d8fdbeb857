"""The four commands: read the arguments, call the stage, explain what a user can fix.

One file a command. Heavy imports live inside the commands, so that `--help` answers at once.
"""

from promise_cli.cli.evaluate import evaluate_app
from promise_cli.cli.predict import predict_app
from promise_cli.cli.preprocess import preprocess_app
from promise_cli.cli.train import train_app

__all__ = ["evaluate_app", "predict_app", "preprocess_app", "train_app"]
