"""Pretrained weights are found or downloaded, checked, named and frozen; without them everything trains."""

import hashlib
from pathlib import Path

import pytest
import torch

from promise_cli.errors import CheckpointError
from promise_cli.network import pretrained
from promise_cli.network.pretrained import OFFICIAL, OfficialFile, load_pretrained
from promise_cli.network.promise import ModelConfig, ProMISe, model_config
from promise_cli.network.promise.weights import read_tensors
from tests.conftest import SHARED

DINO = SHARED / "weights" / "dinov2_vits14_fp16.safetensors"
needs_dino = pytest.mark.skipif(not DINO.exists(), reason="the shared weights are missing")


def _small_dino() -> ProMISe:
    return ProMISe(ModelConfig(encoder="dinov2_s", patch_size=32, window_size=8))


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the shared weights in the format of the official file."""
    path = tmp_path_factory.mktemp("published") / OFFICIAL["dinov2_s"].name
    torch.save(read_tensors(DINO), path)
    return path


@pytest.fixture
def published(official: Path, monkeypatch: pytest.MonkeyPatch) -> OfficialFile:
    """Register a file on this machine as DINOv2's official file, so that nothing comes from the internet."""
    digest = hashlib.sha256(official.read_bytes()).hexdigest()
    file = OfficialFile(official.name, official.as_uri(), digest)
    monkeypatch.setitem(pretrained.OFFICIAL, "dinov2_s", file)
    return file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty cache folder of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "promise_cli"


@needs_dino
def test_pretrained_parts_are_frozen_and_the_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / DINO.name).symlink_to(DINO)
    model = _small_dino()
    name, digest = load_pretrained(model, None, tmp_path / "weights").split()
    assert name == DINO.name
    assert digest == hashlib.sha256(DINO.read_bytes()).hexdigest()
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {
        f"image_encoder.{name}" for name in model.image_encoder.pretrained_parameters()
    }
    assert frozen
    said = capsys.readouterr().out
    assert f"sha256 {digest} (not the official file)" in said
    assert "entries used, 3 unused (cls_token: 1, norm: 2)" in said


@needs_dino
def test_the_official_file_is_downloaded_once_and_then_found(
    published: OfficialFile, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        said_before = capsys.readouterr().out
        name = load_pretrained(_small_dino(), None, tmp_path / "weights")
        assert name == f"{published.name} {published.sha256}"
    assert "downloading" in said_before
    assert "downloading" not in capsys.readouterr().out
    assert [path.name for path in cache.iterdir()] == [published.name]


@needs_dino
def test_a_damaged_official_file_is_refused_unless_given_with_weights(
    published: OfficialFile, official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights" / published.name
    path.parent.mkdir()
    tensors = read_tensors(official)
    tensors["norm.bias"] = tensors["norm.bias"] + 1
    torch.save(tensors, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(_small_dino(), None, path.parent)
    assert str(caught.value) == (
        f"{path}: has sha256 {digest}, but the official file has {published.sha256}; remove the file and download it"
        f" again, or give --weights {path} to use it as it is"
    )
    assert load_pretrained(_small_dino(), str(path), path.parent) == f"{path.name} {digest}"
    assert "(not the official file)" in capsys.readouterr().out


@needs_dino
def test_the_official_file_is_named_as_such(
    published: OfficialFile, official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_pretrained(_small_dino(), str(official), tmp_path)
    assert f"sha256 {published.sha256} (the official file)" in capsys.readouterr().out


def test_the_official_files_are_the_published_ones() -> None:
    assert OFFICIAL["sam_vit_b"].sha256 == (
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"
    )
    assert {name: file.name for name, file in OFFICIAL.items()} == {
        "sam_vit_b": "sam_vit_b_01ec64.pth",
        "sam_vit_l": "sam_vit_l_0b3195.pth",
        "sam_vit_h": "sam_vit_h_4b8939.pth",
        "dinov2_s": "dinov2_vits14_pretrain.pth",
    }
    assert all(file.url.endswith(f"/{file.name}") for file in OFFICIAL.values())
    assert all(len(file.sha256) == 64 for file in OFFICIAL.values())


def test_without_weights_everything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _small_dino()
    assert load_pretrained(model, "none", tmp_path) == "none"
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert (
        "encoder dinov2_s starts from random weights, and all of it is trained"
        in capsys.readouterr().err
    )
    assert load_pretrained(ProMISe(model_config("tiny")), None, tmp_path) == "none"


def test_missing_weights_without_a_network_say_where_to_put_them(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = OFFICIAL["dinov2_s"]
    nowhere = OfficialFile(file.name, f"http://127.0.0.1:9/{file.name}", file.sha256)
    monkeypatch.setitem(pretrained.OFFICIAL, "dinov2_s", nowhere)
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(_small_dino(), None, tmp_path / "weights")
    assert str(caught.value) == (
        f"{tmp_path}/weights/dinov2_vits14_pretrain.pth: no pretrained weights for dinov2_s, and downloading"
        f" {nowhere.url} failed (<urlopen error [Errno 111] Connection refused>); put the official file there or into"
        f" {cache}, give --weights FILE, give --weights none to start from random weights, or use --preset tiny, which"
        " needs no weights"
    )
    assert not cache.exists()
