"""Short trainings on the dataset of balls, and ways to end them early."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from promise_cli.network.checkpoint import load_checkpoint, save_checkpoint
from promise_cli.train import TrainRequest, run, train
from promise_cli.train.watch import Watch
from tests.killer import Kill


def copy_workspace(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder / "workspace")
    return folder / "workspace"


def train_balls(root: Path, epochs: int = 2, **options) -> Path:
    """Train the preset `tiny` on the balls, or resume such a run, and return its folder.

    ProMISe gets patches of 16^3 voxels; those of the preset, 48^3, take three times as long.
    """
    request = {"preset": None, "device": "cpu", "workers": 0}
    if not options.get("resume"):
        request["preset"] = "tiny"
        if options.get("network", "promise") == "promise":
            options["fields"] = ("patch_size=16", *options.get("fields", ()))
    return train(TrainRequest(epochs=epochs, root=root, **request | options))


def kill_at(name: str, patch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Raise `Kill` just before a checkpoint of this name would be written for the nth time, with n = `times`."""
    left = [times]

    def save(checkpoint, path, kept):
        left[0] -= path.name == name
        if not left[0]:
            raise Kill
        save_checkpoint(checkpoint, path, kept)

    patch.setattr(run, "save_checkpoint", save)


def stop_after(steps: int, how: signal.Signals, patch: pytest.MonkeyPatch) -> None:
    """Send this process a signal once this many steps are done."""
    tell = Watch.step

    def tell_and_signal(self: Watch, *arguments) -> None:
        tell(self, *arguments)
        if self.done - self.first == steps:
            os.kill(os.getpid(), how)

    patch.setattr(Watch, "step", tell_and_signal)


def is_same_run(one: Path, other: Path) -> bool:
    a, b = (
        load_checkpoint(one / "checkpoint_last.pt"),
        load_checkpoint(other / "checkpoint_last.pt"),
    )
    weights = all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)
    moments = all(
        torch.equal(state[name], b.optimizer["state"][number][name])
        for number, state in a.optimizer["state"].items()
        for name in state
    )
    return weights and moments and (a.epoch, a.step, a.best_dice) == (b.epoch, b.step, b.best_dice)
