"""The objects that clicks ask for, where a network segments several objects of a dataset."""

import dataclasses
from collections.abc import Sequence

from promise_cli.dataset.objects import TargetObject, find_object, list_objects
from promise_cli.errors import PromptError, shorten
from promise_cli.prompts import Click, Lesion, lesions


def named_object(objects: Sequence[TargetObject], asked: str, where: str) -> TargetObject:
    """Return the object with this name or value.

    Raises:
        PromptError: There is none.
    """
    found = find_object(objects, asked)
    if found is None:
        raise PromptError(
            f"{where}: {shorten(repr(asked))} is no object of the network; use one of {list_objects(objects)}"
        )
    return found


def lesion_of(one: TargetObject, number: int) -> Lesion:
    """Return the lesion of clicks on an object. It has the object's name and mask value."""
    return Lesion(one.mask_value, one.name, number)


def clicks_on_objects(
    clicks: Sequence[Click],
    objects: Sequence[TargetObject],
    default: TargetObject | None,
    where: str,
) -> tuple[Click, ...]:
    """Return clicks whose lesions have the names and mask values of the objects that they ask for.

    A lesion asks for the object with its name, or with the value that its file gives it. A lesion that names no object
    asks for the default. A network for one object needs neither.

    Args:
        clicks: Clicks of one case.
        objects: Objects of the network.
        default: Object of clicks whose file names none; None if there is no such object.
        where: Name of the clicks in messages.

    Raises:
        PromptError: A lesion names no object of the network, or its name and value belong to different ones.
    """
    default = objects[0] if len(objects) == 1 else default
    found = {
        lesion: lesion_of(_object_of(lesion, objects, default, where), lesion.number)
        for lesion in lesions(tuple(clicks))
    }
    return tuple(dataclasses.replace(click, lesion=found[click.lesion]) for click in clicks)


def _object_of(
    lesion: Lesion, objects: Sequence[TargetObject], default: TargetObject | None, where: str
) -> TargetObject:
    hinted = find_object(objects, lesion.object_hint) if lesion.object_hint else None
    if lesion.name:
        found = named_object(objects, lesion.name, where)
        if lesion.object_hint.isdecimal() and hinted != found:
            raise PromptError(
                f"{where}: object {shorten(lesion.name)} has value {lesion.object_hint}, but the network's {found.name}"
                f" has {found.mask_value}; leave the value out"
            )
        return found
    if lesion.object_hint.isdecimal() and hinted is None:
        return named_object(objects, lesion.object_hint, where)
    chosen = hinted or default
    if chosen is None:
        raise PromptError(
            f"{where}: a click does not say which object it is on; name one of {list_objects(objects)} in the click"
            " file, or with --object"
        )
    return chosen
