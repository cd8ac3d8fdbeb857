"""COMMAND promise-train: cases -> checkpoints, log.csv and progress.png in results/<dataset>/fold_<n>.

`command` runs a request. `start` and `resume` make the run, `run` is its state on disk, `sizes` chooses network and
recipe. `loop` goes through the epochs, `step` takes one optimizer step and validates, `corrections` clicks on errors.
`samples`, `augment` and `schedule` provide the patches, `losses` the loss, `group` the processes that share a step,
`stopping` its early end. `watch`, `curves`, `provenance` and `outcome` report, and `fold_scores` scores the fold's test
cases at the end.

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
