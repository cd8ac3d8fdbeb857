"""Networks of several channels start like those of one channel and see all channels; one channel stays as it was."""

import dataclasses

import pytest
import torch

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.network.architecture import Setting
from promise_cli.network.promise import ProMISe
from promise_cli.network.promise.config import ModelConfig
from promise_cli.network.promise.folding import fold_patch_embedding, upsampling_matrix
from promise_cli.network.registry import (
    PROMISE,
    RIVALS,
    build_network,
    count_operations,
    plan_network,
)
from tests.test_model.plain import plain_embedding
from tests.test_model.small_network import ONE, SMALL, clicks, network, patches
from tests.test_model.test_folding import folded_embedding, random


def scan(channels, edge=32):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(1, channels, edge, edge, edge, generator=generator)


def test_one_channel_keeps_the_names_and_shapes_of_all_weights():
    state = network().state_dict()
    assert "image_encoder.channel_mix" not in state
    assert state["mask_decoder.cnn.0.conv.weight"].shape[1] == 1
    several = network(channels=4).state_dict()
    assert set(several) - set(state) == {"image_encoder.channel_mix"}
    changed = {name for name in state if several[name].shape != state[name].shape}
    assert changed == {"mask_decoder.cnn.0.conv.weight", "mask_decoder.head1.weight"}


def test_the_image_encoder_starts_with_the_weights_of_one_channel():
    one, several = (network(channels=number).image_encoder.state_dict() for number in (1, 4))
    assert all(torch.equal(several[name], one[name]) for name in one)


def test_the_kernel_for_one_channel_is_that_of_the_summed_inputs_bit_for_bit():
    torch.manual_seed(0)
    patch, slices = torch.randn(5, 3, 16, 16), torch.randn(5, 1, 1, 1, 16)
    kernel, _ = fold_patch_embedding(patch, torch.zeros(5), slices, torch.zeros(5), 4)
    up = upsampling_matrix(16, 4).float()
    plane = torch.einsum("pi,cpq,qj->cij", up, patch.sum(dim=1), up)
    depth = slices.reshape(-1, 16) @ up
    assert torch.equal(kernel, plane[:, None, :, :, None] * depth[:, None, None, None, :])


@pytest.mark.parametrize("channels", [2, 4])
def test_the_mixing_starts_at_the_mean_over_the_channels(channels):
    one, several = (network(channels=number).image_encoder for number in (1, channels))
    image = scan(channels)
    tokens = several.embed(image)
    torch.testing.assert_close(tokens, one.embed(image.mean(dim=1, keepdim=True)))


def test_mixed_channels_enter_the_three_inputs_of_the_pretrained_embedding():
    torch.manual_seed(0)
    weight, bias = random(5, 3, 16, 16), random(5)
    slices, slice_bias, mix = random(5, 1, 1, 1, 16), random(5), random(3, 4)
    image = random(2, 4, 8, 12, 16)
    folded = folded_embedding_of(image, weight, bias, slices, slice_bias, mix)
    mixed = torch.einsum("sn,bnhwd->bshwd", mix, image)
    plain = plain_embedding(torch.zeros_like(image[:, :1]), weight, bias, slices, slice_bias, 4)
    for number in range(3):
        only = torch.zeros_like(weight)
        only[:, number] = weight[:, number]
        nothing = torch.zeros(5, dtype=torch.float64)
        plain += plain_embedding(mixed[:, number : number + 1], only, nothing, slices, nothing, 4)
    torch.testing.assert_close(folded, plain, rtol=1e-11, atol=1e-11)


def folded_embedding_of(image, weight, bias, slices, slice_bias, mix):
    kernel, folded_bias = fold_patch_embedding(weight, bias, slices, slice_bias, 4, mix)
    padded = torch.nn.functional.pad(image, (1,) * 6, mode="replicate")
    return torch.nn.functional.conv3d(padded, kernel, folded_bias, stride=4)


def test_one_channel_gives_the_same_kernel_through_a_mixing_of_ones():
    torch.manual_seed(0)
    weights = (random(5, 3, 16, 16), random(5), random(5, 1, 1, 1, 16), random(5), 4)
    image = random(1, 1, 8, 8, 8)
    ones = torch.ones(3, 1, dtype=torch.float64)
    folded = folded_embedding_of(image, *weights[:-1], ones)
    torch.testing.assert_close(folded, folded_embedding(image, *weights))


@pytest.mark.parametrize("fusion", ["concat", "residual", "none"])
def test_every_channel_changes_the_logits_and_the_mixing_is_trained(fusion):
    model = network(channels=3, fusion=fusion)
    model.freeze_encoder()
    image = scan(3).requires_grad_()
    logits = model(image, clicks((16, 16, 16)), ONE)
    assert logits.shape == (1, 2, 32, 32, 32)
    logits[:, 1].sum().backward()
    assert (image.grad.abs().amax(dim=(0, 2, 3, 4)) > 0).all()
    mix = model.image_encoder.channel_mix
    assert mix.requires_grad
    assert mix.grad.abs().min() > 0


@pytest.mark.parametrize("name", [PROMISE, *RIVALS])
def test_a_patch_with_other_channels_than_the_network_is_refused(name):
    config = SMALL
    if name != PROMISE:
        setting = Setting(patch_size=32, spacing=(1, 1, 1), small=True, channels=2)
        config = plan_network(name, setting)
    model = build_network(name, dataclasses.replace(config, channels=2)).eval()
    edge = model.config.patch_size
    place = clicks((edge / 2, edge / 2, edge / 2))
    with torch.inference_mode():
        assert model(scan(2, edge), place, ONE).shape == (1, 2, edge, edge, edge)
        wanted = rf"takes \(B, 2, {edge}, {edge}, {edge}\)"
        with pytest.raises(ValueError, match=wanted):
            model(patches(edge=edge), place, ONE)


@pytest.mark.parametrize("clicked", [False, True])
def test_clicks_of_a_rival_follow_the_channels_of_the_image(clicked):
    setting = Setting(
        patch_size=32, spacing=(1, 1, 1), small=True, channels=4, clicks_as_channel=clicked
    )
    config = plan_network("dynunet", setting)
    assert config.in_channels == (6 if clicked else 4)
    model = build_network("dynunet", config).eval()
    with torch.inference_mode():
        one, other = (model(scan(4), clicks((place, 16, 16)), ONE) for place in (8.0, 20.0))
    assert torch.equal(one, other) != clicked


def test_more_channels_cost_more_operations_and_old_records_mean_one():
    config = ModelConfig(encoder="tiny", patch_size=16, prompt_heads=4, feature_width=32)
    more = count_operations(PROMISE, dataclasses.replace(config, channels=4))
    assert more > count_operations(PROMISE, config)
    content = record_to_json(config)
    del content["channels"]
    assert record_from_json(ModelConfig, content, "") == config


@pytest.mark.parametrize("channels", [0, 65])
def test_an_impossible_number_of_channels_is_refused(channels):
    with pytest.raises(ValueError, match=f"channels must be from 1 to 64, found {channels}"):
        ProMISe(dataclasses.replace(SMALL, channels=channels))
