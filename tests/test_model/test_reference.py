import dataclasses

import numpy as np
import pytest
import torch

from promise_cli.errors import CheckpointError
from promise_cli.network.promise import ProMISe, model_config
from promise_cli.network.promise.reference import (
    import_reference_checkpoint,
    is_reference_checkpoint,
)
from promise_cli.network.promise.windows import Windows
from tests.test_model.authors_layout import PARITY, checkpoint, image

pytestmark = pytest.mark.skipif(not PARITY.is_dir(), reason="the shared parity data are missing")


def light(_name, shape, _seed):
    """Return an entry of the right shape that takes only a few bytes on the disk."""
    return torch.zeros(()).expand(shape)


def save(content, tmp_path):
    path = tmp_path / "colon_pretrain_promise.pth"
    torch.save(content, path)
    return path


CLICK, LABEL = torch.tensor([[[90.0, 70.0, 40.0]]]), torch.ones(1, 1, dtype=torch.long)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Return the network with weights in the authors' layout."""
    path = save(checkpoint(), tmp_path_factory.mktemp("authors"))
    config, state = import_reference_checkpoint(path)
    model = ProMISe(config).eval()
    model.load_state_dict(state)
    return model


@pytest.mark.slow(seconds=115)
def test_the_logits_equal_those_of_the_authors_code(imported):
    expected = np.load(PARITY / "one_click.npz")
    patch = image().permute(2, 1, 0)[None, None]  # their (d, h, w) is our (k, j, i)
    with torch.inference_mode():
        logits = imported(patch, CLICK, LABEL)
    ours, theirs = logits[0].permute(0, 3, 2, 1).numpy(), expected["logits"]
    error = np.linalg.norm(ours[:, 3::8, 5::8, 1::8] - theirs) / np.linalg.norm(theirs)
    assert error <= 1e-4
    np.testing.assert_allclose(ours.mean((1, 2, 3)), expected["mean"][0], atol=1e-4)
    np.testing.assert_allclose(ours.std((1, 2, 3)), expected["std"][0], atol=1e-4)


@pytest.mark.slow
def test_one_block_at_full_width_agrees_in_bfloat16(imported):
    tokens = torch.randn(1, 16, 16, 16, 768, generator=torch.Generator().manual_seed(0))
    for index, shifted in ((2, True), (3, False)):
        windows = Windows((16, 16, 16), 8, shifted=shifted)
        block = imported.image_encoder.blocks[index]
        with torch.inference_mode():
            full = block(tokens, windows)
            with torch.autocast("cpu", torch.bfloat16):
                half = block(tokens, windows).float()
        assert torch.isfinite(half).all()
        assert (half - full).norm() / full.norm() < 2e-2


@pytest.mark.slow
def test_the_whole_network_at_full_width_agrees_in_bfloat16(imported):
    """A patch of 32^3 is a small part of the work of 128^3; only the positions along depth have another shape."""
    model = ProMISe(dataclasses.replace(imported.config, patch_size=32)).eval()
    state = imported.state_dict()
    state["image_encoder.depth_embed"] = state["image_encoder.depth_embed"][:, :8]
    model.load_state_dict(state)
    patch = image().permute(2, 1, 0)[None, None, 74:106, 54:86, 24:56]
    click = torch.full((1, 1, 3), 16.0)
    with torch.inference_mode():
        full = model(patch, click, LABEL)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(patch, click, LABEL).float()
    assert torch.isfinite(half).all()
    assert (half - full).norm() / full.norm() < 2e-2


def test_the_layout_fills_the_reference_network_completely(tmp_path):
    config, state = import_reference_checkpoint(save(checkpoint(light), tmp_path))
    assert config == model_config("reference")
    with torch.device("meta"):
        expected = ProMISe(config).state_dict()
    assert {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in expected.items()}


def test_the_authors_layout_is_recognised(tmp_path):
    assert is_reference_checkpoint(save(checkpoint(light), tmp_path))
    assert not is_reference_checkpoint(save({"encoder_dict": {}}, tmp_path))


def test_the_name_of_the_head_in_the_released_file_is_understood(tmp_path):
    content = checkpoint(light)
    for layer in ("0", "3"):
        weight = content["decoder_dict"].pop(f"head.{layer}.weight")
        content["decoder_dict"][f"cls_hao.{layer}.weight"] = weight + int(layer)
    _, state = import_reference_checkpoint(save(content, tmp_path))
    assert state["mask_decoder.head2.weight"].mean() == 3


def test_the_last_of_the_four_prompt_encoders_is_used(tmp_path):
    content = checkpoint(light)
    name = "transformer.layers.0.global_query"
    for number, section in enumerate(content["feature_dict"]):
        section[name] = section[name] + number
    _, state = import_reference_checkpoint(save(content, tmp_path))
    assert state["prompt_encoder.layers.0.global_query"].mean() == 3


def test_shift_masks_are_left_out(tmp_path):
    content = checkpoint(light)
    content["encoder_dict"]["blocks.0.attn_mask"] = torch.zeros(()).expand(64, 512, 512)
    _, state = import_reference_checkpoint(save(content, tmp_path))
    assert not [name for name in state if "mask" in name and not name.startswith("mask_decoder")]


def damage(content, how):
    if how == "missing":
        del content["encoder_dict"]["blocks.3.adapter.conv.bias"]
    elif how == "unknown":
        content["decoder_dict"]["extra.weight"] = torch.zeros(1)
    elif how == "shape":
        content["decoder_dict"]["head.3.weight"] = torch.zeros(3, 128, 3, 3, 3)
    elif how == "section":
        del content["feature_dict"]
    elif how == "twice":
        content["decoder_dict"]["cls_hao.0.weight"] = content["decoder_dict"]["head.0.weight"]
    elif how == "number":
        content["encoder_dict"]["pos_embed"] = 3
    elif how == "nothing":
        content["feature_dict"][3] = None
    elif how == "prompts":
        content["feature_dict"] = content["feature_dict"][:3]
    return content


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", r"1 entry is missing, such as image_encoder.blocks.3.adapter1.conv.bias"),
        ("unknown", r"1 entry is unknown, such as decoder_dict.extra.weight"),
        ("shape", r"mask_decoder.head2.weight has shape \(3, 128, 3, 3, 3\)"),
        ("section", r"not in the authors' layout"),
        (
            "twice",
            r"decoder_dict contains cls_hao.0.weight under two names; keep only one of head and cls_hao",
        ),
        (
            "number",
            r"encoder_dict must contain only named tensors, but has other values; copy the file",
        ),
        (
            "nothing",
            r"feature_dict must contain only named tensors, but has other values; copy the file",
        ),
        ("prompts", r"feature_dict is not a list of 4 prompt encoders"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_the_reason(tmp_path, how, message):
    path = save(damage(checkpoint(light), how), tmp_path)
    with pytest.raises(CheckpointError, match=message):
        import_reference_checkpoint(path)


@pytest.mark.parametrize(
    "value",
    [np.float16(1), np.float64(1), np.int64(3), np.bool_(True), np.zeros(3), np.array(0.5)],
    ids=lambda value: type(value).__name__,
)
def test_numpy_numbers_in_a_checkpoint_are_accepted(tmp_path, value):
    content = checkpoint(light)
    content["best_val_loss"] = value
    import_reference_checkpoint(save(content, tmp_path))


def test_other_numpy_objects_in_a_checkpoint_are_refused(tmp_path):
    content = checkpoint(light)
    content["best_val_loss"] = np.random.default_rng(0)
    with pytest.raises(CheckpointError, match="pickled code"):
        import_reference_checkpoint(save(content, tmp_path))
