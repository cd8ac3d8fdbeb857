"""`--set NAME=VALUE`: any named field of network and recipe from the command line, checked as a file of it would be."""

import difflib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import PlanError
from promise_cli.network.recipe import TrainConfig

C = TypeVar("C")


def set_fields(model: C, recipe: TrainConfig, assignments: Sequence[str]) -> tuple[C, TrainConfig]:
    """Both records with the fields that were asked for.

    Args:
        model: Fields of the network.
        recipe: Fields of the recipe; those of its parts are named `loss.boundary_weight`, `augment.flip_chance`.
        assignments: `NAME=VALUE`; the value is JSON, or a text.

    Raises:
        PlanError: No such field, or a value that it cannot take.
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
            "--set first_answer_weight: without corrections there is one answer alone; add --set corrections=3"
        )
    return network, changed


def _check_varied(recipe: TrainConfig, assignments: Sequence[str]) -> None:
    """Refuse to vary a number that can have but one value."""
    for name, number, fewest in (
        ("vary_clicks", "num_foreground_clicks", 1),
        ("vary_background_clicks", "num_background_clicks", 0),
    ):
        if last_value(assignments, name) is True and getattr(recipe, number) == fewest:
            raise PlanError(
                f"--set {name}=true: {number} is {fewest}, so that nothing varies; add --set {number}=10"
            )


def last_value(assignments: Sequence[str], name: str) -> Any:
    """What is assigned to a field at last; None where nothing is."""
    value = None
    for assignment in assignments:
        found, _, text = assignment.partition("=")
        if found.strip() == name:
            value = _value(text.strip())
    return value


def _find(contents: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The object that holds a field, and its name there."""
    places: dict[str, tuple[dict[str, Any], str]] = {}
    for content in contents.values():
        for key, value in content.items():
            if isinstance(value, dict):
                places |= {f"{key}.{inner}": (value, inner) for inner in value}
            else:
                places[key] = (content, key)
    if name not in places:
        near = difflib.get_close_matches(name, places, n=1)
        raise PlanError(
            f"--set {name}: no such field"
            + (f"; did you mean {near[0]}?" if near else "; docs/method.md names them")
        )
    return places[name]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
