"""nnU-Net's changes of intensities: noise, blur, brightness, contrast, low resolution and gamma, by batchgenerators.

The transforms and their chances are those of nnU-Net's 3D training. batchgenerators draws from the global generators of
numpy and of Python. Both are seeded for one patch and then put back, so that a patch depends on its own seed alone,
and nothing else that draws from them is disturbed.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Transform = Callable[..., dict[str, Any]]


def change_intensities(image: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return a patch with changed intensities.

    Args:
        image: Normalised intensities, (I, J, K) or (C, I, J, K). They are not changed. Channels are changed separately,
            as by nnU-Net.
        seed: Seed of this patch, from 0 to 2^32 - 1. Equal seeds give equal changes.
    """
    channels = image.reshape(-1, *image.shape[-3:])
    changed = {"data": channels[None].copy()}  # batchgenerators takes (B, C, I, J, K)
    with _seeded(seed):
        for transform in _transforms():
            changed = transform(**changed)
    return np.ascontiguousarray(changed["data"].reshape(image.shape), dtype=np.float32)


@cache
def _transforms() -> tuple[_Transform, ...]:
    """Return the transforms in nnU-Net's order."""
    # These imports take two seconds, and the paper's augmentations do not need them.
    from batchgenerators.transforms.color_transforms import (  # noqa: PLC0415
        BrightnessMultiplicativeTransform,
        ContrastAugmentationTransform,
        GammaTransform,
    )
    from batchgenerators.transforms.noise_transforms import (  # noqa: PLC0415
        GaussianBlurTransform,
        GaussianNoiseTransform,
    )
    from batchgenerators.transforms.resample_transforms import (  # noqa: PLC0415
        SimulateLowResolutionTransform,
    )

    inverted, upright = (
        GammaTransform((0.7, 1.5), invert, True, retain_stats=True, p_per_sample=chance)
        for invert, chance in ((True, 0.1), (False, 0.3))
    )
    return (
        GaussianNoiseTransform(p_per_sample=0.1),
        GaussianBlurTransform((0.5, 1.0), p_per_sample=0.2, p_per_channel=0.5),
        BrightnessMultiplicativeTransform((0.75, 1.25), p_per_sample=0.15),
        ContrastAugmentationTransform(p_per_sample=0.15),
        SimulateLowResolutionTransform(
            (0.5, 1.0),
            per_channel=True,
            p_per_channel=0.5,
            order_downsample=0,
            order_upsample=3,
            p_per_sample=0.25,
        ),
        inverted,
        upright,
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of numpy and Python for a block, and put their states back after it."""
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002  batchgenerators draws from nothing else
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpys)  # noqa: NPY002
        random.setstate(pythons)
