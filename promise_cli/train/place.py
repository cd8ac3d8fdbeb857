"""Where a run lies: results/<dataset>/fold_<n>, and in a folder of its own for each network beside ProMISe."""

from pathlib import Path

from promise_cli.architectures import PROMISE, check_name
from promise_cli.console import say
from promise_cli.errors import CheckpointError
from promise_cli.train.request import TrainRequest
from promise_cli.workspace import LAST

CLICKS = "_clicks"


def run_folder(dataset: Path, request: TrainRequest) -> Path:
    """The folder that a call works on.

    Args:
        dataset: Folder of its results.
        request: The call. One that resumes and leaves the network out means the only run of the fold.

    Raises:
        PlanError: No such network.
        CheckpointError: Several runs could be resumed.
    """
    network = request.network or PROMISE
    check_name(network)
    fold = f"fold_{request.fold}"
    suffix = CLICKS if request.clicks_as_channel else ""
    exact = dataset / fold if network == PROMISE else dataset / f"{network}{suffix}" / fold
    promises = network == PROMISE and request.clicks_as_channel  # no run of its own is called so
    if not request.resume or ((exact / LAST).exists() and not promises):
        return exact
    there = [path.parent for path in sorted(dataset.glob(f"*/{fold}/{LAST}"))]
    fits = [path for path in there if _may_mean(request, path.parent.name)]
    if len(fits) > 1:
        shown = ", ".join(path.parent.name for path in fits)
        raise CheckpointError(
            f"{dataset}: runs of several networks could go on ({shown}); name one with --network, and"
            " --clicks-as-channel where its name ends so"
        )
    if fits:
        say(f"going on with the only run of fold {request.fold}: {fits[0]}")
    return fits[0] if fits else exact


def _may_mean(request: TrainRequest, name: str) -> bool:
    if request.clicks_as_channel and not name.endswith(CLICKS):
        return False
    return request.network is None or name.removesuffix(CLICKS) == request.network
