"""What a click on a preprocessed case asks for: the whole target, or one of the objects of the plan."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.case import Case
from promise_cli.dataset.objects import TargetObject, mask_values_of
from promise_cli.geometry.patch import Patch


@dataclass(frozen=True, eq=False)
class CaseTarget:
    """What a click on a case asks for: its whole target, or one of its objects."""

    case: Case
    wanted: TargetObject | None = None
    """The object that is asked for; None for a plan of one target."""
    values: tuple[int, ...] = ()
    """Values of the object's voxels in `case.target`; empty for a plan of one target."""

    @property
    def num_voxels(self) -> int:
        """Number of voxels of the target or object."""
        if self.case.objects is None:
            return len(self.case.foreground)
        return int(self._counts.sum())

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Mask of the target or object, (I, J, K)."""
        target = np.asarray(self.case.target)
        return np.isin(target, self.values) if self.values else target > 0

    def crop(self, patch: Patch) -> NDArray[np.uint8]:
        """Return the target or object in a patch: 1 inside, 0 outside."""
        block: NDArray[np.uint8] = patch.crop(self.case.target)
        return np.isin(block, self.values).astype(np.uint8) if self.values else block

    def holds(self, i: int, j: int, k: int) -> bool:
        """Whether a voxel of the case belongs to the target or object."""
        value = int(self.case.target[i, j, k])
        return value in self.values if self.values else value != 0

    def draw_voxel(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Draw a voxel of the target or object; all are equally likely."""
        place = int(rng.integers(self.num_voxels))
        if self.case.objects is not None:
            place = self._place(place)
        flat = self.case.foreground[place]
        i, j, k = (int(index) for index in np.unravel_index(flat, self.case.target.shape))
        return i, j, k

    @property
    def _counts(self) -> NDArray[np.int64]:
        """Number of voxels of each mask value of the case that belongs to the object, 0 for the others."""
        assert self.case.objects is not None
        values, counts = self.case.objects.T
        return counts * np.isin(values, self.values)

    def _place(self, number: int) -> int:
        """Return the index in `foreground` of one of the object's voxels, which are counted from 0 over its groups."""
        assert self.case.objects is not None
        ends = np.cumsum(self._counts)
        group = int(np.searchsorted(ends, number, side="right"))
        before = self.case.objects[:group, 1].sum()
        return int(before + number - (ends[group] - self._counts[group]))


def all_targets(case: Case, objects: Sequence[TargetObject]) -> list[CaseTarget]:
    """Return the target of a case, or each object of the plan, also those of which the case has no voxel."""
    if not objects:
        return [CaseTarget(case)]
    return [CaseTarget(case, one, mask_values_of(one, objects)) for one in objects]


def held_targets(case: Case, objects: Sequence[TargetObject]) -> list[CaseTarget]:
    """Return what a click on a case can ask for: its target, or each of the objects of which it holds a voxel."""
    return [one for one in all_targets(case, objects) if one.num_voxels]


def draw_target(
    case: Case, objects: Sequence[TargetObject], rng: np.random.Generator
) -> CaseTarget:
    """Draw the target of a training sample. Each object of which the case holds a voxel is equally likely.

    Nothing is drawn from the generator for a plan of one target.
    """
    found = held_targets(case, objects)
    return found[int(rng.integers(len(found)))] if objects else found[0]
