import copy
import dataclasses

import pytest
import torch
from torch import nn

from promise_cli.errors import PromptError
from promise_cli.model import ProMISe, model_config
from promise_cli.model.adapter import Adapter
from promise_cli.model.prompt_encoder import sample_features
from tests.test_model.plain_network import plain_logits

SMALL = dataclasses.replace(
    model_config("tiny"),
    patch_size=32,
    click_map=False,
    slice_embedding="random",
    neck_norm="channels",
)
"""The paper's design, small."""
RECOMMENDED = {"click_map": True, "slice_embedding": "average", "neck_norm": "patch"}


def network(**changes):
    torch.manual_seed(0)
    return ProMISe(dataclasses.replace(SMALL, **changes)).eval()


def patches(batch=1, edge=32):
    return torch.randn(batch, 1, edge, edge, edge, generator=torch.Generator().manual_seed(1))


def clicks(*places):
    return torch.tensor([places], dtype=torch.float32)


ONE = torch.ones(1, 1, dtype=torch.long)
OPTIONS = [
    {},
    {"adapters": 1, "upsampling": "trilinear", "fusion": "none"},
    {"upsampling": "trilinear", "fusion": "none"},
    {"fusion": "none"},
    {"fusion": "residual"},
    {"adapter2_residual": "double", "depth_position": "ones", "token_attention": "idle"},
    {"relative_position": "crop"},
    {"click_position": True, "label_embedding": True},
    {"click_map": True},
    {"click_map": True, "click_map_in_head": True},
    {"adapter_update": "free"},
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
        {"adapter_update": "free"},
        RECOMMENDED,
    ],
    ids=str,
)
def test_the_whole_network_equals_its_plain_form(changes):
    model = network(patch_size=24, **changes).double()
    with torch.no_grad():
        for parameter in model.parameters():  # what starts as 0 or 1 would hide what it does
            parameter.add_(0.02 * torch.randn_like(parameter))
    patch = patches(1, 24).double()
    places, labels = clicks((4, 5, 6), (20, 15, 9)), torch.tensor([[1, 0]])
    with torch.no_grad():
        fast = model(patch, places, labels)
        plain = plain_logits(model, patch, places, labels)
    assert (fast - plain).norm() <= 1e-10 * plain.norm()


def test_a_click_moves_the_result():
    model = network()
    state = model.encode(patches())
    first, second = (model.decode(state, clicks(at), ONE) for at in ((4, 5, 6), (25, 20, 9)))
    assert (first - second).abs().max() > 1e-4


def test_the_order_of_clicks_does_not_matter():
    model = network(label_embedding=True, click_position=True)
    state = model.encode(patches())
    places, labels = clicks((4, 5, 6), (25, 20, 9), (1, 30, 12)), torch.tensor([[1, 0, 1]])
    order = [2, 0, 1]
    logits = model.decode(state, places, labels)
    again = model.decode(state, places[:, order], labels[:, order])
    torch.testing.assert_close(again, logits, rtol=1e-4, atol=1e-5)


def test_padding_clicks_change_nothing_even_outside_the_patch():
    model = network(label_embedding=True, click_position=True)
    state = model.encode(patches())
    logits = model.decode(state, clicks((4, 5, 6)), ONE)
    padded = clicks((4, 5, 6), (-99, 0, 1e6), (7, 7, 7))
    again = model.decode(state, padded, torch.tensor([[1, -1, -1]]))
    torch.testing.assert_close(again, logits, rtol=1e-4, atol=1e-5)


def test_samples_of_a_batch_do_not_meet_and_may_have_different_numbers_of_clicks():
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


def test_labels_count_only_with_the_label_embedding():
    state_of = {}
    for option in (False, True):
        model = network(label_embedding=option)
        state = model.encode(patches())
        both = [model.decode(state, clicks((4, 5, 6)), label * ONE) for label in (0, 1)]
        state_of[option] = torch.equal(*both)
    assert state_of == {False: True, True: False}


def test_a_click_on_a_token_centre_reads_that_tokens_features():
    features = torch.randn(1, 3, 4, 5, 6)
    hwd = torch.tensor([[[4 * 1 + 1.5, 4 * 3 + 1.5, 4 * 5 + 1.5]]])
    torch.testing.assert_close(sample_features(features, hwd)[0, 0], features[0, :, 1, 3, 5])


def test_the_click_follows_the_axes_of_the_patch():
    model = network()
    seen = []
    model.prompt_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    model(patches(), clicks((1, 2, 3)), ONE)
    assert seen[0].tolist() == [[[2, 1, 3]]]  # H is J, W is I, D is K


