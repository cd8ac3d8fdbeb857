"""What only a GPU can show: agreement with the CPU, and a whole training and prediction. Run with `pytest -m gpu`."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.network.device import autocast, set_up_device
from promise_cli.session.predictor import Predictor
from promise_cli.train import TrainRequest, train
from promise_cli.train.deepest_error import deepest_error
from promise_cli.train.losses import total_loss
from tests.conftest import RUN
from tests.test_model.small_network import ONE, RECOMMENDED, clicks, network, patches
from tests.test_train.runs import copy_workspace

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CUDA = torch.device("cuda:0")
FAR = {"fp32": 1e-4, "bf16": 3e-2, "fp16": 5e-3}
"""Largest difference from the CPU's fp32, as a share of the norm."""


@pytest.mark.parametrize("precision", FAR)
def test_logits_and_gradients_are_those_of_the_cpu(precision: str) -> None:
    target = (patches() > 1).float()
    found = []
    for device, chosen in ((torch.device("cpu"), "fp32"), (CUDA, precision)):
        set_up_device(device, chosen)
        model = network(**RECOMMENDED).to(device).train()
        given = [one.to(device) for one in (patches(), clicks((4, 5, 6)), ONE)]
        with autocast(device, chosen):
            logits = model(*given)
        config = load_recipe().loss
        total_loss(logits, target.to(device), config)[0].backward()
        gradients = [p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None]
        found.append((logits.detach().float().cpu(), torch.cat(gradients)))
    for ours, theirs in zip(found[1], found[0], strict=True):
        assert (ours - theirs).norm() <= FAR[precision] * theirs.norm()


def load_recipe():
    from promise_cli.network.recipe import preset

    return preset("recommended")[1]


def test_the_click_on_an_error_is_that_of_the_cpu() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        target, mask = (torch.from_numpy(rng.random((40, 40, 40)) < 0.7) for _ in range(2))
        pick = rng.random()
        here, there = (deepest_error(target.to(on), mask.to(on), pick) for on in ("cpu", CUDA))
        assert here.voxel.tolist() == there.voxel.tolist()
        assert int(here.sign) == int(there.sign)


@pytest.mark.slow
def test_a_run_is_trained_stopped_resumed_and_predicted_with(
    preprocessed: Path, tmp_path: Path
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    request = TrainRequest(preset="tiny", epochs=2, device="cuda", root=root, workers=2)
    train(dataclasses.replace(request, epochs=1))
    train(dataclasses.replace(request, preset=None, resume=True))
    checkpoint = load_checkpoint(root / RUN / "checkpoint_last.pt")
    assert checkpoint.epoch == 2
    assert "cuda" in checkpoint.random_states
    scan = next((root / "Task98_Balls" / "imagesTr").glob("*.nii.gz"))
    masks = [
        Predictor.load(root / RUN / "checkpoint_best.pt", device, "fp32")
        .open(scan)
        .click((9, 9, 9))
        for device in ("cpu", "cuda")
    ]
    assert (masks[0] != masks[1]).mean() < 1e-3


def test_a_step_waits_for_the_gpu_once(preprocessed: Path, tmp_path: Path) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    request = TrainRequest(preset="tiny", epochs=1, device="cuda", root=root, workers=0)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchronizing CUDA operation") as caught:
            train(request)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    from_steps = [one for one in caught if one.filename.endswith("train/step.py")]
    assert len({one.lineno for one in from_steps}) <= 4  # one in the step, three in validation
