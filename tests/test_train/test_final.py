"""Which epoch's network prediction takes: the best on the validation patches, or that of the end."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from promise_cli.checkpoint import load_checkpoint
from promise_cli.presets import PRESETS, plain_preset, preset
from promise_cli.train import TrainRequest, train
from promise_cli.workspace import Workspace
from tests.conftest import RUN

FINAL = ("predict_with=final",)


def _train(root: Path, epochs: int, **options) -> Path:
    request = {"preset": None if options.get("resume") else "tiny", "device": "cpu", "workers": 0}
    return train(TrainRequest(epochs=epochs, root=root, **request | options))


@pytest.fixture(scope="module")
def ended(preprocessed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run whose recipe predicts with its last epoch; only to be read."""
    root = tmp_path_factory.mktemp("ended") / "workspace"
    shutil.copytree(preprocessed, root)
    _train(root, 2, fields=(*FINAL, "validate_every=1"))
    return root


def test_the_final_checkpoint_is_the_last_epochs_network_and_prediction_takes_it(ended: Path):
    final, last = (
        load_checkpoint(ended / RUN / f"checkpoint_{name}.pt") for name in ("final", "last")
    )
    assert (final.epoch, final.optimizer) == (2, {})
    assert all(torch.equal(final.weights[name], last.weights[name]) for name in last.weights)
    assert Workspace(ended).find_runs(None, ()) == (ended / RUN / "checkpoint_final.pt",)
    scored = json.loads((ended / RUN / "metrics.json").read_text())
    assert Path(scored["predictions"]).name == "checkpoint_final.pt"


def test_a_run_that_goes_on_has_no_final_checkpoint_before_its_new_end(ended: Path, tmp_path: Path):
    root = tmp_path / "workspace"
    shutil.copytree(ended, root)
    _train(root, 4, resume=True, max_hours=1e-9)  # stops before its next step
    assert not (root / RUN / "checkpoint_final.pt").exists()
    assert Workspace(root).find_runs(None, ())[0].name == "checkpoint_best.pt"
    _train(root, 4, resume=True)
    assert load_checkpoint(root / RUN / "checkpoint_final.pt").epoch == 4


def test_a_run_that_is_started_anew_leaves_no_final_checkpoint_of_the_one_before(
    ended: Path, tmp_path: Path
):
    root = tmp_path / "workspace"
    shutil.copytree(ended, root)
    _train(root, 1, overwrite=True)
    assert not (root / RUN / "checkpoint_final.pt").exists()
    assert Workspace(root).find_runs(None, ())[0].name == "checkpoint_best.pt"


def test_the_default_and_the_networks_beside_promise_predict_with_the_last_epoch():
    chosen = {name: preset(name)[1].predict_with for name in PRESETS}
    assert {name for name, how in chosen.items() if how == "final"} == {"recommended"}
    for name in ("paper", "tiny"):
        assert plain_preset(name, "dynunet", clicks=False).predict_with == "final"
