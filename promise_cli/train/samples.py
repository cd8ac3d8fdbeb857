"""Samples for training and validation: a patch of a case, its target, and clicks on it.

If the plan has several objects, each sample asks for one of them. Its target is that object, and its clicks lie on it.

Each sample has its own random generator, made from (seed, epoch, case, number). No two samples use the same random
numbers, and a run is the same with any number of worker processes. (In the authors' code every worker of every epoch
repeats the same random numbers.)
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from promise_cli.dataset.case import load_case
from promise_cli.dataset.case_objects import CaseTarget, draw_target, held_targets
from promise_cli.dataset.objects import TargetObject
from promise_cli.geometry.patch import Patch
from promise_cli.network.recipe import TrainConfig
from promise_cli.prompts import FOREGROUND, draw_clicks
from promise_cli.train.augment import apply_augmentation, draw_augmentation

MAX_BACKGROUND_TRIES = 100
"""Largest number of voxels that are drawn to find one of the background. A scan may have none."""


@dataclass(frozen=True)
class Sample:
    """A patch with its clicks. After `collate`, a batch of patches, with B as the first axis of each tensor."""

    image: Tensor
    """Normalised intensities, (C, I, J, K) float32."""
    target: Tensor
    """Target, (1, I, J, K) float32, 0 or 1."""
    clicks: Tensor
    """Clicks in voxels of the patch, (N, 3) float32."""
    signs: Tensor
    """Signs of the clicks, (N,) int64: 1 foreground, 0 background, -1 padding."""
    case_ids: tuple[str, ...]
    """Case of each patch."""

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All tensors, in the order of the fields."""
        return self.image, self.target, self.clicks, self.signs

    def to(self, device: torch.device) -> "Sample":
        """Move all tensors to a device."""
        image, target, clicks, signs = (
            tensor.to(device, non_blocking=True) for tensor in self.tensors
        )
        return Sample(image, target, clicks, signs, self.case_ids)

    def pin_memory(self) -> "Sample":
        """Copy all tensors into page-locked memory, from which a GPU can copy while the host continues.

        A DataLoader calls this method. Without it, torch would leave the tensors of a dataclass where they are.
        """
        image, target, clicks, signs = (tensor.pin_memory() for tensor in self.tensors)
        return Sample(image, target, clicks, signs, self.case_ids)


def collate(samples: list[Sample]) -> Sample:
    """Stack samples into a batch."""
    names = ("image", "target", "clicks", "signs")
    stacked = [torch.stack([getattr(sample, name) for sample in samples]) for name in names]
    case_ids = tuple(case for sample in samples for case in sample.case_ids)
    return Sample(stacked[0], stacked[1], stacked[2], stacked[3], case_ids)


def sample_rng(seed: int, epoch: int, case_id: str, number: int = 0) -> np.random.Generator:
    """Return the random generator of one sample; equal arguments give equal random numbers."""
    return np.random.default_rng([seed, epoch, zlib.crc32(case_id.encode()), number])


