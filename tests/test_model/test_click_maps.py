"""Click maps are 1 at a click, fall off as a Gaussian around it, and ignore padding clicks."""

import math

import pytest
import torch

from promise_cli.errors import PromptError
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise.click_maps import click_maps
from promise_cli.network.rivals.plain import PlainNetwork


def test_a_map_is_a_gaussian_of_the_distance_to_the_nearest_click() -> None:
    clicks = torch.tensor([[[3.0, 4.0, 5.0], [3.0, 4.0, 7.0], [8.0, 1.5, 2.0], [0.0, 0.0, 0.0]]])
    labels = torch.tensor([[1, 1, 0, -1]])
    maps = click_maps(clicks, labels, 10, sigma=2.0)
    assert maps.shape == (1, 2, 10, 10, 10)
    for i in range(10):
        for j in range(10):
            for k in range(10):
                near = min((i - 3) ** 2 + (j - 4) ** 2 + (k - at) ** 2 for at in (5, 7))
                far = (i - 8) ** 2 + (j - 1.5) ** 2 + (k - 2) ** 2
                assert maps[0, 0, i, j, k].item() == pytest.approx(math.exp(-near / 8), abs=1e-6)
                assert maps[0, 1, i, j, k].item() == pytest.approx(math.exp(-far / 8), abs=1e-6)


def test_without_clicks_both_maps_are_empty() -> None:
    for clicks, labels in (
        (torch.zeros(2, 0, 3), torch.zeros(2, 0, dtype=torch.long)),
        (torch.full((2, 3, 3), 99.0), torch.full((2, 3), -1)),
    ):
        assert not click_maps(clicks, labels, 8, 2.0).any()


def test_samples_of_a_batch_do_not_mix() -> None:
    clicks = torch.tensor([[[1.0, 1, 1]], [[6.0, 6, 6]]])
    maps = click_maps(clicks, torch.tensor([[1], [0]]), 8, 1.0)
    assert (maps[0, 0, 1, 1, 1], maps[1, 1, 6, 6, 6]) == (1, 1)
    assert not maps[0, 1].any()
    assert not maps[1, 0].any()


def test_the_image_comes_first_then_foreground_then_background() -> None:
    """The weights in every checkpoint so far depend on this order of channels."""

    class Echo(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image

    network = PlainNetwork(PlainConfig(patch_size=8, clicks_as_channel=True), Echo())
    patch = torch.randn(2, 1, 8, 8, 8)
    clicks, labels = torch.tensor([[[2.0, 3, 4], [7, 0, 7]]] * 2), torch.tensor([[1, 0], [1, -1]])
    seen = network(patch, clicks, labels)
    assert torch.equal(seen[:, :1], patch)
    assert seen[:, 1, 2, 3, 4].tolist() == [1, 1]
    assert seen[0, 2, 7, 0, 7] == 1
    assert not seen[1, 2].any()


def test_a_click_outside_the_patch_is_refused() -> None:
    with pytest.raises(PromptError, match=r"click \(8, 0, 0\) lies outside the patch of 8 x 8 x 8"):
        click_maps(torch.tensor([[[8.0, 0, 0]]]), torch.tensor([[1]]), 8, 2.0)
    with pytest.raises(ValueError, match=r"clicks have shape \(1, 2\) and signs \(1, 2\)"):
        click_maps(torch.zeros(1, 2), torch.zeros(1, 2), 8, 2.0)
