"""Networks without clicks predict whole scans with MONAI's windows and weights, and refuse clicks."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from promise_cli.dataset.case import Case
from promise_cli.errors import CheckpointError, EvaluationError, PromptError
from promise_cli.evaluate.clicks import StudyRequest, study_clicks
from promise_cli.network.architecture import Architecture
from promise_cli.network.checkpoint import load_checkpoint, save_checkpoint
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.registry import RIVALS
from promise_cli.network.rivals.plain import PlainNetwork
from promise_cli.predict import predict as predict_from_python
from promise_cli.scores.metrics import dice
from promise_cli.session.predictor import Predictor
from promise_cli.train.fold_scores import _find_everywhere
from promise_cli.volume import read_volume
from tests.balls import label, mask_of, predict
from tests.conftest import RUN, write_nifti
from tests.standins import plan_of

WINDOW = 32


class Ramp(nn.Module):
    """A network whose logits depend on the image and on the place within the window, so that windows disagree."""

    def forward(self, image: Tensor) -> Tensor:
        ramp = torch.linspace(-2, 2, image.shape[2])[:, None, None].expand(image.shape[2:])
        return torch.stack([torch.zeros_like(image[:, 0]), image[:, 0] + ramp], dim=1)


def _predictor(body: nn.Module) -> Predictor:
    network = PlainNetwork(PlainConfig(patch_size=WINDOW), body)
    plan = plan_of(WINDOW)
    return Predictor(plan, (network,), torch.device("cpu"), (Path("stand-in"),), takes_clicks=False)


def test_windows_and_weights_equal_those_of_monai(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(50, 30, (80, WINDOW, WINDOW)).astype(np.float32)
    path = write_nifti(tmp_path / "scan.nii.gz", image, np.eye(4))
    session = _predictor(Ramp()).open(read_volume(path))
    found = session.slide().probabilities

    def ask(windows: Tensor) -> Tensor:
        return Ramp()(windows).softmax(dim=1)[:, 1:]

    normalised = torch.from_numpy((np.clip(image, -100, 200) - 50) / 30)[None, None]
    expected = sliding_window_inference(
        normalised, WINDOW, 1, ask, overlap=0.5, mode="gaussian", sigma_scale=0.125
    )[0, 0].numpy()
    # MONAI raises weights below 1e-3 and ours stay Gaussian, so that only the middle is compared.
    middle = (slice(None), slice(12, 20), slice(12, 20))
    np.testing.assert_allclose(found[middle], expected[middle], atol=0.02)
    # The comparison is strict enough: without weights the result differs.
    flat = sliding_window_inference(normalised, WINDOW, 1, ask, overlap=0.5)[0, 0].numpy()
    assert np.abs(flat[middle] - expected[middle]).max() > 0.1


@pytest.mark.parametrize("shape", [(80, 40, WINDOW), (50, 20, 12)])
def test_promise_train_and_promise_predict_find_the_same_in_a_whole_scan(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    """The scans have no air and lie on the plan's grid already, and the second one is smaller than a window."""
    image = np.random.default_rng(0).normal(50, 30, shape).astype(np.float32)
    predictor = _predictor(Ramp())
    path = write_nifti(tmp_path / "scan.nii.gz", image, np.eye(4))
    expected = predictor.open(read_volume(path)).slide().mask
    normalised = ((np.clip(image, -100, 200) - 50) / 30).astype(np.float32)
    case = Case("scan", normalised, np.zeros(shape, np.uint8), np.zeros(0, np.int64))  # type: ignore[arg-type]
    network, plan = predictor.models[0], predictor.plan
    found = _find_everywhere(network, case, plan, torch.device("cpu"), "fp32")
    assert 0.1 < expected.mean() < 0.9
    assert (found != expected).mean() < 1e-3


def test_a_click_for_a_network_without_clicks_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz", np.zeros((8, 8, 8), np.int16), np.eye(4))
    session = _predictor(Ramp()).open(read_volume(path))
    with pytest.raises(
        PromptError, match=r"scan: stand-in takes no clicks; segment the whole scan"
    ):
        session.click((1, 2, 3))
    assert session.prediction is None


