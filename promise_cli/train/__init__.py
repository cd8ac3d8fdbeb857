"""The command promise-train: train a network on one or several folds of a preprocessed dataset.

The run lies in results/<dataset>/fold_<n>, or in results/<dataset>/<network>/fold_<n> for a network other than
promise, with its checkpoints, log.csv and progress.png.

`folds` trains several folds one after another, and `cases` reads and checks the cases of a fold. `command` carries out
a call, whose arguments are a `train_request`. `sizes` chooses network and recipe, and `fields` applies `--set`.
`start` and `resume` make the run, `origin` gives it the weights of another one, and `run` keeps its state on disk.
`loop` goes through the epochs of a `training`. `step` takes one optimizer step and validates. `corrections` clicks on
errors of the network. `samples`, `augment`, `intensities` and `schedule` provide the patches, and `losses` computes the
loss. `group` connects the processes that share a step. `compiled` uses torch.compile. `stopping` ends a training early.
`introduction`, `watch`, `curves`, `provenance` and `outcome` report about a training. `fold_scores` scores the test
cases of the fold at the end.

Modules that need torch are imported only when they are used. `python -m promise_cli.train` imports this file first, and
must set how torch's threads wait before torch is loaded.
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
