"""Sizes that a network cannot have are refused with the field's name, and planned sizes can be built."""

from dataclasses import replace

import pytest
import torch

from promise_cli.network.architecture import Setting
from promise_cli.network.registry import RIVALS, build_network, plan_network

SMALL = Setting(patch_size=48, spacing=(1.0, 1.0, 1.0), small=True)


@pytest.mark.parametrize(
    ("network", "changes", "message"),
    [
        ("dynunet", {"patch_size": 36}, "patch_size 36: this network takes multiples of 8, at least 16"),
        ("dynunet", {"patch_size": 8}, "patch_size 8: this network takes multiples of 8, at least 16"),
        ("dynunet", {"widths": (8, 16)}, "4 strides, 4 kernels and 2 widths; give the same number of each, at least 3"),
        ("dynunet", {"widths": (0, 16, 32, 64)}, "widths must be at least 1, found (0, 16, 32, 64)"),
        ("dynunet", {"strides": ((2, 2, 2),) * 4}, "strides must begin with (1, 1, 1), found (2, 2, 2)"),
        ("dynunet", {"kernels": ((3, 3, 2),) * 4}, "kernels must have odd edges, found"),
        ("segresnet", {"patch_size": 36}, "patch_size 36: this network takes multiples of 8, at least 8"),
        ("segresnet", {"init_filters": 12}, "init_filters must be a multiple of 8, found 12"),
        ("segresnet", {"blocks_down": (1, 1)}, "blocks_up (1, 1, 1); give blocks_up one entry fewer than"),
        ("ux_net", {"patch_size": 40}, "patch_size 40: this network takes multiples of 16, at least 32"),
        ("ux_net", {"patch_size": 16}, "patch_size 16: this network takes multiples of 16, at least 32"),
        ("ux_net", {"kernel": 4}, "kernel must be odd, found 4"),
        ("nnformer", {"patch_size": 48}, "patch_size 48: this network takes multiples of 32, at least 32"),
        ("nnformer", {"num_heads": (5, 4, 8, 16)}, "5 heads cannot share the 24 channels of level 0 evenly"),
        ("nnformer", {"depth": 0}, "depth must be at least 1, found 0"),
        ("swin_unetr", {"patch_size": 32}, "patch_size 32: this network takes multiples of 32, at least 64"),
        ("swin_unetr", {"feature_size": 13}, "feature_size must be a multiple of 12, found 13"),
        ("swin_unetr", {"window_size": 0}, "window_size must be at least 1, found 0"),
    ],
)  # fmt: skip
def test_an_impossible_size_is_refused_with_its_field(
    network: str, changes: dict, message: str
) -> None:
    config = plan_network(network, SMALL)
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message is checked below
        replace(config, **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("network", RIVALS)
@pytest.mark.parametrize("edge", [8, 20, 36, 50, 100, 200])
def test_every_planned_patch_is_one_that_the_network_takes(network: str, edge: int) -> None:
    for small in (False, True):
        config = plan_network(network, replace(SMALL, patch_size=edge, small=small))
        assert edge <= config.patch_size
        assert config.patch_size % config.multiple == 0


@pytest.mark.parametrize("network", RIVALS)
def test_the_smallest_patch_of_a_small_network_can_be_trained(network: str) -> None:
    """Norms need more than one voxel at the lowest level during training."""
    config = plan_network(network, replace(SMALL, patch_size=8))
    config = replace(config, patch_size=config.least)
    torch.manual_seed(0)
    edge = config.patch_size
    model = build_network(network, config).train()
    logits = model(
        torch.randn(1, 1, edge, edge, edge),
        torch.zeros(1, 0, 3),
        torch.zeros(1, 0, dtype=torch.long),
    )
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    "spacing",
    [(0.98, 0.98, 3.27), (1.0, 1.0, 5.0), (5.0, 1.0, 1.0), (1.0, 5.0, 5.0), (0.05, 1.0, 50.0)],
)
@pytest.mark.parametrize("edge", [8, 16, 20, 50])
def test_dynunet_can_be_built_at_any_spacing(
    spacing: tuple[float, float, float], edge: int
) -> None:
    config = plan_network("dynunet", replace(SMALL, patch_size=edge, spacing=spacing))
    size = config.patch_size
    with torch.device("meta"):
        model = build_network("dynunet", config)
        logits = model(
            torch.empty(1, 1, size, size, size),
            torch.empty(1, 0, 3),
            torch.empty(1, 0, dtype=torch.long),
        )
    assert logits.shape == (1, 2, size, size, size)
    finest = [axis for axis in range(3) if spacing[axis] < 2 * min(spacing)]
    first_halved = [axis for axis in range(3) if config.strides[1][axis] == 2]
    assert first_halved == finest
