"""Count the operations and bytes of one training step, and the least time that they take on several GPUs.

    FAKE_CUDA_GUARD=guard.so python -m experiments.gpu.roofline [PRESET]

Runs the step at 128^3 with ViT-B on a pretended GPU (`tests/fake_cuda`), which computes nothing. The bytes are those of
each kernel's inputs and outputs, each read or written once. Views cost nothing. Prints one line of JSON for each kind
of kernel and one for the sum. The line of the sum has two lower limits for each card, in milliseconds: the operations
at the speed of its matrix units in bf16, and the bytes at the bandwidth of its memory.
"""

from tests.fake_cuda.pretend import ASKED, CUDA, pretended, tensors_in, to_cuda  # isort: skip -- before torch

import collections
import json
import sys
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from experiments.gpu.rig import recipe_of, sample_of, training_of
from promise_cli.network.promise import ProMISe, model_config
from promise_cli.train import step as step_module
from promise_cli.train.corrections import Turns
from promise_cli.train.samples import Sample
from promise_cli.train.schedule import Batch

CARDS = {
    # TFLOP/s of dense matrices in bf16, and GB/s of memory, from the data sheets
    "H200": (989.0, 4800.0),
    "H100": (989.0, 3350.0),
    "A100": (312.0, 2039.0),
    "RTX 4090": (165.0, 1008.0),
}
KINDS = (
    ("attention", ("_scaled_dot_product",)),
    ("convolution", ("convolution",)),
    ("product", ("::mm", "::addmm", "::bmm", "::baddbmm")),
    ("norm", ("norm",)),
    ("cast or copy", ("_to_copy", "::clone", "::copy_", "::cat", "::index")),
)
FREE = (
    *("prim::", "view", "reshape", "transpose", "permute", "::t", "expand", "slice", "select"),
    *(
        "split",
        "detach",
        "alias",
        "squeeze",
        "unbind",
        "as_strided",
        "narrow",
        "empty",
        "is_",
        "::sym_",
    ),
)
"""Parts of the names of operations that neither read nor write a tensor's values."""


class Bytes(TorchDispatchMode):
    """Adds up the bytes of every kernel, by its kind."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: collections.Counter[str] = collections.Counter()
        self.kernels = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation. If the host asks for a value, it gets zero."""
        name = func.name()
        if name in ASKED:
            return 0.0 if args[0].dtype.is_floating_point else 0
        out = func(*args, **(kwargs or {}))
        if not any(part in name for part in FREE):
            tensors = {id(one): one for one in (*tensors_in(args), *tensors_in(out))}
            self.kernels += 1
            self.found[_kind(name)] += sum(one.numel() * one.itemsize for one in tensors.values())
        return out


def _of_convolution_backward(outer: Any, features: Any, weight: Any, *rest: Any, **_: Any) -> int:
    """Count each gradient like one forward pass. torch's own count of depth-wise gradients is many times too high."""
    transposed, wanted = rest[4], rest[7]
    forward = conv_flop_count(features, weight, outer, transposed=transposed)
    return forward * sum(wanted[:2])


FORMULAS = {torch.ops.aten.convolution_backward: _of_convolution_backward}


def _kind(name: str) -> str:
    for kind, parts in KINDS:
        if any(part in name for part in parts):
            return kind
    return "element-wise and other"


def main() -> None:
    """Count one step with as many corrections as the recipe draws on average."""
    name = sys.argv[1] if len(sys.argv) > 1 else "paper"
    recipe = recipe_of(name, "bf16")
    with torch.device("meta"):
        model = ProMISe(model_config(name))
    turns = Turns((round(recipe.corrections / 2),), (np.random.default_rng(0),))
    sample = sample_of(model.config.patch_size, recipe)
    with pretended() as mode:
        to_cuda(model, mode)
        model.freeze_encoder()
        training = training_of(model.train(), recipe, CUDA)
        image, target, clicks, signs = (mode.from_tensor(tensor) for tensor in sample.tensors)
        given = Sample(image, target, clicks, signs, sample.case_ids)
        counted = Bytes()
        with (
            mock.patch.object(step_module, "draw_turns", return_value=turns),
            FlopCounterMode(display=False, custom_mapping=FORMULAS) as flops,
            counted,
            torch.autograd.set_multithreading_enabled(False),
        ):
            step_module.take_step(training, [Batch((0,), 1.0, True)], iter([given.to(CUDA)]))
    _print(name, dict(flops.get_flop_counts()["Global"]), counted)


def _print(name: str, operations: dict[Any, int], counted: Bytes) -> None:
    by_kind: collections.Counter[str] = collections.Counter()
    for operation, number in operations.items():
        by_kind[_kind(f"::{operation}".replace("aten.", ""))] += number
    rows = {
        kind: (by_kind[kind] / 1e12, counted.found[kind] / 1e9)
        for kind in dict.fromkeys([*by_kind, *counted.found])
    }
    total = tuple(sum(row[place] for row in rows.values()) for place in (0, 1))
    for kind, (tera, giga) in {**rows, "sum": total}.items():
        found: dict[str, Any] = {
            "preset": name,
            "kernels": kind,
            "tflop": round(tera, 2),
            "gb": round(giga, 1),
        }
        if kind == "sum":
            found["count"] = counted.kernels
            found["least_ms"] = {
                card: [round(1000 * tera / rate), round(1000 * giga / bandwidth)]
                for card, (rate, bandwidth) in CARDS.items()
            }
        sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
