"""A run can start from the weights of another one, and a part of them can be kept from training."""

import dataclasses
from pathlib import Path

import pytest
import torch

from promise_cli.dataset.plan import Channel, Plan
from promise_cli.dataset.splits import Split
from promise_cli.disk.records import load_record
from promise_cli.errors import CheckpointError, PlanError
from promise_cli.network.architecture import Setting
from promise_cli.network.checkpoint import load_checkpoint, save_checkpoint
from promise_cli.network.parts import freeze
from promise_cli.network.promise import ProMISe
from promise_cli.network.promise.config import model_config
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.registry import NETWORKS, PROMISE, build_network, plan_network
from promise_cli.train import TrainRequest, train
from promise_cli.train.folds import train_folds
from promise_cli.train.origin import like_origin
from promise_cli.train.provenance import load_calls
from promise_cli.train.sizes import choose_network
from promise_cli.train.start import start_run
from tests.conftest import DATASET, RUN
from tests.test_model.authors_layout import PARITY, checkpoint
from tests.test_model.test_reference import light, save
from tests.test_train.runs import copy_workspace

FIRST, LAST = "checkpoint_best.pt", "checkpoint_last.pt"


def _start(root: Path, folder: Path, plan: Plan | None = None, **options):
    """Make a run in the state before its first epoch, which takes no training."""
    request = like_origin(
        TrainRequest(start_from=str(root / RUN), device="cpu", root=root, **options)
    )
    plan = plan or load_record(Plan, root / DATASET / "plans.json")
    split = Split(("ball_001",), ("ball_002",), ())
    return start_run(
        folder, request, plan, split, device="cpu", processes=1, weights_dir=folder / "weights"
    )


def test_a_run_starts_with_all_weights_of_the_same_network(trained: Path, tmp_path: Path) -> None:
    run = _start(trained, tmp_path / "run", seed=7)
    origin = load_checkpoint(trained / RUN / FIRST)
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, origin.weights[name])
    assert (run.preset, run.epoch, run.log, run.seed) == ("tiny", 0, [], 7)
    assert run.model.config == origin.model_config
    assert run.started_from is not None
    assert run.started_from.anew == run.started_from.unused == ()


def test_tensors_of_another_shape_or_name_start_anew_and_are_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = ("patch_size=32", "click_map_in_head=true", "decoder_width=8")
    run = _start(trained, tmp_path / "run", fields=fields)
    origin = load_checkpoint(trained / RUN / FIRST)
    assert run.started_from is not None
    anew = set(run.started_from.anew)
    for name, tensor in run.model.state_dict().items():
        fits = name in origin.weights and origin.weights[name].shape == tensor.shape
        assert fits == (name not in anew)
        assert not fits or torch.equal(tensor, origin.weights[name])
    parts = {name.split(".")[1] for name in anew}
    assert parts == {"depth_embed", "branches", "cnn", "head1", "head2", "click_head"}
    said = " ".join(capsys.readouterr().out.split())
    assert f"{run.started_from.taken} tensors taken (image_encoder.pos_embed 1," in said
    assert "start anew: image_encoder.depth_embed 1, mask_decoder.branches" in said
    assert "mask_decoder.click_head 1" in said


def test_a_network_of_one_channel_starts_one_of_two_channels(trained: Path, tmp_path: Path) -> None:
    one = load_record(Plan, trained / DATASET / "plans.json")
    second = Channel(modality="PET", normalisation=one.normalisation)
    plan = dataclasses.replace(one, further_channels=(second,))
    run = _start(trained, tmp_path / "run", plan=plan)
    assert run.model.config.channels == 2
    assert run.started_from is not None
    assert set(run.started_from.anew) == {
        "image_encoder.channel_mix",
        "mask_decoder.cnn.0.conv.weight",
        "mask_decoder.head1.weight",
    }
    with pytest.raises(
        CheckpointError, match=r"same name and shape for image_encoder\.channel_mix;"
    ):
        _start(trained, tmp_path / "run", plan=plan, freeze="encoder")


@pytest.mark.slow
def test_frozen_weights_stay_frozen_when_a_run_is_resumed(trained: Path, tmp_path: Path) -> None:
    root = copy_workspace(trained, tmp_path)
    origin = root / RUN
    shared = {"fold": 1, "device": "cpu", "root": root}
    folder = train(
        TrainRequest(
            start_from=str(origin),
            freeze="all-but-head",
            augmentation="nnunet",
            epochs=1,
            learning_rate=1e-3,
            patches_per_case=1,
            **shared,
        )
    )
    config = load_record(TrainConfig, folder / "config.json")
    assert (config.freeze, config.augmentation) == ("all-but-head", "nnunet")
    with pytest.raises(
        CheckpointError, match="--freeze encoder: this run was started with all-but"
    ):
        train(TrainRequest(resume=True, epochs=2, freeze="encoder", **shared))
    with pytest.raises(CheckpointError, match="--augmentation paper: this run was started with nn"):
        train(TrainRequest(resume=True, epochs=2, augmentation="paper", **shared))
    with pytest.raises(CheckpointError, match="--from: a run that is resumed has its own weights"):
        train(TrainRequest(resume=True, epochs=2, start_from=str(origin), **shared))
    assert train(TrainRequest(resume=True, epochs=2, **shared)) == folder
    before, after = (load_checkpoint(path) for path in (origin / FIRST, folder / LAST))
    assert after.epoch == 2
    changed = {
        name
        for name, tensor in after.weights.items()
        if not torch.equal(tensor, before.weights[name])
    }
    assert changed == {"mask_decoder.head1.weight", "mask_decoder.head2.weight"}
    calls = load_calls(folder)
    assert len(calls) == 2
    assert calls[0].started_from == calls[1].started_from
    started = calls[0].started_from
    assert started is not None
    assert (started.dataset, started.fold, started.epoch) == ("Task98_Balls", 0, 1)
    assert started.path == str(origin / FIRST)
    assert len(started.sha256) == 64
    assert calls[0].parameters_trained == sum(after.weights[name].numel() for name in changed)


