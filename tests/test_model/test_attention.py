import pytest
import torch

from promise_cli.network.promise.attention import WindowAttention, resize_table
from promise_cli.network.promise.windows import Windows
from tests.test_model.plain import plain_attention


def attention(rows=27, *, window=4, crop=False, heads=2):
    torch.manual_seed(0)
    layer = WindowAttention(
        width=16 * heads, num_heads=heads, window=window, table_rows=rows, crop=crop
    ).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return layer


def fused_attention(layer, tokens, window, *, shifted):
    windows = Windows(tuple(tokens.shape[1:4]), window, shifted=shifted)
    regions = windows.regions
    if regions is not None:
        regions = regions.repeat(tokens.shape[0], 1, 1)
    return windows.merge(layer(windows.partition(tokens), regions))


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("rows", [27, 127, None])
@pytest.mark.parametrize("size", [(8, 8, 8), (4, 8, 12), (5, 8, 9), (3, 2, 6)])
def test_fused_attention_equals_materialised_attention(size, rows, shifted):
    layer = attention(rows)
    tokens = torch.randn(2, *size, 32, dtype=torch.float64)
    fused = fused_attention(layer, tokens, 4, shifted=shifted)
    plain = plain_attention(layer, tokens, 4, shifted=shifted)
    assert fused.shape == tokens.shape
    assert (fused - plain).abs().max() <= 1e-11 * plain.abs().max()


def test_the_papers_window_equals_materialised_attention():
    layer = attention(127, window=8, crop=True)
    tokens = torch.randn(1, 16, 8, 8, 32, dtype=torch.float64)
    fused = fused_attention(layer, tokens, 8, shifted=True)
    plain = plain_attention(layer, tokens, 8, shifted=True)
    assert (fused - plain).abs().max() <= 1e-11 * plain.abs().max()


def test_fused_attention_has_the_gradients_of_materialised_attention():
    layer = attention()
    leaves = [torch.randn(1, 5, 8, 8, 32, dtype=torch.float64) for _ in range(2)]
    leaves[1] = leaves[0].clone()
    gradients = []
    for leaf, form in zip(leaves, ("fused", "plain"), strict=True):
        layer.zero_grad()
        leaf.requires_grad_()
        result = (
            fused_attention(layer, leaf, 4, shifted=True)
            if form == "fused"
            else plain_attention(layer, leaf, 4, shifted=True)
        )
        result.square().sum().backward()
        gradients.append([leaf.grad, *(p.grad.clone() for p in layer.parameters())])
    for fused, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-9)


def test_attention_allocates_no_tensor_of_the_size_of_its_logits():
    layer = attention(heads=4).float()
    tokens = torch.randn(1, 16, 16, 16, 64)
    windows = Windows((16, 16, 16), 8, shifted=True)
    layer = WindowAttention(width=64, num_heads=4, window=8, table_rows=27, crop=False)
    sizes = []

    class Sizes(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            sizes.extend(t.numel() for t in (result,) if isinstance(t, torch.Tensor))
            return result

    with torch.no_grad(), Sizes():
        layer(windows.partition(tokens), windows.regions)
    logits = 8 * 4 * 512 * 512
    assert max(sizes) < logits / 4


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("size", [(8, 8, 8), (5, 8, 9)])
def test_merging_undoes_partition(size, shifted):
    tokens = torch.randn(2, *size, 3)
    windows = Windows(size, 4, shifted=shifted)
    torch.testing.assert_close(windows.merge(windows.partition(tokens)), tokens, rtol=0, atol=0)


def test_windows_without_shift_and_padding_are_one_region():
    assert Windows((8, 8, 8), 4, shifted=False).regions is None
    assert Windows((4, 4, 4), 4, shifted=True).regions is None  # one window has no neighbour


def test_only_windows_at_the_far_faces_hold_several_regions():
    regions = Windows((32, 32, 32), 8, shifted=True).regions
    assert regions.shape == (64, 512, 8)
    several = (regions != regions[:, :1]).any(dim=(1, 2))
    assert int(several.sum()) == 37


def test_tables_are_cropped_around_offset_zero():
    table = torch.arange(27.0)[:, None].expand(-1, 2)
    assert resize_table(table, 4, crop=True)[:, 0].tolist() == list(range(10, 17))


def test_resized_tables_keep_the_extreme_offsets_that_linear_interpolation_samples():
    table = (torch.arange(27.0) - 13)[:, None]
    resized = resize_table(table, 8, crop=False)[:, 0]
    torch.testing.assert_close(resized, torch.linspace(-12.6, 12.6, 15))
