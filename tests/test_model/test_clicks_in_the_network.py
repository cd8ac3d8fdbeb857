"""Clicks change the network's answer where and how they should."""

import pytest
import torch

from promise_cli.errors import PromptError
from promise_cli.network.promise.prompt_encoder import sample_features
from tests.test_model.small_network import ONE, RECOMMENDED, clicks, network, patches, start


def test_a_click_moves_the_result():
    model = network()
    state = model.encode(patches())
    first, second = (model.decode(state, clicks(at), ONE) for at in ((4, 5, 6), (25, 20, 9)))
    assert (first - second).abs().max() > 1e-4


def test_the_order_of_clicks_does_not_matter():
    model = network(click_map=True)
    state = model.encode(patches())
    places, labels = clicks((4, 5, 6), (25, 20, 9), (1, 30, 12)), torch.tensor([[1, 0, 1]])
    order = [2, 0, 1]
    logits = model.decode(state, places, labels)
    again = model.decode(state, places[:, order], labels[:, order])
    torch.testing.assert_close(again, logits, rtol=1e-4, atol=1e-5)


def test_padding_clicks_change_nothing_even_outside_the_patch():
    model = network(click_map=True)
    state = model.encode(patches())
    logits = model.decode(state, clicks((4, 5, 6)), ONE)
    padded = clicks((4, 5, 6), (-99, 0, 1e6), (7, 7, 7))
    again = model.decode(state, padded, torch.tensor([[1, -1, -1]]))
    torch.testing.assert_close(again, logits, rtol=1e-4, atol=1e-5)


def test_signs_count_only_with_the_click_map():
    state_of = {}
    for option in (False, True):
        model = network(click_map=option)
        state = model.encode(patches())
        both = [model.decode(state, clicks((4, 5, 6)), sign * ONE) for sign in (0, 1)]
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


def test_positions_reach_the_prompt_only_through_the_image_or_the_map():
    moved = {}
    for option in (False, True):
        model = network(click_map=option)
        flat = torch.ones(1, 32, 8, 8, 8)
        results = [model.prompt_encoder(flat, clicks(at), ONE) for at in ((9, 9, 9), (20, 20, 20))]
        moved[option] = (results[0] - results[1]).abs().max() > 1e-3
    assert moved == {False: False, True: True}


def test_the_click_map_marks_the_clicked_place_with_its_sign():
    model = network(click_map=True)
    flat = torch.ones(1, 32, 8, 8, 8)
    unmarked = network()
    unmarked.load_state_dict(model.state_dict(), strict=False)

    def change(at, label):
        with torch.no_grad():
            marked = model.prompt_encoder(flat, clicks(at), label * ONE)
            return (marked - unmarked.prompt_encoder(flat, clicks(at), ONE)).norm(dim=1)[0]

    for at, token in (((5, 13, 21), (1, 3, 5)), ((21, 5, 13), (5, 1, 3))):  # (h, w, d)
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


def test_with_maps_in_the_head_a_new_network_computes_the_same_as_without():
    """Both have the same weights from the same seed, so that only training makes a difference between them."""
    with_maps = start(**RECOMMENDED)
    without = start(**(RECOMMENDED | {"click_map_in_head": False}))
    given = (patches(), clicks((4, 5, 6), (20, 9, 11)), torch.tensor([[1, 0]]))
    with torch.no_grad():
        assert torch.equal(with_maps(*given), without(*given))
    added = set(with_maps.state_dict()) - set(without.state_dict())
    assert added == {"mask_decoder.click_head.weight"}
    *_, before, last = (
        with_maps.state_dict()
    )  # a checkpoint keeps the optimizer's moments in this order
    assert (before, last) == ("mask_decoder.click_head.weight", "mask_decoder.head2.weight")


@pytest.mark.parametrize("at", [(5, 13, 21), (21, 5, 13)])  # (i, j, k)
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
def test_padding_clicks_do_not_change_the_click_map(in_head):
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


def test_clicks_and_labels_that_do_not_match_are_refused():
    model = network()
    with pytest.raises(ValueError, match=r"must be \(B, N, 3\) and \(B, N\)"):
        model(patches(), clicks((3, 3, 3)), torch.ones(1, 2, dtype=torch.long))
