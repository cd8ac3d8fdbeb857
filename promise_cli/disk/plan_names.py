"""Name the folders of several plans of one dataset, which lie next to each other as `<dataset>@<plan>`.

The plan without a name lies in `<dataset>`. Runs lie in folders of the same names in the results.
"""

from collections.abc import Sequence
from pathlib import Path

from promise_cli.disk.folder_names import check_name, is_name
from promise_cli.errors import WorkspaceError, did_you_mean, listed

_SEPARATOR = "@"


def plan_folder(dataset: str, plan: str | None) -> str:
    """Return the folder name of a dataset's plan; None means the plan without a name."""
    return dataset if plan is None else f"{dataset}{_SEPARATOR}{plan}"


def split_plan(folder: str) -> tuple[str, str | None]:
    """Return the dataset and the plan of a folder name; the plan is None if the name does not end with one."""
    dataset, separator, plan = folder.rpartition(_SEPARATOR)
    return (dataset, plan) if separator and is_name(plan) else (folder, None)


def with_plan(task: str | None, plan: str | None) -> str | None:
    """Return the name of a dataset and a plan, as the commands take them for a task.

    Args:
        task: Name, number or folder of a dataset; None for any.
        plan: Name of a plan; None for the one without a name.

    Raises:
        WorkspaceError: The plan's name is impossible.
    """
    if plan is None:
        return task
    check_name(plan, "--plan")
    return plan_folder((task or "").rstrip("/"), plan)


def check_plan(task: str, folders: Sequence[Path], place: Path, command: str) -> None:
    """Refuse a plan without a dataset, such as `@fine`, if no dataset has a plan of this name.

    Args:
        task: Name of a dataset, with or without a plan, or of a plan alone. Only the last is checked.
        folders: Folders of all datasets and plans in `place`.
        place: The folder that is searched.
        command: The command that makes such a folder.

    Raises:
        WorkspaceError: No dataset has such a plan.
    """
    dataset, plan = split_plan(task)
    there = [split_plan(path.name) for path in folders]
    plans = [name for _, name in there if name is not None]
    if dataset or plan is None or plan in plans:
        return
    datasets = {name for name, _ in there}
    raise WorkspaceError(
        f"--plan {plan}: no dataset in {place.absolute()} has this plan; there:"
        f" {listed(path.name for path in folders) or 'none'}; run {command}"
        f" {datasets.pop() if len(datasets) == 1 else 'TASK'} --plan {plan} first{did_you_mean(plan, plans)}"
    )


def plans_of(preprocessed: Path, dataset: str) -> list[Path]:
    """Return the folders of all plans of a dataset, beginning with the plan without a name."""
    named = [path for path in sorted(preprocessed.glob("*")) if split_plan(path.name)[0] == dataset]
    return [preprocessed / dataset, *(path for path in named if path.name != dataset)]


def prefer_unnamed(folders: Sequence[Path]) -> list[Path]:
    """Return the folders, but leave out named plans of a dataset whose plan without a name is among the folders."""
    there = {path.name for path in folders}
    parts = {path: split_plan(path.name) for path in folders}
    return [path for path, (dataset, plan) in parts.items() if plan is None or dataset not in there]


def default_runs(runs: Sequence[Path], results: Path) -> list[Path]:
    """Return the runs, but leave out runs of named plans if their dataset has runs of the plan without a name."""
    datasets = {run: results / run.relative_to(results).parts[0] for run in runs}
    kept = prefer_unnamed(sorted(set(datasets.values())))
    return [run for run in runs if datasets[run] in kept]