class Bright(nn.Module):
    """A network that marks voxels whose normalised intensity is above 0; its only weight is a bias of 0."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([-10 * (image[:, :1] + self.bias), 10 * (image[:, :1] + self.bias)], dim=1)


@pytest.fixture
def whole(balls: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace of balls with a network that outlines them and takes no clicks."""
    plan = Architecture(
        "bright", PlainConfig, lambda setting: PlainConfig(**setting.shared(8)), lambda _: Bright()
    )
    monkeypatch.setitem(RIVALS, "bright", plan)
    path = balls / RUN / "checkpoint_best.pt"
    changes = {
        "network": "bright",
        "model_config": PlainConfig(patch_size=16),
        "weights": {"body.bias": torch.zeros(())},
    }
    checkpoint = load_checkpoint(path)
    plan_16 = dataclasses.replace(checkpoint.plan, patch_size=16)
    save_checkpoint(dataclasses.replace(checkpoint, plan=plan_16, **changes), path)
    (balls / RUN / "checkpoint_last.pt").unlink()
    return balls


@pytest.mark.usefixtures("whole")
def test_scans_are_predicted_without_clicks_and_masks_lie_on_the_balls() -> None:
    done = predict("--report", "--save-prob")
    assert done.exit_code == 0, done.stderr
    assert "click" not in done.stderr
    for number in range(1, 7):
        found = mask_of(f"predictions/imgs/ball_00{number}.nii.gz") > 0
        assert dice(found, label(number)) > 0.8
    record = json.loads(Path("predictions/imgs/predictions.json").read_text())
    assert record["prompts"] == "none: the network takes no clicks"
    assert all(len(case["windows"]) > 1 and case["closed"] for case in record["cases"])
    assert "followed beyond one window" not in done.stdout
    again = predict("--report", "--save-prob")
    assert "6 cases were finished before" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "points.json"], "-p: results/Task98_Balls/fold_0/checkpoint_best.pt (bright, without clicks) takes"
         " no clicks; leave -p out, or train with --clicks-as-channel"),
        (["--single-window"], "--single-window: results/Task98_Balls/fold_0/checkpoint_best.pt (bright, without clicks)"
         " segments the whole scan; leave out this option"),
        (["--max-windows", "5"], "--max-windows: results/Task98_Balls/fold_0/checkpoint_best.pt (bright, without"
         " clicks) segments the whole scan; leave out this option"),
        (["-m", "none"], "none: no such run or checkpoint"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("whole")
def test_options_for_clicks_are_refused_in_one_line_and_nothing_is_written(
    arguments: list[str], message: str
) -> None:
    done = predict(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert not Path("predictions").exists()


@pytest.mark.usefixtures("balls")
def test_promise_without_clicks_asks_for_them() -> None:
    with pytest.raises(
        PromptError, match="no clicks; give a click file with -p, a click with --point, or"
    ):
        predict_from_python(Path("imgs"), device="cpu")
    assert not Path("predictions").exists()


def test_a_study_of_clicks_needs_a_network_that_takes_them(whole: Path) -> None:
    with pytest.raises(EvaluationError, match=r"checkpoint_best\.pt \(bright\) takes no clicks"):
        study_clicks(StudyRequest(clicks=(1,), root=whole))


def test_networks_with_and_without_clicks_are_not_averaged(whole: Path, trained: Path) -> None:
    ours = whole / RUN / "checkpoint_best.pt"
    theirs = trained / RUN / "checkpoint_best.pt"
    checkpoint = load_checkpoint(theirs)
    plan = load_checkpoint(ours).plan
    save_checkpoint(dataclasses.replace(checkpoint, plan=plan), whole / "promise.pt")
    with pytest.raises(CheckpointError, match="do not both take clicks; predict with each of them"):
        Predictor.load([ours, whole / "promise.pt"], "cpu")