def test_another_network_keeps_its_sizes_and_takes_the_patch_of_the_new_dataset(
    trained: Path,
) -> None:
    plan = dataclasses.replace(load_record(Plan, trained / DATASET / "plans.json"), patch_size=40)
    setting = Setting(patch_size=96, spacing=(1.0, 1.0, 1.0), small=True)
    origin = dataclasses.replace(plan_network("dynunet", setting), click_sigma=3.0)
    request = TrainRequest(network="dynunet", preset="paper")
    chosen = choose_network(request, plan, None, origin).model_config
    edge = origin.multiple * -(-40 // origin.multiple)
    assert chosen == dataclasses.replace(origin, patch_size=edge)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_an_encoder_and_a_head_that_can_be_frozen(name: str) -> None:
    setting = Setting(patch_size=32, spacing=(1.0, 1.0, 1.0), small=True)
    sizes = model_config("tiny") if name == PROMISE else plan_network(name, setting)
    trained = {}
    for freezing in ("nothing", "encoder", "all-but-head"):
        model = build_network(name, sizes)
        freeze(model, name, freezing)
        trained[freezing] = {k for k, p in model.named_parameters() if p.requires_grad}
    assert trained["all-but-head"] < trained["encoder"] < trained["nothing"]
    assert 1 <= len(trained["all-but-head"]) <= 4
    assert 0.1 < len(trained["encoder"]) / len(trained["nothing"]) < 0.9


def test_folds_that_are_trained_together_start_from_the_same_network(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = {"start_from": str(trained / RUN), "max_hours": 0, "device": "cpu", "root": trained}
    assert not list(train_folds(TrainRequest(epochs=1, **shared), (0, 1)))
    said = " ".join(capsys.readouterr().out.split())
    assert "fold 0: finished before and left as it is" in said
    assert "--max-hours 0: not trained: fold 1" in said
    with pytest.raises(CheckpointError, match="was started with freeze 'nothing', but this call"):
        list(train_folds(TrainRequest(epochs=1, freeze="encoder", **shared), (0, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "paper"}, "--preset paper: {} has tiny, and its weights fit no other"),
        ({"network": "dynunet"}, "--network dynunet: {} has promise, and its weights fit no other"),
        ({"encoder": "sam_vit_b"}, "--encoder sam_vit_b: {} has tiny, and its weights fit no"),
        (
            {"weights": "none"},
            "--weights none: the encoder's weights come from {}; leave --weights",
        ),
    ],
)
def test_another_architecture_is_refused(trained: Path, options: dict, message: str) -> None:
    path = trained / RUN / FIRST
    with pytest.raises(CheckpointError) as raised:
        like_origin(TrainRequest(start_from=str(path), **options))
    assert str(raised.value).startswith(message.format(path))


def test_freezing_needs_fitting_weights_of_another_network(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="--freeze encoder: without --from, random weights"):
        train(TrainRequest(preset="tiny", fold=1, freeze="encoder", device="cpu", root=trained))
    with pytest.raises(PlanError, match="--freeze head: unknown; use one of nothing, encoder, all"):
        train(TrainRequest(preset="tiny", fold=1, freeze="head", device="cpu", root=trained))
    with pytest.raises(
        CheckpointError, match=r"shape for image_encoder\.depth_embed; .* leave --freeze out"
    ):
        _start(trained, tmp_path / "run", freeze="encoder", fields=("patch_size=32",))
    assert not (tmp_path / "run").exists()


def test_a_missing_run_and_an_empty_folder_are_refused_by_name(tmp_path: Path) -> None:
    for given, what in (
        (tmp_path, "no checkpoint in this folder"),
        (tmp_path / "x", "no such run"),
    ):
        with pytest.raises(CheckpointError) as raised:
            like_origin(TrainRequest(start_from=str(given)))
        assert str(raised.value).startswith(f"--from {given}: {what}")


def test_weights_that_are_not_finite_are_refused(trained: Path, tmp_path: Path) -> None:
    root = copy_workspace(trained, tmp_path)
    found = load_checkpoint(root / RUN / FIRST)
    weights = {name: tensor.clone() for name, tensor in found.weights.items()}
    weights["mask_decoder.head2.weight"][0] = torch.nan
    save_checkpoint(dataclasses.replace(found, weights=weights), root / RUN / FIRST)
    with pytest.raises(CheckpointError, match=r"head2\.weight holds numbers that are not finite"):
        _start(root, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.skipif(not PARITY.is_dir(), reason="the shared parity data are missing")
def test_a_run_starts_from_the_authors_network(trained: Path, tmp_path: Path) -> None:
    path = save(checkpoint(light), tmp_path)
    request = like_origin(TrainRequest(start_from=str(path), device="cpu", freeze="encoder"))
    assert (request.preset, request.encoder) == ("reference", "sam_vit_b")
    plan = load_record(Plan, trained / DATASET / "plans.json")
    split = Split(("ball_001",), ("ball_002",), ())
    run = start_run(
        tmp_path / "run", request, plan, split, device="cpu", processes=1, weights_dir=tmp_path
    )
    assert run.encoder_weights == "sam_vit_b"
    assert isinstance(run.model, ProMISe)
    assert not any(one.requires_grad for one in run.model.image_encoder.parameters())
    assert run.started_from is not None
    assert run.started_from.anew == ()
    assert run.plan.normalisation == plan.normalisation
