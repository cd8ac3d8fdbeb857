"""A network's window lies around the clicks, its answer fills the mask, and no orientation of the scan changes it."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from promise_cli.errors import CheckpointError, PromiseError
from promise_cli.prompts import Click
from promise_cli.session.predictor import Predictor
from promise_cli.volume import Volume, read_volume
from tests.conftest import OBLIQUE, RUN, affine_of, write_nifti
from tests.standins import StandIn
from tests.test_volume import ALL_AXES


class _BrightNearTheClick(StandIn):
    """A stand-in for a network that marks the bright voxels within 5 voxels of the click."""

    def forward(
        self, patch: torch.Tensor, clicks: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        assert labels.tolist() == [[1]]
        place = torch.stack(
            torch.meshgrid(*[torch.arange(n) for n in patch.shape[2:]], indexing="ij"), -1
        )
        near = (place - clicks[0, 0]).norm(dim=-1) <= 5
        found = (near & (patch[0, 0] > 0)).float()[None]
        return torch.stack([10 * (1 - found), 10 * found], dim=1)


def test_the_same_physical_click_gives_the_same_mask_in_every_orientation(
    trained: Path, tmp_path: Path
) -> None:
    """Only the storage of the scan is turned, so that the mask in RAS order must not change."""
    predictor = _standing_in(trained, _BrightNearTheClick())
    rng = np.random.default_rng(0)
    affine = OBLIQUE @ affine_of("RAS", (1.0, 0.9, 1.5), (5, 6, 7))
    base = nib.Nifti1Image(rng.normal(70, 30, (20, 22, 18)).astype(np.float32), affine)
    world = nib.affines.apply_affine(affine, (9, 12, 7))
    masks = []
    for axes in ALL_AXES:
        turned = base.as_reoriented(
            nib.orientations.ornt_transform(
                nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(axes))
            )
        )
        path = write_nifti(tmp_path / "scan.nii.gz", np.asanyarray(turned.dataobj), turned.affine)
        scan = read_volume(path)
        i, j, k = np.rint(scan.stored_grid.ijk(world))
        masks.append(predictor.predict(scan, [Click((i, j, k))], "x").mask)
        np.testing.assert_array_equal(masks[-1], masks[0])
    assert 50 < masks[0].sum() < 600
    centre = np.argwhere(masks[0]).mean(axis=0)
    np.testing.assert_allclose(centre, (9, 12, 7), atol=1)


class _Everywhere(StandIn):
    """A stand-in for a network that gives the foreground the same probability everywhere."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.logit = float(np.log(probability / (1 - probability)))

    def forward(
        self, patch: torch.Tensor, clicks: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        del clicks, labels
        zero = torch.zeros(patch.shape[0], *patch.shape[2:])
        return torch.stack([zero, zero + self.logit], dim=1)


def _standing_in(trained: Path, *networks: torch.nn.Module) -> Predictor:
    plan = Predictor.load([trained / RUN / "checkpoint_best.pt"], "cpu").plan
    return Predictor(plan, networks, torch.device("cpu"), (Path("stand-in"),))  # type: ignore[arg-type]


def _flat_scan(tmp_path: Path) -> Volume:
    path = write_nifti(
        tmp_path / "scan.nii.gz", np.zeros((100, 90, 40), np.int16), np.diag([1, 1, 2.5, 1])
    )
    return read_volume(path)


def test_a_network_that_marks_everything_fills_the_window_and_nothing_else(
    trained: Path, tmp_path: Path
) -> None:
    predictor = _standing_in(trained, _Everywhere(0.9))
    mask = predictor.predict(_flat_scan(tmp_path), [Click((10, 45, 20))], "x").mask
    expected = np.zeros((100, 90, 40), bool)
    # The window is 48 mm around (10, 45, 51). Voxel k of 2.5 mm lies inside where 27 <= 2.5 (k + 1/2) < 75.
    expected[:34, 21:69, 11:30] = True
    np.testing.assert_array_equal(mask, expected)


def test_the_window_lies_around_the_middle_of_several_clicks(trained: Path, tmp_path: Path) -> None:
    predictor = _standing_in(trained, _Everywhere(0.9))
    clicks = [Click((40, 40, 20)), Click((60, 50, 20)), Click((44, 42, 20))]
    prediction = predictor.predict(_flat_scan(tmp_path), clicks, "x")
    assert prediction.window.origin == (50 - 24, 45 - 24, 51 - 24)
    assert prediction.clicks_outside_window == 0
    far = predictor.predict(_flat_scan(tmp_path), [Click((5, 45, 20)), Click((95, 45, 20))], "x")
    assert far.clicks_outside_window == 2


def test_folds_are_averaged(trained: Path, tmp_path: Path) -> None:
    scan, click = _flat_scan(tmp_path), [Click((50, 45, 20))]
    for second, found in ((0.3, True), (0.05, False)):
        predictor = _standing_in(trained, _Everywhere(0.9), _Everywhere(second))
        assert predictor.predict(scan, click, "x").mask.any() == found


def test_an_output_that_is_not_finite_is_an_error(trained: Path, tmp_path: Path) -> None:
    network = _Everywhere(0.9)
    network.logit = float("nan")
    with pytest.raises(
        PromiseError,
        match="stand-in: the network's output is not finite, so its weights may be damaged",
    ):
        _standing_in(trained, network).predict(_flat_scan(tmp_path), [Click((50, 45, 20))], "x")


def test_a_run_folder_means_the_checkpoint_that_the_command_takes(
    trained: Path, tmp_path: Path
) -> None:
    assert Predictor.load(trained / RUN, "cpu").checkpoints == (
        trained / RUN / "checkpoint_best.pt",
    )
    shutil.copy(trained / RUN / "checkpoint_last.pt", tmp_path / "checkpoint_final.pt")
    assert Predictor.load(str(tmp_path), "cpu").checkpoints == (tmp_path / "checkpoint_final.pt",)


def test_a_missing_checkpoint_is_refused_with_those_that_exist(
    trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"checkpoint_final\.pt: no such checkpoint; its folder holds"
        r" checkpoint_best\.pt, checkpoint_last\.pt$",
    ):
        Predictor.load(trained / RUN / "checkpoint_final.pt", "cpu")
    with pytest.raises(
        CheckpointError, match="no checkpoint in this folder; train one with promise-train"
    ):
        Predictor.load(tmp_path, "cpu")
