import dataclasses

import pytest
import torch

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import PlanError
from promise_cli.network.recipe import LossConfig
from promise_cli.train.losses import boundary_loss, boundary_map, total_loss

PAPER, REFERENCE = LossConfig(), LossConfig.reference()


def ball(edge=16, radius=4.0):
    axes = torch.stack(torch.meshgrid(*[torch.arange(edge)] * 3, indexing="ij")) - edge // 2
    return (axes.square().sum(0) < radius**2).float()[None, None]


def certain(target, margin=200.0):
    return torch.cat([1 - target, target], dim=1) * margin


def logits(batch=1, edge=16):
    return torch.randn(batch, 2, edge, edge, edge, generator=torch.Generator().manual_seed(0))


def test_the_loss_without_boundary_is_the_formula_written_by_hand():
    given, target = logits().double(), ball().double()
    p, g = given.softmax(1)[:, 1], target[:, 0]
    dice = 1 - (2 * (p * g).sum() + 1e-5) / (p.sum() + g.sum() + 1e-5)
    cross_entropy = -(g * p.log() + (1 - g) * (1 - p).log()).mean()
    loss, parts = total_loss(given, target, dataclasses.replace(PAPER, boundary_weight=0.0))
    torch.testing.assert_close(loss, (dice + cross_entropy).float())
    torch.testing.assert_close(parts["dice"], dice.float())
    torch.testing.assert_close(parts["cross_entropy"], cross_entropy.float())


def test_the_total_is_the_weighted_sum_of_its_parts():
    loss, parts = total_loss(logits(), ball(), PAPER)
    assert set(parts) == {"dice", "cross_entropy", "boundary"}
    expected = parts["dice"] + parts["cross_entropy"] + 10 * parts["boundary"]
    torch.testing.assert_close(loss.detach(), expected)
    loss, parts = total_loss(logits(), ball(), REFERENCE)
    expected = 0.5 * parts["dice"] + 0.5 * parts["cross_entropy"] + 10 * parts["boundary"]
    torch.testing.assert_close(loss.detach(), expected)


def test_a_perfect_prediction_costs_nothing():
    loss, _ = total_loss(certain(ball()), ball(), PAPER)
    assert loss < 1e-5


def test_counting_the_border_like_the_reference_gives_a_perfect_prediction_a_loss():
    target = torch.zeros(1, 1, 128, 128, 128)
    target[..., 60:70, 60:70, 60:70] = 1
    loss = boundary_loss(certain(target), target, REFERENCE)
    assert loss == pytest.approx(3.16e-3, rel=5e-3)
    foreground = dataclasses.replace(REFERENCE, boundary_channels="foreground")
    assert boundary_loss(certain(target), target, foreground) == 0


def test_the_reference_pools_across_j_and_k():
    mask = torch.zeros(1, 1, 9, 9, 9)
    mask[0, 0, 4, 4, 4] = 1
    edges = boundary_map(mask, REFERENCE.boundary_kernel, border_counted=True)[0, 0]
    assert edges.nonzero()[:, 0].unique().tolist() == [4]
    assert edges.nonzero()[:, 1].unique().tolist() == [2, 3, 4, 5, 6]
    assert edges.nonzero()[:, 2].unique().tolist() == [2, 3, 4, 5, 6]
    assert edges[4, 4, 4] == pytest.approx(1 - 1 / 25)


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("kernel", [(5, 5, 5), (1, 5, 5), (5, 5, 1)])
def test_the_boundary_map_equals_one_box_average(kernel, counted):
    mask = torch.rand(1, 2, 7, 8, 9, dtype=torch.float64)
    average = torch.nn.functional.avg_pool3d(
        mask, kernel, 1, [k // 2 for k in kernel], count_include_pad=counted
    )
    torch.testing.assert_close(boundary_map(mask, kernel, counted), (mask - average).abs())


def test_a_step_edge_has_its_boundary_at_the_edge_and_nowhere_else():
    mask = torch.zeros(1, 1, 12, 12, 12)
    mask[:, :, 6:] = 1
    edges = boundary_map(mask, (5, 5, 5), border_counted=False)[0, 0, :, 6, 6]
    expected = torch.tensor([0, 0, 0, 0, 0.2, 0.4, 0.4, 0.2, 0, 0, 0, 0])
    torch.testing.assert_close(edges, expected)


@pytest.mark.parametrize("config", [PAPER, REFERENCE], ids=["paper", "reference"])
@pytest.mark.parametrize("target", [ball(), torch.zeros(1, 1, 16, 16, 16)], ids=["ball", "empty"])
def test_loss_and_gradient_are_finite(config, target):
    given = logits().requires_grad_()
    loss, _ = total_loss(given, target, config)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(given.grad).all()
    assert given.grad.any()


def test_the_boundary_loss_reaches_the_logits():
    given = logits().requires_grad_()
    boundary_loss(given, ball(), PAPER).backward()
    assert given.grad.any()


def test_the_boundary_loss_needs_foreground_unless_configured_otherwise():
    empty = torch.zeros(1, 1, 16, 16, 16)
    assert boundary_loss(logits(), empty, PAPER) == 0
    always = dataclasses.replace(PAPER, boundary_without_foreground=True)
    assert boundary_loss(logits(), empty, always) > 0


def test_a_batch_is_the_mean_of_its_samples():
    targets = torch.cat([ball(), torch.zeros(1, 1, 16, 16, 16)])
    given = logits(2)
    whole, _ = total_loss(given, targets, PAPER)
    each = [total_loss(given[n : n + 1], targets[n : n + 1], PAPER)[0] for n in range(2)]
    torch.testing.assert_close(whole, sum(each) / 2)


def test_the_loss_of_half_precision_logits_is_computed_in_float32():
    half = logits().bfloat16()
    assert total_loss(half, ball(), PAPER)[0].dtype == torch.float32


def test_descending_the_loss_finds_the_target():
    given = torch.zeros(1, 2, 16, 16, 16, requires_grad=True)
    optimizer = torch.optim.Adam([given], lr=0.5)
    for _ in range(30):
        loss, _ = total_loss(given, ball(), PAPER)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.equal((given.detach()[:, 1:] > given.detach()[:, :1]).float(), ball())


@pytest.mark.parametrize("config", [PAPER, REFERENCE], ids=["paper", "reference"])
def test_a_loss_configuration_is_read_back_from_json_unchanged(config):
    assert record_from_json(LossConfig, record_to_json(config), "here") == config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dice_weight", -1.0, r"the loss weights \(-1\.0, 1\.0, 10\.0\) must not be negative"),
        ("boundary_kernel", [5, 4, 5], r"boundary_kernel \(5, 4, 5\) must have odd edges"),
    ],
)
def test_weights_and_kernels_that_make_no_sense_are_refused(field, value, message):
    with pytest.raises(PlanError, match=message):
        record_from_json(LossConfig, {field: value}, "config.json")
