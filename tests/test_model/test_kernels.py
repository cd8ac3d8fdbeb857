"""The network fulfils what a GPU's fast kernels need: width of attention, compilation in one piece, memory layout."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from promise_cli.network.promise import ProMISe, model_config
from promise_cli.network.promise.attention import WindowAttention
from promise_cli.network.promise.config import ENCODERS
from promise_cli.network.promise.convolution import DepthwiseConv3d
from promise_cli.network.promise.windows import Windows
from tests.test_model.small_network import ONE, RECOMMENDED, clicks, network, patches

DESIGNS = {
    "recommended": RECOMMENDED,
    "ablation": {"adapters": 1, "upsampling": "trilinear", "fusion": "residual"},
}


@pytest.mark.parametrize("shifted", [True, False])
@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name != "tiny"])
def test_the_width_of_attention_is_a_multiple_of_eight_and_there_is_no_mask(
    encoder: str, shifted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spy(query, key, value, attn_mask=None, **_):
        seen.append((query.shape[-1], key.shape[-1], value.shape[-1], attn_mask))
        return value

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    config = dataclasses.replace(model_config("recommended"), encoder=encoder)
    shape = config.shape
    with torch.device("meta"):
        layer = WindowAttention(
            width=shape.width,
            num_heads=shape.num_heads,
            window=config.window_size,
            table_rows=shape.table_rows(0) if shape.family == "sam" else None,
            crop=False,
        )
        windows = Windows((32, 32, 32), config.window_size, shifted=shifted, device="meta")
        rows = windows.partition(torch.zeros(1, 32, 32, 32, shape.width))
        layer(rows, windows.regions)
    ((query, key, value, mask),) = seen
    assert query == key == value
    assert query % 8 == 0
    assert mask is None


# torch's own tracing causes both warnings: of the autograd functions, and of the tensors that `encode` returns.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.slow(seconds=12)
def test_both_halves_of_the_network_train_as_one_graph_each(design: str) -> None:
    torch._dynamo.reset()
    model = network(**DESIGNS[design]).train()
    encode, decode = (
        torch.compile(half, backend="aot_eager", fullgraph=True)
        for half in (model.encode, model.decode)
    )
    gradients = []
    for encoded, decoded in ((model.encode, model.decode), (encode, decode)):
        model.zero_grad()
        logits = decoded(encoded(patches()), clicks((4, 5, 6)), ONE)
        logits.square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 50
    for plain, compiled in zip(*gradients, strict=True):
        torch.testing.assert_close(compiled, plain, rtol=1e-3, atol=1e-5)


def test_adapters_give_depthwise_convolutions_their_channels_last() -> None:
    model, seen = network(), []
    for layer in model.modules():
        if isinstance(layer, DepthwiseConv3d):
            layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        model(patches(), clicks((4, 5, 6)), ONE)
    assert len(seen) >= 4
    assert all(one.is_contiguous(memory_format=torch.channels_last_3d) for one in seen)


def test_the_result_is_the_same_in_every_memory_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    from promise_cli.network.promise import convolution

    right = convolution.arranged
    cuda = torch.device("cuda")

    def as_on_a_gpu(features, kind):
        class Features(torch.Tensor):
            device = cuda

        return right(features.as_subclass(Features), kind).as_subclass(torch.Tensor)

    monkeypatch.setattr(convolution, "arranged", as_on_a_gpu)
    model: ProMISe = network(**RECOMMENDED)
    given = patches(2), clicks((4, 5, 6)).repeat(2, 1, 1), ONE.repeat(2, 1)
    with torch.no_grad():
        plain = model(*given)
        for layout in ("channels_last", "contiguous"):
            for kind in ("dense", "depthwise"):
                monkeypatch.setitem(convolution.CUDA_LAYOUT, kind, layout)
            torch.testing.assert_close(model(*given), plain, rtol=1e-4, atol=1e-4)
