"""Train, validate and predict on a pretended GPU; print what each network does wrong there, as JSON.

FAKE_CUDA_GUARD=guard.so python -m tests.fake_cuda.probe promise rivals faults
"""

from tests.fake_cuda.pretend import CUDA, Watch, pretended, to_cuda  # isort: skip -- before torch

import dataclasses
import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch

from experiments.gpu.rig import training_of
from promise_cli.network.architecture import Setting
from promise_cli.network.promise import PRESETS, ProMISe
from promise_cli.network.promise.config import ENCODERS
from promise_cli.network.recipe import RECOMMENDED, TrainConfig, plain_preset, preset
from promise_cli.network.registry import PROMISE, RIVALS, build_network, plan_network
from promise_cli.session.networks import EncodedWindow, Networks
from promise_cli.train.samples import Sample, collate
from promise_cli.train.schedule import Batch
from promise_cli.train.step import take_step, validate

FULL = (RECOMMENDED, "tiny")
"""Presets that are tried at their full width; the others are rows of ablations."""
SHORT = {
    name: dataclasses.replace(shape, depth=4, long_tables=shape.long_tables[:1])
    for name, shape in ENCODERS.items()
}
"""The encoders with one block for each feature level, because all blocks of an encoder take the same path."""
MAY_UPLOAD = ("train/samples.py", "session/networks.py")
"""Files that move samples and windows to the device."""
SUMS = SimpleNamespace(item=lambda: 0.0, tolist=lambda: [[0.0, 0.0, 1.0]])
"""What the processes add up in a validation: no stop is asked for, nothing is odd, two Dice and one patch."""
FAULTS = ("zeros", "item", "numpy", "mixed")
"""Mistakes that can be planted."""
ON_CPU = ("train/step.py", "train/training.py", "session/networks.py")
"""Files that compute on the CPU what came back from the device."""


def _cases(group: str) -> Iterator[tuple[str, str, Any, TrainConfig]]:
    """Name, network, sizes and recipe of everything that can be trained."""
    if group == "promise":
        for name in PRESETS:
            sizes, recipe = preset(name)
            if name not in FULL:  # their blocks are those of the full encoder, with fewer of them
                sizes = dataclasses.replace(sizes, encoder="tiny", window_size=8)
            yield name, PROMISE, sizes, _with_precision(recipe, "bf16", 2 if name in FULL else 1)
        sizes, recipe = preset(RECOMMENDED)
        small = dataclasses.replace(sizes, encoder="dinov2_s")
        yield "dinov2", PROMISE, small, _with_precision(recipe, "bf16")
        in_head = dataclasses.replace(sizes, encoder="tiny", click_map_in_head=True)
        for precision in ("fp32", "fp16"):
            yield precision, PROMISE, in_head, _with_precision(recipe, precision)
        kept = dataclasses.replace(recipe, checkpoint_activations=True)
        yield "checkpointed", PROMISE, in_head, _with_precision(kept, "bf16")
        return
    for name in RIVALS:
        for clicks in (False, True):
            setting = Setting(
                patch_size=96, spacing=(1.0, 1.0, 1.0), small=True, clicks_as_channel=clicks
            )
            recipe = plain_preset("tiny", name, clicks=clicks)
            shown = f"{name} with clicks" if clicks else name
            yield shown, name, plan_network(name, setting), _with_precision(recipe, "bf16")


def _with_precision(recipe: TrainConfig, precision: Any, corrections: int = 1) -> TrainConfig:
    """Return a recipe for one sample; a second correction takes the same path as the first."""
    corrections = min(recipe.corrections, corrections)
    return dataclasses.replace(recipe, precision=precision, batch_size=1, corrections=corrections)


def probe(network: str, sizes: Any, recipe: TrainConfig) -> dict[str, Any]:
    """Take one step (of two batches with the default's sizes), validate once, and click twice in one window."""
    device = torch.device("meta" if network == PROMISE else "cpu")
    with device, mock.patch.dict(ENCODERS, SHORT):
        model = build_network(network, sizes)
    model.checkpoint_activations(recipe.checkpoint_activations)
    with pretended() as mode:
        to_cuda(model, mode)
        if isinstance(model, ProMISe):
            model.freeze_encoder()
        step, validation, prediction = Watch(), Watch(), Watch()
        training = training_of(model, recipe, CUDA)
        training.fixed = [_sample(sizes.patch_size, recipe)]
        count = 2 if sizes == preset(RECOMMENDED)[0] else 1
        samples = (training.fixed[0] for _ in range(count))
        batches = [Batch((n,), 1 / count, n == count - 1) for n in range(count)]
        with step, torch.autograd.set_multithreading_enabled(False):
            take_step(training, batches, (collate([one]).to(CUDA) for one in samples))
        training.group = SimpleNamespace(size=1, rank=0, sum=lambda _: SUMS)
        with validation:
            validate(training)
        model.eval()
        networks = Networks([model], CUDA, (Path("checkpoint.pt"),), recipe.precision, tta=False)
        edge = sizes.patch_size
        window = EncodedWindow(np.zeros((edge, edge, edge), np.float32))
        with prediction:
            for _ in range(2):
                networks.probabilities(window, np.zeros((1, 3), np.int64), np.ones(1, np.int64))
    return {
        "step waits": dict(step.waits),
        "prediction waits": dict(prediction.waits),
        "uploads": _outside(MAY_UPLOAD, step, validation, prediction, kind="uploads"),
        "made on the CPU": _outside(ON_CPU, step, validation, prediction, kind="on_cpu"),
        "kernels of a step": step.kernels,
    }


def _outside(files: tuple[str, ...], *watches: Watch, kind: str) -> list[str]:
    lines = {line for watch in watches for line in getattr(watch, kind)}
    return sorted(line for line in lines if not line.startswith(files) and "/" in line)


def _sample(edge: int, recipe: TrainConfig) -> Sample:
    num_clicks = recipe.num_foreground_clicks + recipe.num_background_clicks
    return Sample(
        torch.zeros(1, edge, edge, edge),
        torch.zeros(1, edge, edge, edge),
        torch.zeros(num_clicks, 3),
        torch.ones(num_clicks, dtype=torch.long),
        ("case",),
    )


@contextmanager
def planted(fault: str) -> Iterator[None]:
    """Make ProMISe do something wrong, to see that it is found."""
    right = ProMISe.encode

    def wrong(self: ProMISe, patch: torch.Tensor) -> Any:
        if fault == "zeros":
            torch.zeros(3)
        elif fault == "item":
            patch.mean().item()
        elif fault == "numpy":
            patch.numpy()
        elif fault == "mixed":
            patch = patch + torch.zeros(patch.shape[-1])
        return right(self, patch)

    with mock.patch.object(ProMISe, "encode", wrong):
        yield


def main() -> None:
    """Print the findings of groups of networks, and (`faults`) of the tiny network with each planted fault."""
    gc.disable()  # tensors without values take little memory, and looking for cycles half of the time
    json.dump({group: _found(group) for group in sys.argv[1:]}, sys.stdout)


def _found(group: str) -> dict[str, Any]:
    """Return the findings of one group by the name of a network or of a fault."""
    if group != "faults":
        return {name: probe(*case) for name, *case in _cases(group)}
    found: dict[str, Any] = {}
    sizes, recipe = preset("tiny")
    for fault in FAULTS:
        with planted(fault):
            try:
                found[fault] = probe(PROMISE, sizes, _with_precision(recipe, "bf16"))
            except (RuntimeError, TypeError) as error:
                found[fault] = {"error": str(error)}
    return found


if __name__ == "__main__":
    main()
