"""COMMAND promise-train: cases -> checkpoints, log.csv and progress.png in results/<dataset>/fold_<n>.

`command` reads what was asked, `run` is the training on disk, `start` how it begins or goes on, `loop` its epochs and
steps, `sizes` which network it is and how large, `place` where it lies, `introduction` what is said of it,
`schedule` which samples make a step, `group` the processes that share it, `stopping` what ends it early;
`watch`, `curves` and `provenance` tell of it, `fold_scores` scores the fold's test cases at the end.

What needs torch is imported when first asked for, so that `python -m promise_cli.train`, which imports this file first,
can set how torch's threads wait before torch is loaded.
"""

from typing import TYPE_CHECKING, Any

from promise_cli.train.train_request import TrainRequest

if TYPE_CHECKING:
    from promise_cli.train.command import train

__all__ = ["TrainRequest", "train"]


def __getattr__(name: str) -> Any:
    if name == "train":
        from promise_cli.train import command  # noqa: PLC0415 -- torch only where it is used

        return command.train
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
