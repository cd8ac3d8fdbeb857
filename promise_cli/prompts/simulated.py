"""Clicks of a simulated user: drawn from a target at random, by a generator that depends on the case alone."""

import hashlib

import numpy as np
from numpy.typing import NDArray

Voxel = tuple[int, int, int]


def trial_rng(seed: int, case_id: str, strategy: str, trial: int) -> np.random.Generator:
    """Return the random generator of one trial, which does not depend on other trials.

    Args:
        seed: Seed of all trials.
        case_id: The case.
        strategy: Name of the strategy that places the clicks, such as `random`.
        trial: Number of the trial.
    """
    key = hashlib.sha256(f"{seed}:{case_id}:{strategy}:{trial}".encode()).digest()
    return np.random.default_rng(np.frombuffer(key, dtype=np.uint32))


def random_voxels(
    target: NDArray[np.bool_], rng: np.random.Generator, number: int
) -> tuple[Voxel, ...]:
    """Draw voxels uniformly from a target, with replacement, as the paper draws its click.

    Args:
        target: (I, J, K), not empty.
        rng: Random generator. With the same one, fewer voxels are the first ones of more voxels.
        number: Number of voxels.
    """
    voxels = np.argwhere(target)
    chosen = (voxels[rng.integers(len(voxels))].tolist() for _ in range(number))
    return tuple((i, j, k) for i, j, k in chosen)
