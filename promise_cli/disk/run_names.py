"""Find where a run lies in a dataset's results. A name distinguishes runs of different settings.

Runs of ProMISe without a name lie in `fold_<n>`, those of other networks in `<network>/fold_<n>`, and runs with a name
in `<network>__<name>/fold_<n>`.
"""

from collections.abc import Sequence
from pathlib import Path

from promise_cli.disk.folder_names import check_name
from promise_cli.errors import WorkspaceError, listed, shorten

_SEPARATOR = "__"


def group_folder(dataset: Path, network: str | None, name: str | None) -> Path:
    """Return the folder that holds the folds of a network and a name.

    Args:
        dataset: Folder of the dataset's results.
        network: Folder name of the network; None for ProMISe.
        name: Name of the run; None for a run without a name.
    """
    if name is not None:
        check_name(name, "--name")
        return dataset / f"{network or 'promise'}{_SEPARATOR}{name}"
    return dataset if network is None else dataset / network


def run_name(group: Path) -> str | None:
    """Return the name of the runs in the folder of a group; None if they have no name."""
    network, separator, name = group.name.partition(_SEPARATOR)
    return name if network and separator and name else None


def choose_named(found: Sequence[Path], name: str | None, place: Path) -> list[Path]:
    """Return the runs of a name. Without a name, return those that have none; if all have one, return all.

    Args:
        found: Folders of runs.
        name: The name that is asked for, or None.
        place: Folder in which the runs were searched, for the message.

    Raises:
        WorkspaceError: No run has this name.
    """
    if name is None:
        return [path for path in found if run_name(path.parent) is None] or list(found)
    chosen = [path for path in found if run_name(path.parent) == name]
    if not chosen:
        known = sorted({known for path in found if (known := run_name(path.parent)) is not None})
        there = f"names there: {listed(known)}" if known else "no run there has a name"
        raise WorkspaceError(
            f"{place}: no checkpoint of a run named {shorten(name)}; {there}; promise-train --name trains one"
        )
    return chosen