class TrainingSamples(Dataset[Sample]):
    """The training samples of all epochs. One running index counts them: `index = epoch * len(self) + position`."""

    def __init__(
        self,
        cases_dir: Path,
        case_ids: tuple[str, ...],
        patch_size: int,
        config: TrainConfig,
        seed: int,
        shift_scale: float,
        further_scales: tuple[float, ...] = (),
        objects: tuple[TargetObject, ...] = (),
    ) -> None:
        self.cases_dir, self.case_ids, self.objects = cases_dir, case_ids, objects
        self.patch_size, self.config, self.seed = patch_size, config, seed
        self.shift_scale, self.further_scales = shift_scale, further_scales

    def __len__(self) -> int:
        """Return the number of samples in one epoch."""
        return len(self.case_ids) * self.config.patches_per_case

    def order(self, epoch: int) -> list[int]:
        """Return the running indices of one epoch, shuffled."""
        shuffled = np.random.default_rng([self.seed, epoch]).permutation(len(self))
        return (shuffled + epoch * len(self)).tolist()

    def __getitem__(self, index: int) -> Sample:
        """Cut a patch, augment it and draw its clicks. The result depends on seed and index alone."""
        epoch, position = divmod(index, len(self))
        case_id = self.case_ids[position % len(self.case_ids)]
        rng = sample_rng(self.seed, epoch, case_id, position // len(self.case_ids))
        case = load_case(self.cases_dir, case_id)
        case_target = draw_target(case, self.objects, rng)
        recipe = self.config
        augmentation = draw_augmentation(
            rng, recipe.augment, self.shift_scale, self.further_scales, recipe.augmentation
        )
        margin = augmentation.margin(self.patch_size)
        size = self.patch_size
        centre = _draw_centre(case_target, rng, self.config, size)
        patch = Patch.centred(centre, (size, size, size)).widened((margin, margin, 0))
        image, target = apply_augmentation(
            patch.crop(case.channels).astype(np.float32),
            case_target.crop(patch),
            augmentation,
            size,
        )
        num_foreground = self.config.num_foreground_clicks
        num_background = self.config.num_background_clicks
        clicks, signs = draw_clicks(
            target,
            rng,
            int(rng.integers(1, num_foreground + 1)) if self.config.vary_clicks else num_foreground,
            int(rng.integers(0, num_background + 1))
            if self.config.vary_background_clicks
            else num_background,
            anywhere=self.config.background_clicks == "anywhere",
            repeat=self.config.repeat_clicks,
        )
        return _sample(
            image,
            target,
            clicks,
            signs,
            case_id,
            num_foreground + num_background,
        )


class ValidationSamples(Dataset[Sample]):
    """Fixed validation patches. Each is centred on a click in the target, as in the paper's test.

    The seed decides where the click lies. If `num_clicks` is above 1, further clicks lie on the target in the patch. If
    the plan has several objects, there are patches for each object that a case holds.
    """

    def __init__(
        self,
        cases_dir: Path,
        case_ids: tuple[str, ...],
        patch_size: int,
        per_case: int,
        seed: int,
        num_clicks: int = 1,
        objects: tuple[TargetObject, ...] = (),
    ) -> None:
        self.cases_dir, self.case_ids = cases_dir, case_ids
        self.patch_size, self.per_case, self.seed = patch_size, per_case, seed
        self.num_clicks, self.objects = num_clicks, objects
        self.places = [
            (case_id, place)
            for case_id in case_ids
            for place in range(
                len(held_targets(load_case(cases_dir, case_id), objects)) if objects else 1
            )
        ]
        """Case of each patch, and place of its object among those that the case holds."""

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.places) * self.per_case

    def object_of(self, index: int) -> TargetObject | None:
        """Return the object that a patch asks for; None for a plan of one target."""
        case_id, place = self.places[index % len(self.places)]
        return held_targets(load_case(self.cases_dir, case_id), self.objects)[place].wanted

    def __getitem__(self, index: int) -> Sample:
        """Return the patch of an index; it is the same at every call."""
        number, position = divmod(index, len(self.places))
        case_id, place = self.places[position]
        case = load_case(self.cases_dir, case_id)
        case_target = held_targets(case, self.objects)[place]
        rng = sample_rng(self.seed, 0, case_id, number)
        size = self.patch_size
        centre = case_target.draw_voxel(rng)
        patch = Patch.centred(centre, (size, size, size))
        target = case_target.crop(patch)
        first = (np.array([centre]) - np.array(patch.origin)).astype(np.float32)
        further, _ = draw_clicks(target, rng, self.num_clicks - 1, 0, repeat=True)
        return _sample(
            patch.crop(case.channels).astype(np.float32),
            target,
            np.concatenate([first, further]),
            np.full(self.num_clicks, FOREGROUND, dtype=np.int64),
            case_id,
            self.num_clicks,
        )


def _sample(
    image: NDArray[np.float32],
    target: NDArray[np.uint8],
    clicks: NDArray[np.float32],
    signs: NDArray[np.int64],
    case_id: str,
    num_clicks: int,
) -> Sample:
    """Make a sample from arrays, and pad its clicks to the number `num_clicks`."""
    padding = num_clicks - len(signs)
    return Sample(
        torch.from_numpy(image),
        torch.from_numpy(target.astype(np.float32))[None],
        torch.from_numpy(np.pad(clicks, ((0, padding), (0, 0)))),
        torch.from_numpy(np.pad(signs, (0, padding), constant_values=-1)),
        (case_id,),
    )


def _draw_centre(
    case_target: CaseTarget, rng: np.random.Generator, config: TrainConfig, patch_size: int
) -> tuple[int, int, int]:
    """Draw the centre of a patch: a voxel of the target or of the background, moved by the recipe's jitter.

    In the paper (section 3), target and background have equal chances.
    """
    wants_foreground = rng.random() < config.foreground_share
    farthest = min(round(config.centre_jitter * patch_size), (patch_size - 1) // 2)
    jitter = rng.integers(-farthest, farthest + 1, size=3)
    voxel = case_target.draw_voxel(rng)
    if not wants_foreground:
        for _ in range(MAX_BACKGROUND_TRIES):
            i, j, k = rng.integers(0, case_target.case.target.shape).tolist()
            if not case_target.holds(i, j, k):
                voxel = (i, j, k)
                break
    i, j, k = (np.array(voxel) + jitter).tolist()
    return i, j, k
