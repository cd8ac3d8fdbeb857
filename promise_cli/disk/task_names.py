"""Compare what a user types for a dataset with the names of datasets: `7` and `Task07` mean `Task07_Pancreas`."""

import re
from collections.abc import Sequence

from promise_cli.disk.plan_names import split_plan
from promise_cli.errors import did_you_mean


def near_tasks(task: str, names: Sequence[str]) -> str:
    """Suggest a dataset with a similar name, or a similar beginning such as `Task07`, for the end of a message.

    Numbers are not compared, since 7 is no more likely to mean 17 than 8.
    """
    if number_of(task) is not None and "_" not in task:
        return ""
    return did_you_mean(task, [*names, *(name.partition("_")[0] for name in names)])


def number_of(name: str) -> int | None:
    """Return the number in a dataset's name: 7 for `Task07_Pancreas`, `Dataset007_Pancreas`, `Task07`, `007` or `7`."""
    match = re.fullmatch(r"(?:Task|Dataset)?0*(\d+)(?:_.*)?", name, re.IGNORECASE)
    return int(match.group(1)) if match else None


def means(task: str, name: str) -> bool:
    """Whether the user's `task` names the dataset folder `name`."""
    if task.rstrip("/").lower() == name.lower():
        return True
    dataset, plan = split_plan(name)
    asked_dataset, asked_plan = split_plan(task.rstrip("/"))
    if plan is not None and asked_plan in (None, plan):
        return not asked_dataset or means(asked_dataset, dataset)
    asked = re.fullmatch(r"(?:Task|Dataset)?0*(\d+)(_.*)?", task.rstrip("/"), re.IGNORECASE)
    if asked is None or int(asked.group(1)) != number_of(name):
        return False
    return asked.group(2) is None or name.lower().endswith(asked.group(2).lower())
