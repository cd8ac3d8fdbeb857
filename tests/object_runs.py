"""Trained networks of several objects, which several files of tests use."""

import json
from pathlib import Path

import pytest
import torch

from promise_cli.preprocess.command import preprocess
from promise_cli.train import TrainRequest, train
from tests.conftest import made_once
from tests.shapes import NESTED, SHAPES, write_nested, write_shapes
from tests.standins import teach_bright


def learned_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with runs of one epoch, whose networks outline all that is bright; tests may only read it."""

    def make(root: Path) -> None:
        write_shapes(root / SHAPES)
        write_nested(root / NESTED)
        for task in (SHAPES, NESTED):
            preprocess(task, root=root, objects="each", workers=0)
        request = TrainRequest(
            task=SHAPES,
            preset="tiny",
            epochs=1,
            patches_per_case=1,
            device="cpu",
            fields=("patch_size=32",),
            root=root,
        )
        run = train(request)
        teach_bright(run / "checkpoint_best.pt")
        _give_to(NESTED, run / "checkpoint_best.pt", root)

    return made_once(tmp_path_factory, "trained_shapes", make)


def _give_to(task: str, checkpoint: Path, root: Path) -> None:
    """Write the same network as a run on another dataset."""
    content = torch.load(checkpoint, weights_only=True)
    there = root / "preprocessed" / task
    content["plan"] |= json.loads((there / "plans.json").read_text()) | {
        key: content["plan"][key] for key in ("patch_size", "normalisation")
    }
    content["split"] = json.loads((there / "splits.json").read_text())["folds"][0]
    folder = root / "results" / task / "fold_0"
    folder.mkdir(parents=True)
    torch.save(content, folder / checkpoint.name)
