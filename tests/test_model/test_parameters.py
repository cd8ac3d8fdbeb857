"""Full-size networks on the meta device: their parameters, which of them train, and the cost of a forward pass."""

import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from promise_cli.network.promise import ProMISe, model_config


def full_size(preset):
    with torch.device("meta"):
        return ProMISe(model_config(preset))


def counts(model):
    parameters = list(model.parameters())
    return (
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
    )


def test_the_reference_has_the_authors_counts():
    model = full_size("reference")
    assert counts(model) == (122_942_732, 122_942_732)  # everything trains before freezing
    model.freeze_encoder()
    assert counts(model) == (122_942_732, 34_096_128)


def test_the_parts_of_the_reference_have_the_authors_counts():
    model = full_size("reference")
    assert counts(model.image_encoder)[0] == 111_277_324
    assert counts(model.prompt_encoder)[0] == 3_164_160
    assert counts(model.mask_decoder)[0] == 8_501_248
    assert counts(model.image_encoder.blocks[0].adapter1)[0] == 601_728


def test_the_papers_network_leaves_out_only_parameters_that_are_never_used():
    ours, theirs = (dict(full_size(name).named_parameters()) for name in ("paper", "reference"))
    idle = {name for name in theirs if ".cross_attn_token_to_image." in name}
    assert set(theirs) - set(ours) == idle
    assert sum(theirs[name].numel() for name in idle) == 263_424
    assert set(ours) <= set(theirs)


def test_exactly_the_pretrained_part_is_frozen():
    model = full_size("reference")
    model.freeze_encoder()
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {re.sub(r"\.\d+\.", ".N.", name, count=1) for name in trainable} == TRAINABLE
    blocks = {name for name in trainable if ".blocks." in name and "image_encoder" in name}
    assert len(blocks) == 12 * 17


KINDS = ("weight", "bias")
ADAPTER = {f"{layer}.{kind}" for layer in ("linear1", "conv", "linear2") for kind in KINDS}
ATTENTION = {f"{p}_proj.{kind}" for p in ("q", "k", "v", "out") for kind in KINDS}
PROMPT_LAYER = (
    {"global_query"}
    | {f"norm{n}.{kind}" for n in (1, 2, 3, 4) for kind in KINDS}
    | {f"mlp.lin{n}.{kind}" for n in (1, 2) for kind in KINDS}
    | {
        f"{attention}.{name}"
        for attention in ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token")
        for name in ATTENTION
    }
)
TRAINABLE = (
    {"image_encoder.depth_embed", "image_encoder.slice_embed.weight"}
    | {"image_encoder.slice_embed.bias", "image_encoder.blocks.N.attn.rel_pos_d"}
    | {f"image_encoder.blocks.N.norm{n}.{kind}" for n in (1, 2) for kind in KINDS}
    | {f"image_encoder.blocks.N.adapter{n}.{name}" for n in (1, 2) for name in ADAPTER}
    | {"image_encoder.necks.N.linear.weight", "image_encoder.necks.N.conv.weight"}
    | {f"image_encoder.necks.N.norm{n}.{kind}" for n in (1, 2) for kind in KINDS}
    | {f"prompt_encoder.layers.N.{name}" for name in PROMPT_LAYER}
    | {f"mask_decoder.branches.N.blocks.{n}.conv.weight" for n in (0, 1)}
    | {f"mask_decoder.branches.N.up.{kind}" for kind in KINDS}
    | {"mask_decoder.cnn.N.conv.weight", "mask_decoder.head1.weight", "mask_decoder.head2.weight"}
)


def flops(function, *args):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = function(*args)
    return counter.get_total_flops(), result


def test_a_second_click_costs_less_than_a_twentieth_of_the_first():
    model = full_size("paper")
    patch = torch.empty(1, 1, 128, 128, 128, device="meta")
    clicks = torch.empty(1, 1, 3, device="meta")
    labels = torch.ones(1, 1, dtype=torch.long, device="meta")
    encoding, state = flops(model.encode, patch)
    decoding, _ = flops(model.decode, state, clicks, labels)
    assert 0 < decoding < (encoding + decoding) / 20


@pytest.mark.parametrize(("preset", "limit"), [("paper", 9.2e12), ("tiny", 12e9)])
def test_a_patch_costs_no_more_than_planned(preset, limit):
    model = full_size(preset)
    edge = model.config.patch_size
    patch = torch.empty(1, 1, edge, edge, edge, device="meta")
    clicks = torch.empty(1, 1, 3, device="meta")
    labels = torch.ones(1, 1, dtype=torch.long, device="meta")
    total, logits = flops(model, patch, clicks, labels)
    assert logits.shape == (1, 2, edge, edge, edge)
    assert total < limit


def test_no_tensor_grows_beyond_the_widest_layer():
    model = full_size("paper")
    largest = 0

    class Largest(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                largest = max(largest, result.numel())
            return result

    with torch.no_grad(), Largest():
        model.encode(torch.empty(1, 1, 128, 128, 128, device="meta"))
    assert (
        largest <= 32**3 * 4 * 768
    )  # the MLP's hidden layer, which is less than a volume of 512^3
