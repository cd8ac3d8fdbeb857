"""The parts of nnFormer equal plain forms: attention within volumes, shifted volumes, and decoder to encoder."""

import itertools

import pytest
import torch
from torch import Tensor

from promise_cli.network.architecture import Setting
from promise_cli.network.registry import build_network, plan_network
from promise_cli.network.rivals.nnformer import Down, Embedding, NNFormerConfig, Up
from promise_cli.network.rivals.plain import PlainNetwork
from promise_cli.network.rivals.volume_attention import VolumeAttention, VolumeBlock

GRID, WINDOW, WIDTH, HEADS = 4, 2, 6, 2
PLACES = list(itertools.product(range(GRID), repeat=3))


def _meet(a: tuple[int, ...], b: tuple[int, ...], shift: int) -> bool:
    """Whether two tokens share a volume. Volumes begin at `shift`; the rests at both ends of an axis stay separate."""
    return all(
        ((p - shift) // WINDOW) == ((q - shift) // WINDOW) for p, q in zip(a, b, strict=True)
    )


def _plain(attention: VolumeAttention, queries: Tensor, source: Tensor, shift: int) -> Tensor:
    """Compute attention token by token and head by head, from and to `(I, J, K, C)`."""
    head = WIDTH // HEADS
    projected = source @ attention.project_in.weight.T + attention.project_in.bias
    if attention.between:
        query, (key, value) = queries, projected.chunk(2, dim=-1)
    else:
        query, key, value = projected.chunk(3, dim=-1)
    found = torch.zeros(GRID, GRID, GRID, WIDTH)
    rows = 2 * WINDOW - 1
    for a in PLACES:
        partners = [b for b in PLACES if _meet(a, b, shift)]
        for number in range(HEADS):
            part = slice(number * head, (number + 1) * head)
            logits = []
            for b in partners:
                i, j, k = (p - q + WINDOW - 1 for p, q in zip(a, b, strict=True))
                bias = attention.position_bias[(i * rows + j) * rows + k, number]
                logits.append(query[a][part] @ key[b][part] / head**0.5 + bias)
            weights = torch.stack(logits).softmax(dim=0)
            found[a][part] = sum(w * value[b][part] for w, b in zip(weights, partners, strict=True))
    return found @ attention.project_out.weight.T + attention.project_out.bias


def _norm(tokens: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    mean, variance = tokens.mean(-1, keepdim=True), tokens.var(-1, keepdim=True, unbiased=False)
    return (tokens - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias


@torch.no_grad()
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("between", [False, True])
def test_a_block_is_plain_attention_within_volumes(shifted: bool, between: bool) -> None:
    torch.manual_seed(0)
    block = VolumeBlock(WIDTH, HEADS, WINDOW, shifted=shifted, between=between)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    tokens = torch.randn(1, GRID, GRID, GRID, WIDTH)
    skip = torch.randn_like(tokens) if between else None
    normed = _norm(tokens[0], block.norm1)
    source = normed if skip is None else _norm(skip[0], block.norm1)
    after = tokens[0] + _plain(block.attention, normed, source, WINDOW // 2 if shifted else 0)
    if skip is not None:
        after = after + skip[0]
    first, last = block.mlp[0], block.mlp[2]
    hidden = torch.nn.functional.gelu(_norm(after, block.norm2) @ first.weight.T + first.bias)
    expected = after + hidden @ last.weight.T + last.bias
    torch.testing.assert_close(block(tokens, skip)[0], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_attention_stays_within_a_volume_and_a_shift_connects_neighbours() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(1, GRID, GRID, GRID, WIDTH)
    changed = tokens.clone()
    changed[0, 2, 2, 2] = torch.randn(WIDTH)
    for shifted, hears in ((False, False), (True, True)):
        block = VolumeBlock(WIDTH, HEADS, WINDOW, shifted=shifted)
        apart = (block(changed) - block(tokens)).abs().sum(-1)[0]
        assert bool(apart[1, 1, 1] > 1e-6) == hears
        assert (
            apart[0, 0, 0] < 1e-6
        )  # at the other end of the axis: rolling must not let it into the same volume


@torch.no_grad()
def test_down_is_gelu_norm_and_convolution_and_up_is_norm_and_convolution() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 4, 4, 4, WIDTH)
    for step, before in ((Down(WIDTH), torch.nn.functional.gelu), (Up(WIDTH), lambda same: same)):
        torch.nn.init.normal_(step.norm.weight)
        torch.nn.init.normal_(step.norm.bias)
        ready = _norm(before(tokens), step.norm).permute(0, 4, 1, 2, 3)
        expected = step.conv(ready).permute(0, 2, 3, 4, 1)
        torch.testing.assert_close(step(tokens), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_tokens_are_embedded_halved_and_doubled_by_convolutions() -> None:
    tokens = Embedding(3, 8)(torch.randn(2, 3, 16, 16, 16))
    assert tokens.shape == (2, 4, 4, 4, 8)
    assert Down(8)(tokens).shape == (2, 2, 2, 2, 16)
    assert Up(8)(tokens).shape == (2, 8, 8, 8, 4)


def test_upper_levels_attend_within_volumes_and_lower_ones_to_all_tokens() -> None:
    assert NNFormerConfig(patch_size=128).windows() == (4, 4, 8, 4)
    model = build_network(
        "nnformer",
        plan_network("nnformer", Setting(patch_size=64, spacing=(1.0, 1.0, 1.0), small=True)),
    )
    assert isinstance(model, PlainNetwork)
    levels = [
        [(b.window, b.shifted, b.attention.between) for b in level] for level in model.body.encoder
    ]
    assert levels == [
        [(4, False, False), (4, True, False)],
        [(4, False, False), (4, True, False)],
        [(4, False, False), (4, True, False)],
        [(2, False, False), (2, True, False)],
    ]  # the levels have 16, 8, 4 and 2 tokens along an edge
    firsts = [level[0].attention.between for level in model.body.decoder]
    assert firsts == [True, True, True]
