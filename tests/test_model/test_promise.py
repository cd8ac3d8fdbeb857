import copy

import pytest
import torch
from torch import nn

from promise_cli.network.promise.adapter import Adapter
from tests.test_model.plain_network import plain_logits
from tests.test_model.small_network import ONE, RECOMMENDED, clicks, network, patches, start

OPTIONS = [
    {},
    {"adapters": 1, "upsampling": "trilinear", "fusion": "none"},
    {"upsampling": "trilinear", "fusion": "none"},
    {"fusion": "none"},
    {"fusion": "residual"},
    {"adapter2_residual": "double", "depth_position": "ones", "token_attention": "idle"},
    {"relative_position": "crop"},
    {"click_map": True},
    {"click_map": True, "click_map_in_head": True},
    {"neck_norm": "patch"},
    {"slice_embedding": "average"},
    {"patch_size": 40, "window_size": 8},
    {"patch_size": 48, "window_size": 8},
    {"patch_size": 24},
    {"encoder": "dinov2_s"},
]


@pytest.mark.parametrize("changes", OPTIONS, ids=str)
def test_every_option_gives_finite_logits_of_the_patchs_shape(changes):
    model = network(**changes)
    edge = model.config.patch_size
    with torch.no_grad():
        logits = model(patches(1, edge), clicks((3, 4, 5)), ONE)
    assert logits.shape == (1, 2, edge, edge, edge)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"adapters": 1, "upsampling": "trilinear", "fusion": "none"},
        {"fusion": "residual", "adapter2_residual": "double"},
        RECOMMENDED | {"click_map_in_head": False},
        RECOMMENDED,
    ],
    ids=str,
)
def test_the_whole_network_equals_its_plain_form(changes):
    model = network(patch_size=24, **changes).double()
    with torch.no_grad():
        for parameter in model.parameters():  # parameters that start at 0 or 1 would hide errors
            parameter.add_(0.02 * torch.randn_like(parameter))
    patch = patches(1, 24).double()
    places, labels = clicks((4, 5, 6), (20, 15, 9)), torch.tensor([[1, 0]])
    with torch.no_grad():
        fast = model(patch, places, labels)
        plain = plain_logits(model, patch, places, labels)
    exact = 1e-10 if model.mask_decoder.click_head is None else 1e-6  # maps are float32
    assert (fast - plain).norm() <= exact * plain.norm()


def test_samples_of_a_batch_are_independent_and_may_differ_in_their_number_of_clicks():
    model = network()
    batch = patches(2)
    places = torch.tensor([[[4.0, 5, 6], [9, 9, 9]], [[20.0, 3, 8], [0, 0, 0]]])
    together = model(batch, places, torch.tensor([[1, 0], [1, -1]]))
    first = model(batch[:1], places[:1], torch.tensor([[1, 0]]))
    second = model(batch[1:], places[1:, :1], ONE)
    torch.testing.assert_close(together, torch.cat([first, second]), rtol=1e-4, atol=1e-4)


def test_duplicating_the_patch_duplicates_the_result():
    model = network()
    one = model(patches(), clicks((4, 5, 6)), ONE)
    two = model(
        patches().repeat(2, 1, 1, 1, 1), clicks((4, 5, 6)).repeat(2, 1, 1), ONE.repeat(2, 1)
    )
    torch.testing.assert_close(two, one.repeat(2, 1, 1, 1, 1), rtol=1e-4, atol=1e-4)


def test_a_rectified_adapter_only_adds_and_leaves_some_of_its_rows_without_gradient():
    torch.manual_seed(0)
    tokens = torch.randn(1, 4, 4, 4, 24) + 30 * torch.randn(
        24
    )  # the part that all tokens share is larger than the rest
    adapter = Adapter(24, 16)
    added = adapter(tokens) - tokens
    assert (added >= 0).all()
    assert (added > 0).any()
    ((added + 1) ** 2 * torch.randn(24)).mean().backward()
    used = adapter.linear1.weight.grad.abs().sum(1) > 0
    assert used.any()
    assert not used.all()


def test_a_patch_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 1, 64, 64, 64\)"):
        network().encode(patches(1, 64))


@pytest.mark.parametrize("changes", [{}, RECOMMENDED], ids=str)
def test_checkpointed_activations_give_the_same_gradients(changes):
    gradients = []
    for enabled in (False, True):
        model = network(**changes).train()
        model.checkpoint_activations(enabled)
        model(patches(), clicks((4, 5, 6)), ONE).square().mean().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)


@pytest.mark.parametrize("changes", [{}, RECOMMENDED], ids=str)
def test_every_parameter_learns(changes):
    model = start(**changes).train()
    model(patches(), clicks((4, 5, 6)), ONE).square().mean().backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == []


def test_a_copy_of_a_used_network_is_independent():
    model = network()
    model.freeze_encoder()
    before = model(patches(), clicks((4, 5, 6)), ONE)
    other = copy.deepcopy(model)
    for name, parameter in other.named_parameters():
        if "rel_pos_h" in name or name.endswith("pos_embed"):
            nn.init.normal_(parameter)
    assert not torch.equal(other(patches(), clicks((4, 5, 6)), ONE), before)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(patches(), clicks((4, 5, 6)), ONE), before)
    assert torch.equal(model(patches(), clicks((4, 5, 6)), ONE), before)


@pytest.mark.parametrize("changes", [{}, {"window_size": 8}])
def test_bfloat16_autocast_agrees_with_float32(changes):
    model = network(**changes)
    with torch.no_grad():
        full = model(patches(), clicks((4, 5, 6)), ONE)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(patches(), clicks((4, 5, 6)), ONE).float()
    assert torch.isfinite(half).all()
    assert (half - full).norm() / full.norm() < 2e-2


# torch warns about its own tracing of autograd functions.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.slow
def test_the_network_compiles_as_one_graph():
    model = network()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        plain = model(patches(), clicks((4, 5, 6)), ONE)
        torch.testing.assert_close(compiled(patches(), clicks((4, 5, 6)), ONE), plain)
