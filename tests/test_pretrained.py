"""Pretrained weights are found, shown and frozen; without them everything trains."""

from pathlib import Path

import pytest

from promise_cli.errors import CheckpointError
from promise_cli.model import ModelConfig, ProMISe, model_config
from promise_cli.pretrained import load_pretrained
from tests.conftest import SHARED

DINO = SHARED / "weights" / "dinov2_vits14_fp16.safetensors"


def _small_dino() -> ProMISe:
    return ProMISe(ModelConfig(encoder="dinov2_s", patch_size=32, window_size=8))


@pytest.mark.skipif(not DINO.exists(), reason="the shared weights are absent")
def test_pretrained_parts_are_frozen_and_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / DINO.name).symlink_to(DINO)
    model = _small_dino()
    name, digest = load_pretrained(model, None, tmp_path / "weights").split()
    assert name == DINO.name
    assert len(digest) == 64
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {
        f"image_encoder.{name}" for name in model.image_encoder.pretrained_parameters()
    }
    assert frozen


def test_without_weights_everything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _small_dino()
    assert load_pretrained(model, "none", tmp_path) == "none"
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert (
        "encoder dinov2_s starts from random weights and is trained as a whole"
        in capsys.readouterr().err
    )
    assert load_pretrained(ProMISe(model_config("tiny")), None, tmp_path) == "none"


def test_missing_weights_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(_small_dino(), None, tmp_path / "weights")
    assert str(caught.value) == (
        f"{tmp_path}/weights/dinov2_vits14_pretrain.pth: no pretrained weights for dinov2_s; put the official file"
        f" there or into {tmp_path}/cache/promise_cli, give --weights FILE, or --weights none to start from random"
        " weights; --preset tiny needs no weights"
    )
