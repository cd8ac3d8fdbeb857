"""Measure what corrections cost a training step on the CPU, and what is saved by encoding the image only once.

    python -m tests.benchmarks.corrections [EDGE] [ENCODER ...]

Prints one line of JSON for each encoder, with the seconds of a training step of ProMISe's default on two patches.
Four kinds of step alternate, and each time is the median of five steps:

* `none`: no corrections.
* `encoded_twice`: three corrections. The image is encoded for them without gradients, and the step encodes it again.
* `encoded_once`: three corrections, drawn from the same encoded image that the step uses.
* `first_answer_too`: as `encoded_once`, and the first answer also counts in the loss.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks.precision import EDGE, build

ROUNDS = 5
TURNS = 3


def measure(encoder: str, edge: int) -> dict[str, Any]:
    import dataclasses

    import numpy as np
    import torch

    from promise_cli.network.device import autocast, choose_precision
    from promise_cli.network.recipe import preset
    from promise_cli.train.corrections import Answering, Turns, click_on_errors
    from promise_cli.train.samples import Sample
    from promise_cli.train.step import _loss_of

    device = torch.device("cpu")
    precision = choose_precision("auto", device, encoder)
    model = build(f"promise:{encoder}", edge, small=False).train()
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-6)
    recipe = preset("recommended")[1]
    target = torch.zeros(2, 1, edge, edge, edge)
    target[..., edge // 4 : edge // 2, edge // 4 : edge // 2, edge // 4 : edge // 2] = 1
    clicks = torch.full((2, 1, 3), 0.375 * edge)
    sample = Sample(
        torch.randn(target.shape) + target, target, clicks, torch.ones(2, 1).long(), ("a", "b")
    )

    def turns(most: int) -> Turns:
        return Turns((most, most), (np.random.default_rng(0), np.random.default_rng(1)))

    def step(corrected: Callable[[], Sample], most: int, share: float) -> float:
        config = dataclasses.replace(recipe, first_answer_weight=share)
        began = time.monotonic()
        optimizer.zero_grad()
        given = corrected()
        with autocast(device, precision):
            answers = Answering(model, learns_from_first=share > 0)(given, turns(most))
        _loss_of(answers, target, config)[0].backward()
        optimizer.step()
        return time.monotonic() - began

    def encoded_for_them() -> Sample:
        with torch.no_grad(), autocast(device, precision):
            state = model.encode(sample.image)
            first = model.decode(state, sample.clicks, sample.signs)
            return click_on_errors(model.decode, state, sample, first, turns(TURNS))

    def plain() -> Sample:
        return sample

    ways: dict[str, tuple[Callable[[], Sample], int, float]] = {
        "none": (plain, 0, 0.0),
        "encoded_twice": (encoded_for_them, 0, 0.0),
        "encoded_once": (plain, TURNS, 0.0),
        "first_answer_too": (plain, TURNS, 0.5),
    }
    for way in ways.values():
        step(*way)  # a warm-up: torch chooses its kernels at the first call
    taken = {name: [step(*way)] for name, way in ways.items()}
    for _ in range(ROUNDS - 1):
        for name, way in ways.items():
            taken[name].append(step(*way))
    seconds = {name: round(statistics.median(values), 3) for name, values in taken.items()}
    return {
        "encoder": encoder,
        "patch": edge,
        "precision": precision,
        "seconds": seconds,
        "twice_by_once": round(seconds["encoded_twice"] / seconds["encoded_once"], 2),
        "first_too_by_once": round(seconds["first_answer_too"] / seconds["encoded_once"], 2),
    }


def main(arguments: list[str]) -> None:
    edge = int(arguments[0]) if arguments else EDGE
    for encoder in arguments[1:] or ("tiny", "dinov2_s"):
        print(json.dumps(measure(encoder, edge)), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
