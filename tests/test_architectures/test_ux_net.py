"""The parts of 3D UX-Net equal plain forms of their formulas."""

import torch

from promise_cli.network.rivals.channel_norm import ChannelNorm
from promise_cli.network.rivals.ux_net import UXBlock, UXEncoder, UXNetConfig


def _depthwise(features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Convolve each channel with its own kernel, as a sum of shifted copies."""
    edge = weight.shape[-1]
    size = features.shape[2:]
    padded = torch.nn.functional.pad(features, [edge // 2] * 6)
    total = bias[:, None, None, None].expand(features.shape).clone()
    for i in range(edge):
        for j in range(edge):
            for k in range(edge):
                shifted = padded[:, :, i : i + size[0], j : j + size[1], k : k + size[2]]
                total += weight[:, 0, i, j, k, None, None, None] * shifted
    return total


def _normed(features: torch.Tensor, norm: ChannelNorm) -> torch.Tensor:
    mean = features.mean(dim=1, keepdim=True)
    deviation = (features.var(dim=1, keepdim=True, unbiased=False) + norm.eps).sqrt()
    column = (slice(None), None, None, None)
    return norm.weight[column] * (features - mean) / deviation + norm.bias[column]


def test_a_block_is_a_depthwise_convolution_and_a_scaling_of_each_channel() -> None:
    torch.manual_seed(0)
    block = UXBlock(width=3, kernel=7, layer_scale=0.5)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    features = torch.randn(2, 3, 9, 8, 7)
    normed = _normed(_depthwise(features, block.depthwise.weight, block.depthwise.bias), block.norm)
    expected = features.clone()
    for channel in range(3):
        total = block.narrow.bias[channel].expand(normed[:, 0].shape).clone()
        for part in range(4):  # each channel has four hidden channels of its own
            row = 4 * channel + part
            wide = block.widen.weight[row].item() * normed[:, channel] + block.widen.bias[row]
            total += block.narrow.weight[channel, part].item() * torch.nn.functional.gelu(wide)
        expected[:, channel] += block.scale[channel] * total
    torch.testing.assert_close(block(features), expected, rtol=1e-4, atol=1e-4)


def test_a_new_block_is_nearly_the_identity() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 4, 8, 8, 8)
    assert (UXBlock(4, 7, 1e-6)(features) - features).abs().max() < 1e-4


def test_the_encoder_halves_four_times_and_sees_seven_voxels_at_a_time() -> None:
    torch.manual_seed(0)
    config = UXNetConfig(patch_size=32, widths=(4, 8, 12, 16), depths=(1, 1, 1, 1))
    encoder = UXEncoder(config)
    levels = encoder(torch.randn(1, 1, 32, 32, 32))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (4, 16, 16, 16),
        (8, 8, 8, 8),
        (12, 4, 4, 4),
        (16, 2, 2, 2),
    ]
    assert all(stage[0].depthwise.kernel_size == (7, 7, 7) for stage in encoder.stages)
    assert all(
        stage[0].depthwise.groups == width
        for stage, width in zip(encoder.stages, config.widths, strict=True)
    )
