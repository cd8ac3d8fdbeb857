"""Milliseconds and memory of the first and of a second click in one window."""

from pathlib import Path

import numpy as np

from experiments.gpu.rig import DEVICE, IS_TOY, SIZES, build, report, reported, timed
from promise_cli.network.device import set_up_device
from promise_cli.session.networks import EncodedWindow, Networks


def main() -> None:
    """Report both clicks, with and without mirrored windows."""
    edge = SIZES.edge
    image = np.random.default_rng(0).standard_normal((edge, edge, edge)).astype(np.float32)
    middle, sign = np.full((1, 3), edge // 2), np.ones(1, np.int64)
    set_up_device(DEVICE, "bf16")
    for name in ("recommended", "paper"):
        model = build(name, SIZES.encoder, edge).eval()
        for tta in (False, True):
            with reported(prediction=name, tta=tta):
                networks = Networks([model], DEVICE, (Path(name),), "bf16", tta=tta)

                def first(networks: Networks = networks) -> None:
                    networks.probabilities(EncodedWindow(image), middle, sign)

                window = EncodedWindow(image)

                def second(networks: Networks = networks, window: EncodedWindow = window) -> None:
                    networks.probabilities(window, middle, sign)

                for click, call in (("first", first), ("second", second)):
                    count = (3, 1) if tta and not IS_TOY else (SIZES.repeats, SIZES.warm_up)
                    report(prediction=name, tta=tta, click=click, **timed(call, *count))


if __name__ == "__main__":
    main()
