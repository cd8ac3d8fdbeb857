"""A network of several channels is trained on them, and predicts scans of every layout from files and arrays."""

import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from promise_cli.cli import evaluate_app, predict_app
from promise_cli.dataset.plan import Channel, Normalisation, Plan
from promise_cli.disk.records import load_record
from promise_cli.errors import CheckpointError, DatasetError, PlanError, VolumeError
from promise_cli.network.checkpoint import build_model, load_checkpoint
from promise_cli.network.recipe import AugmentConfig
from promise_cli.preprocess.command import preprocess
from promise_cli.session.predictor import Predictor
from promise_cli.train import TrainRequest, train
from promise_cli.train.augment import apply_augmentation, draw_augmentation
from promise_cli.train.resume import check_unchanged
from promise_cli.volume import as_stored, read_label
from tests.channels import write_channels
from tests.conftest import OBLIQUE, RUN, affine_of, edit_json, write_nifti
from tests.scans import write_dicom
from tests.standins import StandIn, plan_of
from tests.test_cli import run

POINT = ("--point", "14", "13", "10")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with a network of three channels, trained for one epoch; tests may only read it."""
    root = tmp_path_factory.mktemp("channels")
    write_channels(root / "Task98_Balls", "files", 5)
    preprocess("98", root=root, workers=0)
    train(request(root))
    return root


def request(root: Path, **options) -> TrainRequest:
    fields = ("patch_size=16", "validation_patches=1", "num_foreground_clicks=2")
    return TrainRequest(**{
        "preset": "tiny", "epochs": 1, "device": "cpu", "workers": 0, "root": root, "fields": fields, **options
    })  # fmt: skip


def predict(root: Path, images: Path, output: Path, *more: object):
    return run(
        predict_app, "-i", images, "-o", output, "--root", root, "--device", "cpu", *more
    )  # fmt: skip


def test_the_checkpoint_holds_the_channels_of_the_plan(root: Path) -> None:
    checkpoint = load_checkpoint(root / RUN / "checkpoint_best.pt")
    assert checkpoint.model_config.channels == 3
    assert [channel.modality for channel in checkpoint.plan.channels] == ["CT", "T2", "ADC"]
    assert checkpoint.weights["image_encoder.channel_mix"].shape == (3, 3)
    assert not torch.all(checkpoint.weights["image_encoder.channel_mix"] == 1 / 3)


def test_the_number_of_channels_cannot_be_set_to_another(root: Path) -> None:
    with pytest.raises(PlanError, match=r"--set channels: the scans of Task98_Balls have 3 chann"):
        train(request(root, fields=("channels=2",), fold=1))


def test_files_4d_images_and_arrays_of_a_scan_give_the_same_mask(
    root: Path, tmp_path: Path
) -> None:
    images = root / "Task98_Balls" / "imagesTr"
    files = sorted(images.glob("ball_003_*.nii.gz"))
    arrays = [np.asanyarray(nib.load(path).dataobj) for path in files]
    affine = nib.load(files[0]).affine
    whole = write_nifti(tmp_path / "imgs" / "ball_003.nii.gz", np.stack(arrays, -1), affine)
    done = predict(root, whole, tmp_path / "one", *POINT, "--report")
    assert done.exit_code == 0
    done = predict(root, files[0], tmp_path / "three", *POINT)
    assert done.exit_code == 0
    masks = [np.asanyarray(nib.load(tmp_path / name / "ball_003.nii.gz").dataobj)
             for name in ("one", "three")]  # fmt: skip
    np.testing.assert_array_equal(masks[0], masks[1])
    assert masks[0].shape == arrays[0].shape
    predictor = Predictor.load(root / RUN, device="cpu")
    for given in (whole, files[0], files, np.stack(arrays)):
        scan = predictor.open(given, affine=affine if isinstance(given, np.ndarray) else None)
        np.testing.assert_array_equal(scan.click((14, 13, 10)), masks[0] > 0)
    with pytest.raises(ValueError, match="give affine="):
        predictor.open(np.stack(arrays))


@pytest.mark.parametrize("layout", ["files", "listed", "one_file", "dicom"])
def test_the_test_cases_of_a_fold_have_their_channels_in_every_layout(
    root: Path, tmp_path: Path, layout: str
) -> None:
    write_channels(tmp_path / "Task98_Balls", layout, 5)
    if layout == "listed":  # names from which the channel cannot be read
        for path in (tmp_path / "Task98_Balls" / "imagesTr").iterdir():
            path.rename(path.with_name(path.name.replace("_000", "_channel_")))
        listing = tmp_path / "Task98_Balls" / "dataset.json"
        listing.write_text(listing.read_text().replace("_000", "_channel_"))
    words = ("--test-cases", "--root", tmp_path, "--device", "cpu", "-o", tmp_path / "out")
    done = run(predict_app, "-m", root / RUN, *words)
    assert done.exit_code == 0, done.output
    (case,) = load_checkpoint(root / RUN / "checkpoint_best.pt").split.test
    (click,) = json.loads((tmp_path / "out" / "predictions.json").read_text())["cases"][0]["clicks"]
    scan = Predictor.load(root / RUN, device="cpu").open(
        sorted((root / "Task98_Balls" / "imagesTr").glob(f"{case}_*"))
    )
    mask = np.asanyarray(nib.load(tmp_path / "out" / f"{case}.nii.gz").dataobj) > 0
    np.testing.assert_array_equal(scan.click(tuple(click["voxel"])), mask)


def test_a_folder_of_channels_is_predicted_case_by_case_and_kept_by_a_second_call(
    root: Path, tmp_path: Path
) -> None:
    images = tmp_path / "imgs"
    shutil.copytree(root / "Task98_Balls" / "imagesTr", images)
    (images / "ball_002_0001.nii.gz").unlink()
    points = {f"ball_00{number}": [14, 13, 10] for number in (1, 2, 3)}
    (tmp_path / "points.json").write_text(json.dumps(points))
    arguments = ("-p", tmp_path / "points.json")
    done = predict(root, images, tmp_path / "out", *arguments)
    assert done.exit_code == 1
    masks = sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz"))
    assert masks == ["ball_001.nii.gz", "ball_003.nii.gz"]
    (failure,) = [one for one in json.loads((tmp_path / "out" / "failures.json").read_text())["failures"]
                  if one["case_id"] == "ball_002"]  # fmt: skip
    assert failure["reason"] == (
        f"{images}/ball_002_0000.nii.gz: a scan of 1 channel, but 3 channels are needed (CT, T2, ADC); add"
        " ball_002_0001.nii.gz, or give one file with all channels"
    )
    done = predict(root, images, tmp_path / "out", *arguments)
    assert "finished" in done.output
    image = nib.load(images / "ball_003_0002.nii.gz")
    write_nifti(
        images / "ball_003_0002.nii.gz", np.asanyarray(image.dataobj) + np.int16(1), image.affine
    )
    before = (tmp_path / "out" / "ball_001.nii.gz").stat().st_mtime_ns
    done = predict(root, images, tmp_path / "out", *arguments)
    assert "ball_003" in done.output
    assert (tmp_path / "out" / "ball_001.nii.gz").stat().st_mtime_ns == before


def test_a_scan_of_one_channel_is_refused_by_a_network_of_three(root: Path, tmp_path: Path) -> None:
    scan = write_nifti(tmp_path / "x.nii.gz", np.zeros((9, 9, 9), np.int16), np.eye(4))
    done = predict(root, scan, tmp_path / "out", "--point", 4, 4, 4)
    assert done.exit_code == 1
    assert "x.nii.gz: a scan of 1 channel, but 3 channels are needed (CT, T2, ADC)" in done.output
    predictor = Predictor.load(root / RUN, device="cpu")
    with pytest.raises(VolumeError, match="a scan of 1 channel, but 3 channels are needed"):
        predictor.open(scan)


def test_a_network_of_one_channel_leaves_out_further_channels_and_says_so(
    trained: Path, root: Path, tmp_path: Path
) -> None:
    images = tmp_path / "imgs"
    images.mkdir()
    for path in (root / "Task98_Balls" / "imagesTr").glob("ball_001_*"):
        shutil.copy(path, images)
    done = predict(trained, images, tmp_path / "out", *POINT)
    assert done.exit_code == 0
    assert (
        f"warning: {images}/ball_001_0001.nii.gz: channel 2 of case ball_001; this network sees only the first channel,"
        " so 2 such files are left out; rename a file that is a scan of its own\n"
    ) in done.output


def test_simulated_clicks_and_scores_use_all_channels(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "workspace"
    shutil.copytree(root, copy)
    done = run(
        evaluate_app, "--fold", "0", "--clicks", "1", "--trials", "1", "--root", copy, "--device", "cpu"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    done = predict(copy, copy / "Task98_Balls" / "imagesTr", copy / "out", "-p", points(copy))
    assert done.exit_code == 0
    done = run(evaluate_app, copy / "out", copy / "Task98_Balls" / "labelsTr", "--root", copy)
    assert done.exit_code == 0, done.output
    page = (copy / "out" / "report.html").read_text()
    assert page.count("data:image/jpeg") == 3
    again = ("--root", copy, "--picture-channel")
    done = run(evaluate_app, copy / "out", copy / "Task98_Balls" / "labelsTr", *again, "3")
    assert done.exit_code == 0, done.output
    third = (copy / "out" / "report.html").read_text()
    assert third.count("data:image/jpeg") == 3
    assert pictures(third) != pictures(page)
    done = run(evaluate_app, copy / "out", copy / "Task98_Balls" / "labelsTr", *again, "4")
    assert "so channel 4 cannot be shown; give another --picture-channel" in done.output


def pictures(page: str) -> list[str]:
    return re.findall(r"data:image/jpeg;base64,([\w+/=]+)", page)


def test_pictures_of_predictions_show_the_channel_that_is_asked_for(
    root: Path, tmp_path: Path
) -> None:
    scan = root / "Task98_Balls" / "imagesTr" / "ball_001_0000.nii.gz"
    found = []
    for number in ("1", "3"):
        output = tmp_path / number
        done = predict(root, scan, output, *POINT, "--report", "--picture-channel", number)
        assert done.exit_code == 0, done.output
        found.append(pictures((output / "report.html").read_text()))
        done = predict(root, scan, output, *POINT, "--report", "--picture-channel", number)
        assert pictures((output / "report.html").read_text()) == found[-1]
    assert found[0] != found[1]
    done = predict(root, scan, tmp_path / "out", *POINT, "--report", "--picture-channel", 4)
    assert done.exit_code == 1
    assert (
        "--picture-channel 4: the network takes 3 channels (CT, T2, ADC); give a number up to 3"
        in done.output
    )


def points(folder: Path) -> Path:
    (folder / "points.json").write_text(json.dumps({"ball_001": [14, 13, 10]}))
    return folder / "points.json"


def test_a_checkpoint_without_fields_for_channels_is_one_of_one_channel(
    trained: Path, tmp_path: Path
) -> None:
    whole = load_checkpoint(trained / RUN / "checkpoint_best.pt")
    content = torch.load(trained / RUN / "checkpoint_best.pt", weights_only=True)
    del content["model_config"]["channels"], content["plan"]["further_channels"]
    torch.save(content, tmp_path / "old.pt")
    old = load_checkpoint(tmp_path / "old.pt")
    assert (old.plan, old.model_config) == (whole.plan, whole.model_config)
    assert old.model_config.channels == len(old.plan.channels) == 1
    content["model_config"]["channels"] = 2
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match="scans of 1 channel, but the network takes 2; train"):
        build_model(load_checkpoint(tmp_path / "odd.pt"), tmp_path / "odd.pt")


def test_folders_of_dicom_slices_are_the_channels_of_a_scan(root: Path, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(-500, 500, (3, 14, 12, 10)).astype(np.int16)
    affine = affine_of("LPS", (1.0, 0.9, 2.0), (5, 6, 7))
    paths = []
    for number, channel in enumerate(array):
        write_dicom(tmp_path / "dicom" / f"x_{number:04d}", channel, affine)
        paths.append(write_nifti(tmp_path / "nifti" / f"x_{number:04d}.nii", channel, affine))
    masks = []
    for images in (tmp_path / "dicom", tmp_path / "nifti", tmp_path / "dicom" / "x_0000"):
        output = tmp_path / f"out_{len(masks)}"
        done = predict(root, images, output, "--point", 7, 6, 5)
        assert done.exit_code == 0, done.output
        masks.append(np.asanyarray(nib.load(output / "x.nii.gz").dataobj))
        np.testing.assert_array_equal(masks[-1], masks[0])


class SecondChannel(StandIn):
    """A network that answers with the voxels whose second channel is bright."""

    def forward(
        self, patch: torch.Tensor, _clicks: torch.Tensor, _signs: torch.Tensor
    ) -> torch.Tensor:
        found = (patch[:, 1:2] > 0).float()
        return torch.cat([10 * (1 - found), 10 * found], dim=1)


@pytest.mark.parametrize("axes", ["RAS", "PIR", "LAI"])
def test_the_network_sees_each_channel_in_its_place_on_oblique_anisotropic_grids(
    tmp_path: Path, axes: str
) -> None:
    affine = OBLIQUE @ affine_of(axes, (1.0, 1.0, 2.0), (5, -6, 7))
    mask = np.zeros((20, 18, 10), bool)
    mask[5:11, 6:13, 3:6] = True
    array = np.stack([np.where(mask, -90, 150), np.where(mask, 150, -90)]).astype(np.float32)
    files = [write_nifti(tmp_path / f"s_000{n}.nii.gz", one, affine) for n, one in enumerate(array)]
    numbers = Normalisation(scheme="dataset", low=-100, high=200, mean=50, std=30)
    plan = plan_of(32, further_channels=(Channel(modality="CT", normalisation=numbers),))
    predictor = Predictor(plan, (SecondChannel(),), torch.device("cpu"), (Path("x.pt"),))
    for given in (files[0], files, array):
        session = predictor.open(given, affine=affine if given is array else None)
        found = session.click((8, 9, 4))
        overlap = (found & mask).sum() * 2 / (found.sum() + mask.sum())
        assert overlap > 0.95
        assert found.shape == mask.shape


def test_one_augmentation_moves_all_channels_alike_and_shifts_each_by_its_own_number() -> None:
    config = AugmentConfig(rotate_chance=1.0, zoom_chance=1.0, shift_chance=1.0, flip_chance=0.5)
    image = np.random.default_rng(0).normal(size=(40, 40, 12)).astype(np.float32)
    target = (image > 1).astype(np.uint8)
    one = draw_augmentation(np.random.default_rng(1), config, 30.0)
    three = draw_augmentation(np.random.default_rng(1), config, 30.0, (10.0, 1e6))
    assert three.shift == one.shift
    assert one.further_shifts == ()
    assert len({three.shift, *three.further_shifts}) == 3
    assert abs(three.further_shifts[1]) < 1e-3
    margin = one.margin(12)
    cut = slice(20 - 6 - margin, 20 + 6 + margin)
    alone, outline = apply_augmentation(image[cut, cut], target[cut, cut], one, 12)
    both, same = apply_augmentation(
        np.stack([image, image, image])[:, cut, cut], target[cut, cut], three, 12
    )
    np.testing.assert_array_equal(both[0], alone)
    np.testing.assert_array_equal(same, outline)
    for channel, shift in zip(both[1:], three.further_shifts, strict=True):
        np.testing.assert_allclose(channel - shift, alone - one.shift, atol=1e-5)


@pytest.mark.slow
def test_a_rival_trains_on_several_channels_and_a_run_is_resumed(
    root: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "workspace"
    shutil.copytree(root, copy)
    fields = ("patch_size=32", "validation_patches=1")
    folder = train(request(copy, network="dynunet", clicks_as_channel=True, fields=fields))
    checkpoint = load_checkpoint(folder / "checkpoint_last.pt")
    assert checkpoint.model_config.in_channels == 5
    folder = train(request(copy, preset=None, epochs=2, resume=True, fields=()))
    assert load_checkpoint(folder / "checkpoint_last.pt").epoch == 2


def test_a_plan_whose_channels_changed_does_not_continue_a_run(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "workspace"
    shutil.copytree(root, copy)
    path = copy / "preprocessed" / "Task98_Balls" / "plans.json"
    edit_json(path, lambda content: content["further_channels"].pop())
    with pytest.raises(
        DatasetError, match=r"cases: 4 cases of fold 0 are missing, damaged or made"
    ):
        train(request(copy, preset=None, epochs=2, resume=True, fields=()))
    last = copy / RUN / "checkpoint_last.pt"
    checkpoint = load_checkpoint(last)
    with pytest.raises(
        CheckpointError, match=r"was trained with another plan than plans\.json now"
    ):
        check_unchanged(last, checkpoint, load_record(Plan, path), checkpoint.split)


def test_masks_of_scans_of_several_channels_lie_on_the_grid_of_the_scan(root: Path) -> None:
    predictor = Predictor.load(root / RUN, device="cpu")
    path = root / "Task98_Balls" / "imagesTr" / "ball_004_0000.nii.gz"
    session = predictor.open(path)
    label = read_label(root / "Task98_Balls" / "labelsTr" / "ball_004.nii.gz", like=session.scan)
    assert session.mask.shape == as_stored(label.array, session.scan).shape
