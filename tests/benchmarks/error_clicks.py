"""Compare the two searches for a click on an error: the deepest voxel, and the middle of the largest connected part.

    python -m tests.benchmarks.error_clicks [EDGE ...]

Prints one line of JSON for each edge and kind of mask: the milliseconds of both searches (medians of seven, taken
alternately), their ratio, and whether the deepest voxel lies in the largest connected part. The masks are random blobs
of a given smoothness, and the answer is the target shifted by two voxels, or blobs of its own.
"""

import json
import statistics
import sys
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from promise_cli.prompts import largest_error
from promise_cli.train.deepest_error import deepest_error

ROUNDS = 7
CASES = 20
KINDS = {"scattered": (1.0, 0.9, False), "shifted": (5.0, 0.95, True), "other": (5.0, 0.95, False)}


def draw(edge: int, kind: str, rng: np.random.Generator) -> tuple[NDArray[np.bool_], ...]:
    smoothness, share, shifted = KINDS[kind]
    fields = [
        ndimage.gaussian_filter(rng.standard_normal((edge,) * 3), smoothness) for _ in range(2)
    ]
    target, other = (field > np.quantile(field, share) for field in fields)
    return target, np.roll(target, (2, 1, 0), (0, 1, 2)) if shifted else other


def measure(edge: int, kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    target, mask = draw(edge, kind, rng)
    tensors = torch.from_numpy(target), torch.from_numpy(mask)
    deepest_error(*tensors, 0.5)
    taken: dict[str, list[float]] = {"deepest": [], "largest": []}
    for _ in range(ROUNDS):
        began = time.perf_counter()
        deepest_error(*tensors, 0.5)
        middle = time.perf_counter()
        largest_error(target, mask, (1.0, 1.0, 1.0), rng)
        taken["deepest"].append(1000 * (middle - began))
        taken["largest"].append(1000 * (time.perf_counter() - middle))
    medians = {name: round(statistics.median(values), 2) for name, values in taken.items()}
    return {
        "edge": edge,
        "masks": kind,
        **{f"{name}_ms": value for name, value in medians.items()},
        "times_faster": round(medians["largest"] / medians["deepest"], 1),
        "in_largest_part": agreement(min(edge, 64), kind),
    }


def agreement(edge: int, kind: str) -> float:
    """Return the share of cases in which both searches click into the same connected part."""
    rng, same = np.random.default_rng(1), 0
    for _ in range(CASES):
        target, mask = draw(edge, kind, rng)
        found = deepest_error(torch.from_numpy(target), torch.from_numpy(mask), rng.random())
        expected = largest_error(target, mask, (1.0, 1.0, 1.0), rng)
        assert expected is not None
        wrong = target & ~mask if expected.foreground else mask & ~target
        parts, _ = ndimage.label(wrong, structure=np.ones((3, 3, 3)))
        i, j, k = map(int, found.voxel)
        same += bool(int(found.sign) == expected.foreground) and (
            parts[i, j, k] == parts[expected.voxel]
        )
    return same / CASES


def main(arguments: list[str]) -> None:
    for edge in map(int, arguments or ("48", "64", "128")):
        for kind in KINDS:
            print(json.dumps(measure(edge, kind)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
