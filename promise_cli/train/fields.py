"""The option `--set NAME=VALUE`, which sets any field of the network or the recipe.

Values are checked in the same way as those of a JSON file.
"""

import json
from collections.abc import Sequence
from typing import Any, TypeVar

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import PlanError, did_you_mean
from promise_cli.network.recipe import TrainConfig

C = TypeVar("C")


def set_fields(model: C, recipe: TrainConfig, assignments: Sequence[str]) -> tuple[C, TrainConfig]:
    """Return the records of network and recipe with some fields set.

    Args:
        model: Record of the network.
        recipe: Record of the recipe. Fields of its parts are named like `loss.boundary_weight`, `augment.flip_chance`.
        assignments: Texts `NAME=VALUE`. A value that is not JSON is taken as text.

    Raises:
        PlanError: The field does not exist, cannot take the value, or would have no effect.
    """
    contents = {"network": record_to_json(model), "recipe": record_to_json(recipe)}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise PlanError(f"--set {assignment}: give NAME=VALUE, such as click_map=true")
        part, key = _find(contents, name.strip())
        part[key] = _value(text.strip())
    network = record_from_json(type(model), contents["network"], "--set")
    changed = record_from_json(TrainConfig, contents["recipe"], "--set")
    _check_varied(changed, assignments)
    if last_value(assignments, "first_answer_weight") and not changed.corrections:
        raise PlanError(
            "--set first_answer_weight: without corrections the network answers only once; add --set corrections=3"
        )
    return network, changed


def _check_varied(recipe: TrainConfig, assignments: Sequence[str]) -> None:
    """Refuse to vary a number of clicks that can have only one value."""
    for name, number, fewest in (
        ("vary_clicks", "num_foreground_clicks", 1),
        ("vary_background_clicks", "num_background_clicks", 0),
    ):
        if last_value(assignments, name) is True and getattr(recipe, number) == fewest:
            raise PlanError(
                f"--set {name}=true: {number} is {fewest}, so nothing can vary; add --set {number}=10"
            )


def last_value(assignments: Sequence[str], name: str) -> Any:
    """Return the last value that is assigned to a field; None if there is none."""
    value = None
    for assignment in assignments:
        found, _, text = assignment.partition("=")
        if found.strip() == name:
            value = _value(text.strip())
    return value


def _find(contents: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Return the JSON object that holds a field, and the field's name in it."""
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for content in contents.values():
        for key, value in content.items():
            if isinstance(value, dict):
                places |= {f"{key}.{inner}": (value, inner) for inner in value}
            else:
                places[key] = (content, key)
    if name not in places:
        near = did_you_mean(name, places)
        raise PlanError(f"--set {name}: no such field{near or '; docs/method.md lists the fields'}")
    return places[name]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
