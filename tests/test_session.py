"""In a session on a scan, further clicks are cheap, undo removes them, and masks have the axes of the scan's file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.errors import PromptError
from promise_cli.network.promise import model_config
from promise_cli.network.registry import centres_clicks
from promise_cli.prompts import BACKGROUND, Click
from promise_cli.session.predictor import Predictor
from promise_cli.volume import read_volume
from tests.conftest import RUN, affine_of, write_nifti
from tests.standins import PerfectWindow, StandIn, predictor_of

LESIONS = ((10, 12, 20), (26, 12, 20), (50, 12, 20))


def _write(tmp_path: Path, axes: str = "RAS") -> Path:
    """Write a scan of three balls of 100 HU in a row, stored along these axes, and return its path."""
    grid = np.indices((64, 30, 40)).transpose(1, 2, 3, 0)
    bright = np.any([((grid - place) ** 2).sum(-1) < 16 for place in LESIONS], axis=0)
    image = np.where(bright, 100, 0).astype(np.int16)
    return write_nifti(tmp_path / "scan.nii", image, affine_of(axes, (1, 1, 1), (0, 0, 0)))


def test_clicks_add_up_and_undo_does_not_run_the_network(tmp_path: Path) -> None:
    network = PerfectWindow()
    session = predictor_of(40, network).open(_write(tmp_path))
    assert not session.mask.any()
    first = session.click(LESIONS[0])
    assert first[LESIONS[0]]
    assert not first[LESIONS[1]]
    both = session.click(LESIONS[1])
    assert both[LESIONS[0]]
    assert both[LESIONS[1]]
    assert (network.encoded, network.decoded) == (1, 2)
    np.testing.assert_array_equal(session.undo(), first)
    assert session.clicks == (Click(LESIONS[0]),)
    assert not session.undo().any()
    assert (network.encoded, network.decoded) == (1, 2)
    with pytest.raises(PromptError, match="there is no click to undo"):
        session.undo()


def test_background_clicks_are_left_out_if_the_network_was_trained_without_any(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor = dataclasses.replace(predictor_of(40, PerfectWindow()), knows_background=False)
    session = predictor.open(_write(tmp_path), where="scan.nii")
    assert "instead of HU" in capsys.readouterr().err  # the scan holds 0 to 100
    first = session.click(LESIONS[0])
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(session.click((20, 12, 20), BACKGROUND), first)
    told = "scan.nii: background clicks are left out, because stand-in was trained without any"
    assert told in capsys.readouterr().err
    session.click((21, 12, 20), BACKGROUND)
    assert capsys.readouterr().err == ""


def test_a_click_beyond_the_window_opens_another(tmp_path: Path) -> None:
    network = PerfectWindow()
    session = predictor_of(24, network).open(_write(tmp_path))
    session.click(LESIONS[0])
    mask = session.click(LESIONS[2])
    assert mask[LESIONS[0]]
    assert mask[LESIONS[2]]
    assert session.prediction is not None
    assert [window.origin for window in session.prediction.windows] == [(-2, 0, 8), (38, 0, 8)]
    assert network.encoded == 2


def test_only_the_papers_network_needs_its_click_in_the_middle() -> None:
    found = {name: centres_clicks(model_config(name)) for name in ("paper", "recommended", "tiny")}
    assert found == {"paper": True, "recommended": False, "tiny": False}


@pytest.mark.parametrize(("centred", "origin"), [(True, (-2, 0, 8)), (False, (0, 0, 8))])
def test_a_window_moves_into_the_scan_unless_its_click_must_be_in_the_middle(
    tmp_path: Path, centred: bool, origin: tuple[int, int, int]
) -> None:
    predictor = dataclasses.replace(predictor_of(24, PerfectWindow()), centres_clicks=centred)
    session = predictor.open(_write(tmp_path), max_windows=1)
    assert session.click(LESIONS[0])[LESIONS[0]]
    assert session.prediction is not None
    assert session.prediction.window.origin == origin


def test_the_papers_single_window_moves_to_the_middle_of_the_clicks(tmp_path: Path) -> None:
    session = predictor_of(24, PerfectWindow()).open(_write(tmp_path), max_windows=1)
    session.click(LESIONS[0])
    session.click(LESIONS[1])
    assert session.prediction is not None
    assert [window.origin for window in session.prediction.windows] == [(6, 0, 8)]


def test_after_a_reset_the_same_window_is_not_encoded_again(tmp_path: Path) -> None:
    network = PerfectWindow()
    session = predictor_of(40, network).open(_write(tmp_path))
    first = session.click(LESIONS[0])
    session.reset()
    assert session.prediction is None
    np.testing.assert_array_equal(session.click(LESIONS[0]), first)
    assert network.encoded == 1


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAL", "PIR"])
def test_a_mask_has_the_axes_of_the_scans_file(tmp_path: Path, axes: str) -> None:
    path = _write(tmp_path, axes)
    stored = read_volume(path, "as_stored")
    session = predictor_of(40, PerfectWindow()).open(path)
    mask = session.click(LESIONS[0])
    assert mask.shape == stored.array.shape
    expected = (stored.array > 50) & (np.indices(mask.shape)[0] < 16)
    np.testing.assert_array_equal(mask, expected)
    lps = tuple((stored.grid.world(LESIONS[0]) * (-1, -1, 1)).tolist())
    session.reset()
    np.testing.assert_array_equal(session.click(lps, space="LPS"), expected)


def test_a_first_click_in_the_background_or_outside_is_refused_and_changes_nothing(
    tmp_path: Path,
) -> None:
    session = predictor_of(40, PerfectWindow()).open(_write(tmp_path))
    with pytest.raises(PromptError, match=r"scan\.nii: all clicks are background"):
        session.click(LESIONS[0], label=0)
    with pytest.raises(PromptError, match=r"scan\.nii: click \(99, 0, 0\) lies outside the scan"):
        session.click((99, 0, 0))
    assert session.clicks == ()
    session.click(LESIONS[0])
    session.click(LESIONS[1], label=0)
    assert [click.sign for click in session.clicks] == [1, BACKGROUND]


def test_encoded_windows_beyond_the_limit_are_dropped(tmp_path: Path) -> None:
    network = PerfectWindow()
    session = predictor_of(24, network).open(_write(tmp_path), keep_windows=1)
    for place in (LESIONS[0], LESIONS[2], LESIONS[0]):
        session.prompt([Click(place)])
    assert network.encoded == 3


class _OnTheRight(StandIn):
    """A stand-in for a network that marks the half of the window from the click's i on, with two probabilities."""

    def forward(
        self, patch: torch.Tensor, clicks: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        del labels
        right = torch.arange(patch.shape[2]) >= clicks[0, 0, 0]
        logit = torch.where(right, 2.0, -1.0)[None, :, None, None].expand(1, *patch.shape[2:])
        return torch.stack([torch.zeros_like(logit), logit], dim=1)


def test_mirroring_averages_the_answers_to_both_mirrorings(tmp_path: Path) -> None:
    scan = read_volume(_write(tmp_path))
    plain = predictor_of(16, _OnTheRight())
    both = Predictor(plain.plan, plain.models, plain.device, plain.checkpoints, tta=True)
    found = both.predict(scan, [Click((30, 15, 20))], "x").probabilities
    sure, doubt = torch.sigmoid(torch.tensor([2.0, -1.0])).tolist()
    np.testing.assert_allclose(found[:8], (sure + doubt) / 2, atol=1e-6)
    np.testing.assert_allclose(
        found[8], sure, atol=1e-6
    )  # the click's own plane belongs to the marked half in both mirrorings
    np.testing.assert_allclose(found[9:], (sure + doubt) / 2, atol=1e-6)
    assert plain.models[0].encoded == 8


class _NoMemory(PerfectWindow):
    """A stand-in for a network that runs out of memory on every device except the CPU."""

    def encode(self, patch: torch.Tensor) -> tuple[torch.Tensor]:
        if patch.device.type != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().encode(patch)


def test_after_a_device_runs_out_of_memory_the_session_stays_on_the_cpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = predictor_of(40, PerfectWindow()).plan
    predictor = Predictor(plan, (_NoMemory(),), torch.device("meta"), (Path("x"),))  # type: ignore[arg-type]
    session = predictor.open(_write(tmp_path))
    assert session.click(LESIONS[0])[LESIONS[0]]
    assert session.click(LESIONS[1])[LESIONS[1]]
    assert predictor.networks.device.type == "cpu"
    warnings = [line for line in capsys.readouterr().err.splitlines() if "out of memory" in line]
    assert warnings == [
        "warning: meta: out of memory; continuing on the CPU, which is slower (free the device's memory, or choose"
        " another with --device)"
    ]


def test_two_sessions_with_the_same_clicks_give_the_same_probabilities(trained: Path) -> None:
    predictor = Predictor.load(trained / RUN / "checkpoint_best.pt", "cpu")
    path = trained / "Task98_Balls" / "imagesTr" / "ball_001.nii.gz"
    session = predictor.open(path)
    session.click((14, 13, 10))
    session.click((14, 13, 11))
    assert session.prediction is not None
    step_by_step = session.prediction.probabilities
    again = predictor.open(path, max_windows=1)
    again.click((14, 13, 10))
    again.click((14, 13, 11))
    assert again.prediction is not None
    np.testing.assert_array_equal(again.prediction.probabilities, step_by_step)
    assert session.seconds.network > 0
    assert session.seconds.read > 0


@pytest.mark.parametrize("space", ["ras", "ijk", "Voxel"])
def test_an_unknown_space_is_refused(tmp_path: Path, space: str) -> None:
    session = predictor_of(40, PerfectWindow()).open(_write(tmp_path))
    with pytest.raises(ValueError, match=f"space '{space}'; use one of voxel, voxel_zyx, LPS, RAS"):
        session.click(LESIONS[0], space=space)


@pytest.mark.parametrize("point", [(1, 2), (1, 2, 3, 4), (), 5, "abc", (1, 2, np.nan), (1, 2, "x")])
def test_a_click_that_is_not_three_numbers_is_refused_in_one_line(tmp_path: Path, point) -> None:
    session = predictor_of(40, PerfectWindow()).open(_write(tmp_path))
    with pytest.raises(PromptError, match="a click is three finite numbers, such as the voxel "):
        session.click(point)
    assert session.clicks == ()


def test_a_scan_read_with_another_orientation_is_refused(tmp_path: Path) -> None:
    scan = read_volume(_write(tmp_path, "PIR"), "as_stored")
    with pytest.raises(ValueError, match="another orientation than the plan; read it with 'RAS'"):
        predictor_of(40, PerfectWindow()).open(scan)
