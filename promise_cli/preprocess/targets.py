"""Choose what a plan segments, one target or several objects, from a call or from a plan that exists."""

from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted, say
from promise_cli.dataset.folder import Dataset, Labels, as_tuple, choose_targets, label_text
from promise_cli.dataset.objects import (
    EACH,
    TargetObject,
    all_values,
    choose_objects,
    entries_of,
    list_objects,
    make_objects,
)
from promise_cli.dataset.plan import Plan, describe_target
from promise_cli.errors import PlanError, listed

_ANEW = "add --plan NAME to make a further plan next to it, or --overwrite to plan anew"


@dataclass(frozen=True)
class TargetRequest:
    """What a call asks for; both are empty if it leaves the choice to the dataset or to a plan that exists.

    Raises:
        PlanError: The call asks for both.
    """

    target: tuple[str, ...] = ()
    """Names or numbers after `--target-label`."""
    objects: tuple[str, ...] = ()
    """Words after `--objects`."""

    def __post_init__(self) -> None:
        if self.target and self.objects:
            raise PlanError(
                "--target-label plans one target, --objects plans several; give only one of them"
            )


@dataclass(frozen=True)
class Target:
    """What a plan segments."""

    labels: Labels
    """Label value of the target, or several values; with objects, the values of all of them."""
    name: str
    objects: tuple[TargetObject, ...] = ()
    """Objects that a click can ask for; empty for one target."""

    @property
    def request_again(self) -> TargetRequest:
        """The call that asks for exactly this target."""
        if self.objects:
            return TargetRequest(
                objects=tuple(
                    f"{one.name}={','.join(map(str, one.values))}" for one in self.objects
                )
            )
        return TargetRequest(target=tuple(str(value) for value in as_tuple(self.labels)))


def choose_target_of_plan(
    dataset: Dataset, request: TargetRequest, kept: Plan | None, path: Path
) -> Target:
    """Return what the plan of a call segments.

    Args:
        dataset: The dataset, read with its regions if objects are asked for, or if the existing plan has some.
        request: What the call asks for.
        kept: The plan that exists already, and is kept; None if a plan is made.
        path: Path of plans.json, for messages.

    Raises:
        DatasetError: A label that is asked for does not exist.
        PlanError: The existing plan is for something else, or names a label that dataset.json does not have.
    """
    if kept is None:
        return _choose(dataset, request)
    wanted = _choose(dataset, request) if request != TargetRequest() else None
    if wanted is not None and not _is_that_of(wanted, kept):
        words = " ".join(request.objects or request.target)
        option = "--objects " if request.objects else ""
        what = describe_target(kept)
        end = _ANEW if request.objects or kept.objects else "add --overwrite to plan anew"
        raise PlanError(f"{path}: planned for {what}, asked for {option}{words}; {end}")
    for value in kept.labels:
        if value not in dataset.values:
            field = "target_labels" if kept.target_labels else "target_label"
            raise PlanError(
                f"{path}: {field} {value} is not a label of dataset.json; correct it, or add --overwrite to plan anew"
            )
    if kept.objects:
        return wanted or _kept_objects(dataset, kept)
    return _choose(dataset, TargetRequest(target=tuple(str(value) for value in kept.labels)))


def _choose(dataset: Dataset, request: TargetRequest) -> Target:
    if not request.objects:
        return Target(*choose_targets(dataset, request.target))
    return _target_of(choose_objects(dataset, request.objects))


def _target_of(objects: tuple[TargetObject, ...]) -> Target:
    values = all_values(objects)
    labels: Labels = values if len(values) > 1 else values[0]
    return Target(labels, ", ".join(one.name for one in objects), objects)


def _is_that_of(target: Target, kept: Plan) -> bool:
    """Whether a target has the label values of an existing plan. The names are compared later."""
    if as_tuple(target.labels) != kept.labels or len(target.objects) != len(kept.objects):
        return False
    pairs = zip(target.objects, kept.objects, strict=True)
    return all(one.values == other.values for one, other in pairs)


def _kept_objects(dataset: Dataset, kept: Plan) -> Target:
    """Return the objects of an existing plan, under the names that dataset.json now gives them."""
    now = {values: name for name, values in entries_of(dataset).items()}
    named = {now.get(one.values, one.name): one.values for one in kept.objects}
    return _target_of(make_objects(dataset, named))


def announce(dataset: Dataset, target: Target) -> None:
    """Print the dataset, what is segmented, and which labels are background."""
    chosen = as_tuple(target.labels)
    others = [f"{value} ({name})" for value, name in dataset.labels.items() if value not in chosen]
    what = f"target {label_text(chosen)} ({target.name})"
    hint = "; --target-label chooses another" if others else ""
    if target.objects:
        what = f"{counted(len(target.objects), 'object')}: {list_objects(target.objects)}"
        hint = ""
    elif len(dataset.labels) > 1:
        hint += f", --objects {EACH} plans one network for all labels" if others else ""
    say(
        f"dataset: {dataset.name}, {counted(len(dataset.cases) + len(dataset.broken), 'case')}, {what}"
        + (f"; background: {listed(others)}" if others else "")
        + hint
    )
    if dataset.further_channels:
        names = listed(name or "without a name" for name in dataset.channels)
        say(f"channels: {len(dataset.channels)} ({names})")
