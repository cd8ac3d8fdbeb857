"""A checkpoint from elsewhere is opened without running code, and a damaged one is refused with its path."""

import dataclasses
import pickle
import re
from pathlib import Path

import pytest
import torch

from promise_cli.errors import CheckpointError
from promise_cli.network.checkpoint import build_model, load_checkpoint, save_checkpoint
from tests.conftest import RUN


class _Code:
    def __reduce__(self) -> tuple:
        return (print, ("this code ran",))


def test_a_checkpoint_is_read_back_unchanged(trained: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(trained / RUN / "checkpoint_last.pt")
    save_checkpoint(checkpoint, tmp_path / "again.pt")
    again = load_checkpoint(tmp_path / "again.pt")
    for field in dataclasses.fields(checkpoint):
        if field.name not in ("weights", "optimizer", "random_states"):
            assert getattr(again, field.name) == getattr(checkpoint, field.name)
    for name in ("weights", "random_states"):
        before, after = getattr(checkpoint, name), getattr(again, name)
        assert list(before) == list(after) != []
        assert all(torch.equal(after[key], tensor) for key, tensor in before.items())


def test_pickled_code_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, content in enumerate(
        (_Code(), {"format": "promise-checkpoint", "weights": _Code()})
    ):
        path = tmp_path / f"{number}.pt"
        torch.save(content, path)
        with pytest.raises(
            CheckpointError,
            match=f"{number}.pt: not readable as tensors and plain types .* holds pickled code",
        ):
            load_checkpoint(path)
    plain = tmp_path / "plain.pt"
    plain.write_bytes(pickle.dumps(_Code()))
    with pytest.raises(
        CheckpointError, match=r"plain\.pt: not readable as tensors .* pickled code"
    ):
        load_checkpoint(plain)
    assert "this code ran" not in capsys.readouterr().out


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_checkpoint_is_named(trained: Path, tmp_path: Path, share: float) -> None:
    whole = (trained / RUN / "checkpoint_best.pt").read_bytes()
    path = tmp_path / "part.pt"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match=r"part\.pt: ") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_checkpoint_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint; train one with promise-train"):
        load_checkpoint(tmp_path / "none.pt")
    torch.save({"state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint of promise-train"):
        load_checkpoint(tmp_path / "other.pt")
    torch.save({"format": "promise-checkpoint", "format_version": 99}, tmp_path / "new.pt")
    with pytest.raises(
        CheckpointError, match="format version 99, but this promise_cli reads versions 1, 2 and 3"
    ):
        load_checkpoint(tmp_path / "new.pt")
    torch.save({"format": "promise-checkpoint", "format_version": 1}, tmp_path / "part.pt")
    with pytest.raises(
        CheckpointError,
        match="the entry 'model_config' is missing; train again or copy",
    ):
        load_checkpoint(tmp_path / "part.pt")


def test_a_jitter_in_voxels_of_an_earlier_version_becomes_a_share_of_the_patch(
    trained: Path, tmp_path: Path
) -> None:
    content = torch.load(trained / RUN / "checkpoint_best.pt", weights_only=True)
    for kept, share in ((13, 13 / 48), (0, 0), (0.25, 0.25)):
        content["train_config"]["centre_jitter"] = kept
        torch.save(content, tmp_path / "old.pt")
        assert load_checkpoint(tmp_path / "old.pt").train_config.centre_jitter == share
    content["train_config"]["centre_jitter"] = 40
    torch.save(content, tmp_path / "old.pt")
    with pytest.raises(CheckpointError, match="centre_jitter must be at least 0 and less"):
        load_checkpoint(tmp_path / "old.pt")


def test_weights_of_another_network_are_refused(trained: Path) -> None:
    path = trained / RUN / "checkpoint_best.pt"
    checkpoint = load_checkpoint(path)
    weights = dict(checkpoint.weights)
    weights["stranger"] = weights.pop(next(iter(weights)))
    with pytest.raises(
        CheckpointError, match="the weights do not fit the network of the same file"
    ):
        build_model(dataclasses.replace(checkpoint, weights=weights), path)


def test_sparse_weights_are_refused_by_name(trained: Path) -> None:
    path = trained / RUN / "checkpoint_best.pt"
    checkpoint = load_checkpoint(path)
    weights = dict(checkpoint.weights)
    name = next(name for name, tensor in weights.items() if tensor.ndim == 2)
    weights[name] = weights[name].to_sparse()
    with pytest.raises(CheckpointError, match=f"{name} is sparse or quantised"):
        build_model(dataclasses.replace(checkpoint, weights=weights), path)


KEPT = "then continue with --resume from the last checkpoint, which is kept"


def test_a_full_disk_leaves_the_previous_checkpoint_as_it_was(
    trained: Path, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "checkpoint_last.pt"
    path.write_bytes((trained / RUN / "checkpoint_last.pt").read_bytes())
    before = load_checkpoint(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(CheckpointError) as caught:
            save_checkpoint(dataclasses.replace(before, epoch=9), path, KEPT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(caught.value).startswith(f"{path}: cannot be written (only a part fitted; ")
    assert " of the disk /" in str(caught.value)
    assert str(caught.value).endswith(
        " are free); check free space and permissions, then continue with --resume from the last checkpoint, which is"
        " kept"
    )
    assert load_checkpoint(path).epoch == 1
    assert list(tmp_path.iterdir()) == [path]


def with_option(trained: Path, path: Path, **options: object) -> Path:
    content = torch.load(trained / RUN / "checkpoint_best.pt", weights_only=True)
    content["model_config"] |= options
    torch.save(content, path)
    return path


def test_options_that_were_removed_are_dropped_where_they_did_nothing(
    trained: Path, tmp_path: Path
) -> None:
    idle = {"click_position": False, "label_embedding": False, "adapter_update": "rectified"}
    earlier = load_checkpoint(with_option(trained, tmp_path / "earlier.pt", **idle))
    now = load_checkpoint(trained / RUN / "checkpoint_best.pt")
    assert earlier.model_config == now.model_config


@pytest.mark.parametrize(
    ("name", "value"),
    [("click_position", True), ("label_embedding", True), ("adapter_update", "free")],
)
def test_a_network_that_uses_a_removed_option_names_the_version_that_reads_it(
    trained: Path, tmp_path: Path, name: str, value: object
) -> None:
    path = with_option(trained, tmp_path / "earlier.pt", **{name: value})
    message = (
        f"{path}: the network uses {name}={value}, an option that was removed; use promise_cli"
    )
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load_checkpoint(path)