def test_positions_reach_the_prompt_only_through_the_image_unless_asked_for():
    moved = {}
    for option in (False, True):
        model = network(click_position=option)
        flat = torch.ones(1, 32, 8, 8, 8)
        results = [model.prompt_encoder(flat, clicks(at), ONE) for at in ((9, 9, 9), (20, 20, 20))]
        moved[option] = (results[0] - results[1]).abs().max() > 1e-3
    assert moved == {False: False, True: True}


def test_the_click_map_marks_the_clicked_place_by_its_label():
    model = network(click_map=True)
    flat = torch.ones(1, 32, 8, 8, 8)
    unmarked = network()
    unmarked.load_state_dict(model.state_dict(), strict=False)

    def change(at, label):
        with torch.no_grad():
            marked = model.prompt_encoder(flat, clicks(at), label * ONE)
            return (marked - unmarked.prompt_encoder(flat, clicks(at), ONE)).norm(dim=1)[0]

    for at, token in (((5, 13, 21), (1, 3, 5)), ((21, 5, 13), (5, 1, 3))):  # hwd here
        found = change(at, 1)
        assert found[token] > 3 * found[7, 7, 0] > 0
    assert not torch.allclose(change((5, 13, 21), 1), change((5, 13, 21), 0), atol=1e-2)


def test_the_click_map_moves_the_logits_more_than_the_sampled_features_do():
    moved = {}
    for option in (False, True):
        model = network(click_map=option)
        with torch.no_grad():
            state = model.encode(patches())
            a, b = (model.decode(state, clicks(at), ONE) for at in ((8, 8, 8), (24, 24, 24)))
        moved[option] = float((a - b).norm() / a.norm())
    assert moved[True] > 5 * moved[False]


def test_free_adapters_start_from_the_pretrained_features_and_learn_from_the_first_step():
    tokens = torch.randn(1, 4, 4, 4, 24) + 30 * torch.randn(
        24
    )  # what tokens share outweighs the rest
    for update in ("rectified", "free"):
        torch.manual_seed(0)
        adapter = Adapter(24, 16, update)
        assert torch.equal(adapter(tokens), tokens) == (update == "free")
        for _ in range(2):
            adapter.zero_grad()
            ((adapter(tokens) - tokens + 1) ** 2 * torch.randn(24)).mean().backward()
            with torch.no_grad():
                for parameter in adapter.parameters():
                    parameter.sub_(0.01 * parameter.grad)
        assert (adapter.linear1.weight.grad.abs().sum(1) > 0).all() == (update == "free")


@pytest.mark.parametrize("at", [(5, 13, 21), (21, 5, 13)])  # ijk here
def test_the_maps_in_the_head_change_the_logits_most_at_the_clicked_place(at):
    model = network(click_map=True, click_map_in_head=True)
    with torch.no_grad():
        state = model.encode(patches())
        seen = model.decode(state, clicks(at), ONE)
        as_background = model.decode(state, clicks(at), 0 * ONE)
        model.mask_decoder.click_head.weight.zero_()
        unseen = model.decode(state, clicks(at), ONE)
    change = (seen - unseen).norm(dim=1)[0]
    i, j, k = at
    here = change[i - 3 : i + 4, j - 3 : j + 4, k - 3 : k + 4].mean()
    assert here > 2 * change[-6:, -6:, :6].mean() > 0
    assert not torch.allclose(seen, as_background, atol=1e-2)


@pytest.mark.parametrize("in_head", [False, True])
def test_padding_leaves_no_trace_in_the_click_map(in_head):
    model = network(click_map=True, click_map_in_head=in_head)
    state = model.encode(patches())
    alone = model.decode(state, clicks((4, 5, 6)), ONE)
    padded = model.decode(state, clicks((4, 5, 6), (20, 3, 3)), torch.tensor([[1, -1]]))
    torch.testing.assert_close(alone, padded, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("place", [(32, 0, 0), (0, -1, 0), (0, 0, float("nan"))])
def test_a_click_outside_the_patch_is_refused(place):
    model = network()
    with pytest.raises(PromptError, match=r"lies outside the patch of 32 x 32 x 32"):
        model(patches(), clicks((3, 3, 3), place), torch.tensor([[1, 0]]))


def test_a_patch_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(1, 1, 64, 64, 64\)"):
        network().encode(patches(1, 64))


def test_clicks_and_labels_that_do_not_match_are_refused():
    model = network()
    with pytest.raises(ValueError, match=r"must be \(B, N, 3\) and \(B, N\)"):
        model(patches(), clicks((3, 3, 3)), torch.ones(1, 2, dtype=torch.long))


@pytest.mark.parametrize("changes", [{}, RECOMMENDED, {"adapter_update": "free"}], ids=str)
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
    model = network(**changes).train()
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


# torch's own tracing of autograd functions warns about itself
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_the_network_compiles_as_one_graph():
    model = network()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        plain = model(patches(), clicks((4, 5, 6)), ONE)
        torch.testing.assert_close(compiled(patches(), clicks((4, 5, 6)), ONE), plain)
