"""COMMAND promise-train: cases -> checkpoints, log.csv and progress.png in results/<dataset>/fold_<n>.

`command` reads what was asked, `run` is the training on disk, `loop` its epochs and steps, `schedule` which samples
make a step, `group` the processes that share it, `stopping` what ends it early; `watch`, `curves` and `provenance`
tell of it, `fold_scores` scores the fold's test cases at the end.
"""

from promise_cli.train.command import train
from promise_cli.train.request import TrainRequest

__all__ = ["TrainRequest", "train"]
