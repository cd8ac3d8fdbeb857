"""The object of each click in a scan, and one mask for all objects that were clicked."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.objects import TargetObject, find_object, list_objects, parts_of
from promise_cli.errors import PromptError
from promise_cli.predictions.objects import lesion_of, named_object
from promise_cli.prompts import ONE_LESION, Click, Lesion
from promise_cli.session.prediction import Prediction
from promise_cli.volume import Volume


def choose_lesion(objects: Sequence[TargetObject], asked: str | int | None, where: str) -> Lesion:
    """Return the lesion of a click in a session.

    Args:
        objects: Objects of the networks; empty for one target.
        asked: Name or value of the object that the click asks for; None if the call does not say.
        where: Name of the scan in messages.

    Raises:
        PromptError: The networks segment several objects and none of them is named, or they segment one target and an
            object is named.
    """
    if not objects:
        if asked is not None:
            raise PromptError(
                f"{where}: the networks segment one target; leave out object={asked!r}"
            )
        return ONE_LESION
    if asked is None and len(objects) > 1:
        raise PromptError(
            f"{where}: a click does not say which object it is on; give object=..., one of {list_objects(objects)}"
        )
    one = objects[0] if asked is None else named_object(objects, str(asked), where)
    return lesion_of(one, objects.index(one) + 1)


def lesion_of_all(clicks: Sequence[Click], objects: Sequence[TargetObject]) -> Lesion:
    """Return the lesion of clicks that are predicted together.

    Args:
        clicks: The clicks, whose lesions may have the name of an object.
        objects: Objects of the networks; empty for one target.

    Returns:
        The lesion as in a click on the object. The lesion without a name if the networks segment one target, or if the
        clicks do not all name the same one of several objects.
    """
    named = {find_object(objects, click.lesion.name) for click in clicks}
    one = objects[0] if len(objects) == 1 else named.pop() if len(named) == 1 else None
    return ONE_LESION if one is None else choose_lesion(objects, one.name, "")


def merge_objects(
    predictions: Mapping[Lesion, Prediction], objects: Sequence[TargetObject], scan: Volume
) -> NDArray[np.uint8]:
    """Merge the lesions of all objects into one mask. Each voxel gets the mask value of one object.

    Of two objects side by side, the more probable one wins a voxel. An object within another one wins over it. A voxel
    of the inner object counts for the outer one, too, whatever its own probability there.

    Args:
        predictions: Predictions by lesion, whose names are those of the objects.
        objects: Objects of the network.
        scan: The scan, whose grid the mask has.
    """
    mask = np.zeros_like(scan.channels[0], dtype=np.uint8)  # in the scan's memory order
    surest = np.zeros_like(mask, dtype=np.float32)
    for depth in range(1 + max(_depth(one, objects) for one in objects)):
        before = mask.copy() if depth else mask
        surest[...] = 0
        for one in objects:
            if _depth(one, objects) != depth:
                continue
            parent = _parent(one, objects)
            names = {part.name for part in parts_of(one, objects)}
            for lesion, prediction in predictions.items():
                if lesion.name not in names:
                    continue
                place, found = prediction.place, prediction.probabilities
                claimed = (found > 0.5) & (found > surest[place])
                if parent is not None:
                    claimed &= before[place] == parent.mask_value
                surest[place][claimed] = found[claimed]
                mask[place][claimed] = one.mask_value
    return mask


def _around(one: TargetObject, objects: Sequence[TargetObject]) -> list[TargetObject]:
    """Return the objects within which an object lies, the smallest first."""
    found = [other for other in objects if other != one and one in parts_of(other, objects)]
    return sorted(found, key=lambda other: len(other.values))


def _depth(one: TargetObject, objects: Sequence[TargetObject]) -> int:
    return len(_around(one, objects))


def _parent(one: TargetObject, objects: Sequence[TargetObject]) -> TargetObject | None:
    return next(iter(_around(one, objects)), None)
