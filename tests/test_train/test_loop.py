"""A step clips its gradients, stops at a loss that is not finite, and continues where the compiler fails."""

import copy
import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.dataset.plan import Plan
from promise_cli.dataset.splits import Splits
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.train import TrainRequest, cases, train
from promise_cli.train.compiled import compile_network
from promise_cli.train.corrections import Answering
from promise_cli.train.group import Group
from promise_cli.train.provenance import RunRecord
from promise_cli.train.resume import resume_run
from promise_cli.train.run import Run
from promise_cli.train.samples import TrainingSamples, ValidationSamples, collate
from promise_cli.train.schedule import Batch
from promise_cli.train.step import take_step
from promise_cli.train.stopping import StopRequest
from promise_cli.train.training import Training
from promise_cli.train.watch import Board
from tests.conftest import RUN

DATASET = Path("preprocessed") / "Task98_Balls"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Run:
    """The trained run, resumed for two more epochs."""
    root = tmp_path / "workspace"
    shutil.copytree(trained, root)
    split = load_checkpoint(root / RUN / "checkpoint_last.pt").split
    plan = load_record(Plan, root / DATASET / "plans.json")
    request = TrainRequest(epochs=3)
    return resume_run(root / RUN, request, plan, split, device="cpu", processes=1)


def _training(run: Run, **changes) -> tuple[Training, TrainingSamples]:
    run.config = dataclasses.replace(run.config, **changes)
    cases = run.folder.parents[2] / DATASET / "cases"
    samples = TrainingSamples(cases, run.split.train, 48, run.config, 0, 20.0)
    training = Training(
        run=run,
        network=Answering(run.model, learns_from_first=run.config.first_answer_weight > 0),
        samples=samples,
        fixed=ValidationSamples(cases, run.split.val, 48, 1, 0),
        group=Group(),
        workers=0,
        stop=StopRequest(),
        board=Board(run.folder, False),
    )
    return training, samples


def test_a_resumed_run_continues_from_its_epoch_log_and_optimizer_state(run: Run) -> None:
    checkpoint = load_checkpoint(run.folder / "checkpoint_last.pt")
    assert (run.epoch, run.best_dice, run.config.epochs) == (1, checkpoint.best_dice, 3)
    assert [row.epoch for row in run.log] == [1]
    state = run.optimizer.state_dict()["state"]
    assert all(
        torch.equal(state[n]["exp_avg"], checkpoint.optimizer["state"][n]["exp_avg"]) for n in state
    )


def test_a_worse_epoch_leaves_the_best_checkpoint(run: Run) -> None:
    best = (run.folder / "checkpoint_best.pt").read_bytes()
    run.epoch, run.best_dice = 2, 0.9
    run.save_epoch(0.5)
    assert (run.folder / "checkpoint_best.pt").read_bytes() == best
    assert load_checkpoint(run.folder / "checkpoint_last.pt").best_dice == 0.9


def test_gradients_are_clipped(run: Run) -> None:
    training, samples = _training(run, gradient_clip=1e-3)
    take_step(training, [Batch((0,), 1.0, True)], iter([collate([samples[0]])]))
    norm = torch.stack([p.grad.norm() for p in run.model.parameters() if p.grad is not None]).norm()
    assert norm <= 1.001e-3


def test_accumulated_gradients_equal_those_of_one_batch(run: Run) -> None:
    training, samples = _training(run, gradient_clip=1e9)
    two = [samples[0], samples[1]]
    gradients = []
    for batches, given in (
        ([Batch((0, 1), 1.0, True)], [collate(two)]),
        ([Batch((0,), 0.5, False), Batch((1,), 0.5, True)], [collate([s]) for s in two]),
    ):
        weights = {name: value.clone() for name, value in run.model.state_dict().items()}
        take_step(training, batches, iter(given))
        gradients.append([p.grad.clone() for p in run.model.parameters() if p.grad is not None])
        run.model.load_state_dict(weights)
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, rtol=1e-3, atol=1e-5)


def test_a_step_in_fp16_scales_the_loss_and_moves_the_weights_the_same(run: Run) -> None:
    training, samples = _training(run)
    moved = []
    for enabled in (False, True):
        weights = {name: value.clone() for name, value in run.model.state_dict().items()}
        moments = copy.deepcopy(run.optimizer.state_dict())
        run.scaler = torch.amp.GradScaler("cpu", enabled=enabled, init_scale=64.0)
        losses = take_step(training, [Batch((0,), 1.0, True)], iter([collate([samples[0]])]))
        moved.append({name: value.clone() for name, value in run.model.state_dict().items()})
        run.model.load_state_dict(weights)
        run.optimizer.load_state_dict(moments)
        assert losses["loss"] < 10  # not scaled
    for name, value in moved[0].items():
        torch.testing.assert_close(moved[1][name], value)


