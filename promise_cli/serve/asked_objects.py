"""The objects of a network that segments several, each lesion of a client belonging to one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.objects import TargetObject, list_objects, mask_values_of
from promise_cli.geometry.box import Box, bounding_box, common_part
from promise_cli.predictions.objects import lesion_of, named_object
from promise_cli.prompts import ONE_LESION, Click, Lesion
from promise_cli.serve.refusal import RefusalError
from promise_cli.session.prediction import Prediction

Voxels = NDArray[np.uint8]


@dataclass(frozen=True)
class AskedObjects:
    """The objects among which clients choose. There are none if the networks segment one target."""

    objects: tuple[TargetObject, ...] = ()
    default: TargetObject | None = None
    """Object of lesions that name none. None if the client must name one."""

    def lesion(self, number: int, name: str) -> Lesion:
        """Return the lesion with this number and name. Where there are objects, the name is that of its object.

        Args:
            number: Number of the lesion, counted from 1. Without objects, it is also the value in the mask.
            name: Name or value of an object, in upper or lower case; any text if there are no objects. If it is empty,
                the default is meant. Without a default, the lesion then has no name, and cannot be clicked yet.

        Raises:
            PromptError: There is no such object.
        """
        if not self.objects:
            return ONE_LESION if not name and number == 1 else Lesion(number, name, number)
        one = named_object(self.objects, name, "name") if name else self.default
        return Lesion(number, "", number) if one is None else lesion_of(one, number)

    def check_chosen(self, lesion: Lesion, where: str) -> None:
        """Check that a lesion can be clicked.

        Raises:
            RefusalError: Its object is not known yet.
        """
        if self.objects and not lesion.name:
            raise RefusalError(
                422, f"{where}: choose the object of lesion {lesion.number} first: {list_objects(self.objects)}"
            )  # fmt: skip

    def check_viewer(self, name: str) -> None:
        """Check that it is known on which object a viewer clicks. Most viewers cannot say it.

        Raises:
            RefusalError: It is not.
        """
        if self.objects and self.default is None and not name:
            raise RefusalError(
                422, f"the network segments several objects ({list_objects(self.objects)}); start promise-serve with"
                " --object NAME, and click on this object alone"
            )  # fmt: skip

    def values_of(self, lesion: Lesion) -> tuple[int, ...]:
        """Return all values of a lesion's voxels in the mask: several if objects lie within its object."""
        one = next((one for one in self.objects if one.name == lesion.name), None)
        return (lesion.value,) if one is None else mask_values_of(one, self.objects)


NO_OBJECTS = AskedObjects()


def renamed(clicks: Sequence[Click], lesion: Lesion) -> tuple[Click, ...]:
    """Return the same clicks on another lesion."""
    return tuple(replace(click, lesion=lesion) for click in clicks)


def by_object(found: Mapping[Lesion, Prediction]) -> list[dict[Lesion, Prediction]]:
    """Group predictions by the object of their lesions."""
    values = dict.fromkeys(lesion.value for lesion in found)
    return [
        {lesion: one for lesion, one in found.items() if lesion.value == value} for value in values
    ]


def numbers_of(
    mask: Voxels, its: Mapping[Lesion, Prediction], values: Sequence[int] | None = None
) -> Voxels:
    """Divide an object among its lesions: each voxel gets the number of the most probable one, and 0 elsewhere.

    Args:
        mask: Mask values of all objects, (I, J, K), on the scan's grid.
        its: Predictions of the object's lesions. Voxels that none of them reaches go to the first.
        values: Mask values that count for the object. None stands for its own, without those of objects within it.
    """
    numbers, box = np.zeros_like(mask), bounding_box(mask)
    own = (next(iter(its)).value,)
    numbers[box] = _divide(np.isin(mask[box], own if values is None else values), box, its)
    return numbers


def _divide(held: NDArray[np.bool_], box: Box, its: Mapping[Lesion, Prediction]) -> Voxels:
    """Return the numbers of the lesions that hold the voxels of an object in a box of the scan."""
    first = next(iter(its))
    numbers = held * np.uint8(first.number)
    if len(its) == 1:
        return numbers
    surest = np.zeros(held.shape, np.float32)
    for lesion, prediction in its.items():
        common = common_part(box, prediction.place)
        if common is None:
            continue
        here, there = common
        its_own = prediction.probabilities[there]
        better = held[here] & (its_own > surest[here])
        numbers[here][better] = lesion.number
        surest[here][better] = its_own[better]
    return numbers
