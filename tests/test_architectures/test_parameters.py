"""Full-size networks have as many parameters as their papers or MONAI state."""

from dataclasses import replace

import pytest
import torch

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import PlanError
from promise_cli.network.architecture import Setting
from promise_cli.network.registry import (
    NETWORKS,
    RIVALS,
    build_network,
    config_type,
    count_operations,
    plan_network,
)
from promise_cli.network.rivals.segresnet import SegResNetConfig


def _setting(edge: int = 96, **changes) -> Setting:
    return replace(Setting(patch_size=edge, spacing=(1.0, 1.0, 1.0), small=False), **changes)


def _millions(name: str, config) -> float:
    with torch.device("meta" if name != "swin_unetr" else "cpu"):  # MONAI's reads values
        model = build_network(name, config)
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


# Lee et al., 3D UX-Net, Table 1: parameters of nn-UNet, SwinUNETR, 3D UX-Net and nnFormer (one image channel).
@pytest.mark.parametrize(
    ("name", "edge", "millions"),
    [("dynunet", 128, 31.2), ("swin_unetr", 96, 62.2), ("ux_net", 96, 53.0), ("nnformer", 96, 149.3)],
)  # fmt: skip
def test_the_number_of_parameters_is_the_published_one(
    name: str, edge: int, millions: float
) -> None:
    assert round(_millions(name, plan_network(name, _setting(edge))), 1) == millions


def test_segresnet_has_monais_default_at_eight_filters_and_the_papers_blocks() -> None:
    assert round(_millions("segresnet", SegResNetConfig(patch_size=96, init_filters=8)), 2) == 1.18
    config = plan_network("segresnet", _setting())
    assert (config.init_filters, config.blocks_down, config.blocks_up) == (
        32,
        (1, 2, 2, 4),
        (1, 1, 1),
    )
    assert round(_millions("segresnet", config), 1) == 18.8


@pytest.mark.parametrize("name", RIVALS)
def test_a_config_is_read_back_from_json_unchanged(name: str) -> None:
    config = plan_network(name, _setting(50, clicks_as_channel=True, small=True))
    assert record_from_json(config_type(name), record_to_json(config), name) == config
    assert config.in_channels == 3


@pytest.mark.parametrize("name", RIVALS)
def test_every_parameter_of_a_small_network_is_trained(name: str) -> None:
    """A parameter without a gradient would stop a training on several devices."""
    config = plan_network(name, _setting(32, small=True))
    torch.manual_seed(0)
    model = build_network(name, config)
    edge = config.patch_size
    patch = torch.randn(1, 1, edge, edge, edge)
    logits = model(patch, torch.zeros(1, 0, 3), torch.zeros(1, 0, dtype=torch.long))
    assert logits.shape == (1, 2, edge, edge, edge)
    logits.square().mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    ("name", "part"), [("ux_net", "depthwise"), ("nnformer", "attention"), ("swin_unetr", "attn")]
)
def test_checkpointed_activations_are_computed_twice_and_change_no_gradient(
    name: str, part: str
) -> None:
    config = plan_network(name, _setting(32, small=True))
    torch.manual_seed(0)
    model = build_network(name, config)
    edge = config.patch_size
    patch = torch.randn(1, 1, edge, edge, edge)
    nowhere = (torch.zeros(1, 0, 3), torch.zeros(1, 0, dtype=torch.long))
    calls: list[str] = []
    parts = [(path, found) for path, found in model.named_modules() if path.endswith(f".{part}")]
    for path, found in parts:
        found.register_forward_pre_hook(lambda *_, path=path: calls.append(path))
    gradients = []
    for enabled in (False, True):
        calls.clear()
        model.checkpoint_activations(enabled)
        model.zero_grad()
        model(patch, *nowhere).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
        assert sorted(calls) == sorted([path for path, _ in parts] * (2 if enabled else 1))
    assert parts
    for kept, again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, again)


def test_operations_are_those_of_the_convolutions() -> None:
    config = plan_network("segresnet", _setting(16, small=True))
    narrow = count_operations("segresnet", config)
    # Twice the channels are four times the work, but only twice in the first and last layer: image and logits stay.
    wide = count_operations("segresnet", replace(config, init_filters=16))
    first_and_last = 2 * 16**3 * (27 * 1 * 8 + 8 * 2)
    assert wide == 4 * (narrow - first_and_last) + 2 * first_and_last


def test_counting_operations_draws_no_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    count_operations("nnformer", plan_network("nnformer", _setting(32, small=True)))
    assert torch.equal(torch.rand(2), expected)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        PlanError, match=f"--network vnet: unknown; use one of {', '.join(NETWORKS)}"
    ):
        config_type("vnet")