def test_a_gradient_that_overflows_in_fp16_skips_the_step_and_lowers_the_scale(run: Run) -> None:
    training, samples = _training(run)
    run.scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    weight = next(p for p in run.model.parameters() if p.requires_grad)
    hook = weight.register_hook(lambda gradient: gradient * math.inf)
    weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    sample = [collate([samples[0]])]
    take_step(training, [Batch((0,), 1.0, True)], iter(sample))
    assert run.scaler.get_scale() == 32.0
    for name, value in run.model.state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=0, atol=0)
    run.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    with pytest.raises(DatasetError, match="the gradient is not finite in epoch 2, step 1, case"):
        take_step(training, [Batch((0,), 1.0, True)], iter(sample))
    hook.remove()


def test_the_scale_of_the_loss_and_random_states_are_resumed(run: Run) -> None:
    run.scaler = torch.amp.GradScaler("cpu", init_scale=512.0)
    torch.manual_seed(7)
    run.save_step()
    expected = torch.rand(3)
    path = run.folder / "checkpoint_last.pt"
    checkpoint = load_checkpoint(path)
    assert checkpoint.scaler["scale"] == 512.0
    torch.manual_seed(8)
    resume_run(run.folder, TrainRequest(epochs=3), run.plan, run.split, device="cpu", processes=1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_a_loss_that_is_not_finite_stops_the_run_with_the_case(
    preprocessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "check_voxels", lambda *_: None)  # it would find the NaN first
    root = tmp_path / "workspace"
    shutil.copytree(preprocessed, root)
    train_case = load_record(Splits, root / DATASET / "splits.json").folds[0].train[0]
    path = root / DATASET / "cases" / train_case / "image.npy"
    image = np.load(path)
    image[...] = np.nan
    np.save(path, image)
    with pytest.raises(DatasetError) as caught:
        train(TrainRequest(preset="tiny", epochs=1, device="cpu", root=root))
    message = str(caught.value)
    assert message.startswith(f"{root / RUN}: the loss is nan in epoch 1, step ")
    assert message.endswith(
        f", case {train_case}; nothing is saved yet; check the intensities of these cases, or start anew"
        " with a lower --lr or with --precision fp32"
    )
    assert not (root / RUN / "checkpoint_last.pt").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch warns about parts of its own
def test_training_continues_without_the_compiler_where_that_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))

        def encode(self, patch: torch.Tensor) -> torch.Tensor:
            return (patch * self.weight[0]).sin().sum()

        def decode(
            self, state: torch.Tensor, clicks: torch.Tensor, _: torch.Tensor
        ) -> torch.Tensor:
            return state + (clicks * self.weight).sin().sum()

    said: list[str] = []
    network = Answering(Small(), learns_from_first=False)
    before = network.encode, network.decode
    compile_network(network, run, said.append)
    assert (network.encode, network.decode) == before
    assert len(said) == 1
    assert said[0].startswith("--compile: does not work here (")
    assert said[0].endswith("; continuing without it")


@pytest.mark.slow
def test_options_of_the_call_are_kept_with_the_run(preprocessed: Path, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    shutil.copytree(preprocessed, root)
    folder = train(
        TrainRequest(
            preset="tiny",
            epochs=1,
            device="cpu",
            root=root,
            precision="bf16",
            checkpoint_activations=True,
            learning_rate=5e-4,
            patches_per_case=1,
            tensorboard=True,
        )
    )
    config = load_checkpoint(folder / "checkpoint_last.pt").train_config
    assert (config.precision, config.checkpoint_activations) == ("bf16", True)
    assert (config.learning_rate, config.patches_per_case) == (5e-4, 1)
    (session,) = load_record(RunRecord, folder / "run.json").sessions
    assert (session.precision, session.outcome, session.last_epoch) == ("bf16", "finished", 1)
    assert session.steps == 4
    assert session.peak_memory_gib > 0.1
    assert 0 <= session.waiting_share < 1
    assert session.versions["torch"] == torch.__version__
    assert session.parameters_trained == session.parameters == 921_828
    assert len(list((folder / "tensorboard").iterdir())) == 1
