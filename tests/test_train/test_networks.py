"""Every network trains for two epochs, predicts and is scored, and options that contradict it are refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.errors import CheckpointError, PlanError
from promise_cli.evaluate.command import evaluate
from promise_cli.network.checkpoint import build_model, load_checkpoint
from promise_cli.network.registry import RIVALS, count_operations
from promise_cli.predict import predict
from promise_cli.predictions.record import Predictions
from promise_cli.train import TrainRequest, train
from promise_cli.train.curves import load_log
from promise_cli.train.provenance import RunRecord
from promise_cli.train.sizes import choose_network
from promise_cli.train.start import run_folder
from tests.conftest import DATASET, RUN, edit_json


def _train(root: Path, network: str, **options) -> Path:
    """Train a network in its smallest form; a patch of 32^3, too small for Swin UNETR, holds a whole scan."""
    request = {
        "preset": "tiny",
        "epochs": 2,
        "patches_per_case": 1,
        "fields": () if network == "swin_unetr" else ("patch_size=32",),
        "device": "cpu",
        "workers": 0,
    } | options
    return train(TrainRequest(network=network, root=root, **request))


@pytest.fixture
def root(preprocessed: Path, tmp_path: Path) -> Path:
    """A workspace with the preprocessed dataset of balls."""
    return Path(shutil.copytree(preprocessed, tmp_path / "workspace"))


@pytest.mark.parametrize("network", RIVALS)
@pytest.mark.slow
def test_a_network_trains_predicts_without_clicks_and_is_scored(root: Path, network: str) -> None:
    epochs = 1 if network == "swin_unetr" else 2  # its smallest patch is 64^3
    folder = _train(root, network, epochs=epochs)
    assert folder == root / "results" / "Task98_Balls" / network / "fold_0"
    checkpoint = load_checkpoint(folder / "checkpoint_last.pt")
    assert (checkpoint.network, checkpoint.epoch, checkpoint.preset) == (network, epochs, "tiny")
    assert isinstance(checkpoint.model_config, RIVALS[network].config_type)
    model = build_model(checkpoint, folder)
    assert not model.training
    assert len(load_log(folder / "log.csv")) == epochs
    assert all(row.boundary == 0 for row in load_log(folder / "log.csv"))
    (session,) = load_record(RunRecord, folder / "run.json").sessions
    assert session.network == network
    assert session.parameters == sum(value.numel() for value in model.parameters())
    assert session.operations_per_patch == count_operations(network, checkpoint.model_config)
    scored = json.loads((folder / "metrics.json").read_text())
    assert [case["case_id"] for case in scored["cases"]] == list(checkpoint.split.test)
    assert "without clicks" in scored["notes"][0]
    assert predict(root / "Task98_Balls" / "imagesTr", root=root, device="cpu")
    record = load_record(Predictions, root / "predictions" / "imagesTr" / "predictions.json")
    assert [case.case_id for case in record.cases] == [f"ball_00{n}" for n in range(1, 7)]
    assert all(not case.clicks and case.windows for case in record.cases)
    report = evaluate(root=root, page=False, workers=0)
    assert len(report.cases) == 6
    assert all(case.dice is not None for case in report.cases)


@pytest.mark.slow
def test_clicks_as_a_channel_change_the_answer_and_take_the_same_files(root: Path) -> None:
    folder = _train(root, "dynunet", clicks_as_channel=True)
    assert folder.parent.name == "dynunet_clicks"
    checkpoint = load_checkpoint(folder / "checkpoint_last.pt")
    config = checkpoint.train_config
    assert (config.vary_clicks, config.vary_background_clicks) == (True, True)
    model = build_model(checkpoint, folder)
    edge = checkpoint.plan.patch_size
    patch, middle = torch.zeros(1, 1, edge, edge, edge), torch.full((1, 1, 3), edge / 2)
    with torch.inference_mode():
        answers = [model(patch, middle, torch.tensor([[label]])) for label in (1, 0, -1)]
    assert not torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])
    points = root / "points.json"
    points.write_text('{"ball_001": [14, 13, 10]}')
    assert predict(root / "Task98_Balls" / "imagesTr", points, root=root, device="cpu")
    record = load_record(Predictions, root / "predictions" / "imagesTr" / "predictions.json")
    assert record.cases[0].clicks[0].voxel == (14, 13, 10)
    assert len(record.without_click) == 5


@pytest.mark.slow
def test_a_resumed_network_equals_one_that_was_never_stopped(
    preprocessed: Path, tmp_path: Path
) -> None:
    weights = []
    for stops in (False, True):
        root = Path(shutil.copytree(preprocessed, tmp_path / f"stops_{stops}"))
        if stops:
            folder = _train(root, "segresnet", max_hours=0.0)
            assert load_checkpoint(folder / "checkpoint_last.pt").epoch < 2
            again = train(
                TrainRequest(resume=True, device="cpu", root=root)
            )  # needs no name, since there is only one run
            assert again == folder
        else:
            folder = _train(root, "segresnet")
        weights.append(load_checkpoint(folder / "checkpoint_last.pt").weights)
    assert all(torch.equal(weights[0][name], value) for name, value in weights[1].items())


def test_networks_of_one_fold_have_separate_folders(trained: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(trained, tmp_path / "workspace"))
    before = (root / RUN / "checkpoint_last.pt").read_bytes()
    folder = _train(root, "segresnet", epochs=1)
    assert (root / RUN / "checkpoint_last.pt").read_bytes() == before
    assert folder.is_dir()
    shutil.copytree(root / RUN, root / "results" / "Task98_Balls" / "dynunet" / "fold_0")
    with pytest.raises(CheckpointError, match="--network dynunet: this run was started with prom"):
        train(TrainRequest(network="dynunet", resume=True, device="cpu", root=root))


def test_an_old_checkpoint_without_a_network_is_promises(trained: Path, tmp_path: Path) -> None:
    """Old files have no field for the network, and not all fields that recipes and plans have today."""
    path = trained / RUN / "checkpoint_best.pt"
    content = torch.load(path, weights_only=True)
    content["format_version"] = 2
    del content["network"]
    del content["train_config"]["vary_background_clicks"], content["plan"]["target_labels"]
    torch.save(content, tmp_path / "old.pt")
    old = load_checkpoint(tmp_path / "old.pt")
    assert old.network == "promise"
    new = load_checkpoint(path)
    assert old.train_config == dataclasses.replace(new.train_config, vary_background_clicks=False)
    assert (old.model_config, old.plan) == (new.model_config, new.plan)
    torch.save(content | {"network": "vnet"}, tmp_path / "new.pt")
    with pytest.raises(
        CheckpointError, match=r"new\.pt: network 'vnet' is unknown to this version"
    ):
        load_checkpoint(tmp_path / "new.pt")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"network": "vnet"}, PlanError, "--network vnet: unknown; use one of promise, dynunet"),
        ({"network": "promise", "clicks_as_channel": True}, CheckpointError,
         "--clicks-as-channel: promise has its own encoder for clicks"),
        ({"network": "ux_net", "preset": "reference"}, PlanError,
         "--preset reference: is a variant of promise; with --network ux_net use paper or tiny"),
        ({"network": "ux_net", "preset": "huge"}, PlanError, "--preset huge: unknown"),
        ({"network": "ux_net", "encoder": "sam_vit_b"}, CheckpointError,
         "--encoder sam_vit_b: ux_net has no pretrained encoder; leave it out"),
        ({"network": "ux_net", "weights": "sam.pth"}, CheckpointError, "--weights sam.pth: ux_net has no"),
        ({"network": "dynunet", "fields": ("clicks_as_channel=true",)}, PlanError,
         "--set clicks_as_channel: this also decides where the run lies and how clicks are drawn"),
        ({"network": "dynunet", "fields": ("patch_size=36",)}, PlanError,
         "--set: patch_size 36: this network takes multiples of 8, at least 16"),
        ({"network": "segresnet", "fields": ("patch_size=1024",)}, PlanError, "--set patch_size=1024: use 8 to 512"),
        ({"network": "promise", "fields": ("patch_size=4",)}, PlanError, "--set patch_size=4: use 8 to 512"),
        ({"network": "dynunet", "checkpoint_activations": True}, CheckpointError,
         "--checkpoint-activations: this network cannot recompute activations"),
    ],
)  # fmt: skip
def test_contradicting_options_are_refused_and_nothing_is_written(
    preprocessed: Path, options: dict, error: type, message: str
) -> None:
    arguments = {"preset": "tiny", "device": "cpu", "root": preprocessed} | options
    with pytest.raises(error, match=message):
        train(TrainRequest(**arguments))
    results = preprocessed / "results" / "Task98_Balls"
    assert not list(results.rglob("*.pt"))
    assert not (results / options["network"] / "fold_0").exists()


def test_the_patch_is_no_wider_than_the_median_scan(root: Path) -> None:
    """The scans of balls have 28 x 26 x 20 voxels of 1 x 0.9 x 1.5 mm, so that their longest edge is 30 mm."""
    folder = root / DATASET
    plan = load_record(Plan, folder / "plans.json")
    request = TrainRequest(network="dynunet")
    config = choose_network(request, plan, folder / "fingerprint.json").model_config
    assert config.patch_size == 32
    edit_json(folder / "fingerprint.json", lambda found: found.update(median_shape=[512, 512, 400]))
    config = choose_network(request, plan, folder / "fingerprint.json").model_config
    assert config.patch_size == 128
    assert np.prod(config.strides, axis=0).tolist() == [32, 32, 32]


def test_stages_are_planned_for_the_patch_of_the_set_option(preprocessed: Path) -> None:
    folder = preprocessed / DATASET
    plan = load_record(Plan, folder / "plans.json")
    request = TrainRequest(network="dynunet", fields=("patch_size=64",))
    config = choose_network(request, plan, folder / "fingerprint.json").model_config
    assert config.patch_size == 64
    assert np.prod(config.strides, axis=0).tolist() == [16, 16, 16]


@pytest.mark.parametrize("edge", [64, 128])
def test_the_patch_of_promise_may_be_set(preprocessed: Path, edge: int) -> None:
    plan = dataclasses.replace(
        load_record(Plan, preprocessed / DATASET / "plans.json"), patch_size=48
    )
    for fields, found in (((), 48), ((f"patch_size={edge}",), edge)):
        chosen = choose_network(TrainRequest(fields=fields), plan, None)
        assert chosen.model_config.patch_size == found


def test_varying_a_number_of_clicks_of_one_is_refused(preprocessed: Path) -> None:
    plan = load_record(Plan, preprocessed / DATASET / "plans.json")
    fixed = ("num_foreground_clicks=1", "vary_clicks=true")
    with pytest.raises(
        PlanError,
        match="--set vary_clicks=true: num_foreground_clicks is 1, so nothing can vary;"
        " add --set num_foreground_clicks=10",
    ):
        choose_network(TrainRequest(fields=fixed), plan, None)
    choose_network(TrainRequest(fields=(*fixed, "num_foreground_clicks=2")), plan, None)


def test_resuming_with_clicks_as_channel_finds_the_run_that_has_them(tmp_path: Path) -> None:
    """The run of ProMISe does not count, since no call with --clicks-as-channel can have started it."""
    for name in (".", "dynunet", "dynunet_clicks"):
        (tmp_path / name / "fold_0").mkdir(parents=True)
        (tmp_path / name / "fold_0" / "checkpoint_last.pt").touch()
    clicked = run_folder(tmp_path, TrainRequest(resume=True, clicks_as_channel=True))
    assert clicked == tmp_path / "dynunet_clicks" / "fold_0"
    for network, folder in ((None, "fold_0"), ("dynunet", "dynunet/fold_0")):
        assert run_folder(tmp_path, TrainRequest(resume=True, network=network)) == tmp_path / folder
    (tmp_path / "ux_net_clicks" / "fold_0").mkdir(parents=True)
    (tmp_path / "ux_net_clicks" / "fold_0" / "checkpoint_last.pt").touch()
    with pytest.raises(
        CheckpointError,
        match=r"several runs could be resumed \(dynunet_clicks, ux_net_clicks\); name",
    ):
        run_folder(tmp_path, TrainRequest(resume=True, clicks_as_channel=True))


@pytest.mark.slow
def test_two_processes_train_dynunet_like_one_with_twice_the_batch(
    preprocessed: Path, tmp_path: Path
) -> None:
    curves = []
    for name, options in (("two", {"devices": 2, "batch_size": 1}), ("one", {"batch_size": 2})):
        root = Path(shutil.copytree(preprocessed, tmp_path / name))
        folder = _train(root, "dynunet", epochs=1, **options)
        curves.append([(row.loss, row.dice_loss) for row in load_log(folder / "log.csv")])
    assert curves[0][0] == pytest.approx(curves[1][0], rel=2e-3)
