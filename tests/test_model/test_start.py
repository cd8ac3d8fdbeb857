"""At the start of training, the image encoder embeds slices as the pretrained transformer does, and necks pass them."""

import pytest
import torch
import torch.nn.functional as F

from promise_cli.network.promise.config import ModelConfig
from promise_cli.network.promise.image_encoder import ImageEncoder, Neck


@pytest.mark.parametrize("encoder", ["tiny", "dinov2_s"])
def test_averaged_slices_embed_a_scan_that_is_constant_in_depth_like_one_slice(encoder):
    torch.manual_seed(0)
    config = ModelConfig(encoder=encoder, patch_size=16, slice_embedding="average")
    model = ImageEncoder(config).double()
    torch.nn.init.zeros_(model.pos_embed)
    slice_ = torch.randn(1, 1, 16, 16, dtype=torch.float64)
    tokens = model.embed(slice_[..., None].expand(1, 1, 16, 16, 16))
    edge = config.shape.vit_patch
    pixels = F.interpolate(slice_, size=4 * edge, mode="bilinear").expand(1, 3, -1, -1)
    expected = model.patch_embed.proj(pixels).permute(0, 2, 3, 1)
    for depth in range(4):
        torch.testing.assert_close(tokens[:, :, :, depth], expected)


def test_random_slice_weights_have_both_signs():
    torch.manual_seed(0)
    model = ImageEncoder(ModelConfig(encoder="tiny", patch_size=16))
    assert model.slice_embed.weight.min() < 0 < model.slice_embed.weight.max()


def neck_and_tokens(norm):
    torch.manual_seed(0)
    return Neck(24, 8, norm).double(), torch.randn(2, 4, 4, 4, 24, dtype=torch.float64)


def test_norms_over_the_patch_remove_the_part_that_all_tokens_share():
    neck, tokens = neck_and_tokens("patch")
    common = 1000 * torch.randn(24, dtype=torch.float64)
    torch.testing.assert_close(neck(tokens + common), neck(tokens))


def test_with_norms_over_channels_the_shared_part_hides_the_rest():
    neck, tokens = neck_and_tokens("channels")
    common = 1000 * torch.randn(24, dtype=torch.float64)
    first, second = neck(tokens + common)
    assert (first - second).norm() < 0.01 * first.norm()
    first, second = neck(tokens)
    assert (first - second).norm() > 0.5 * first.norm()
