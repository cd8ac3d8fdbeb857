import pytest
import torch
import torch.nn.functional as F

from promise_cli.network.promise.folding import (
    fold_patch_embedding,
    fold_upsampled_conv,
    upsampling_matrix,
)
from tests.test_model.plain import plain_embedding


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def folded_embedding(image, *weights):
    kernel, bias = fold_patch_embedding(*weights)
    return F.conv3d(F.pad(image, (1,) * 6, mode="replicate"), kernel, bias, stride=weights[-1])


@pytest.mark.parametrize(("edge", "token"), [(16, 4), (14, 4), (16, 8), (16, 2), (16, 16), (14, 3)])
def test_the_folded_embedding_equals_upsampling_then_2d_then_depth_embedding(edge, token):
    torch.manual_seed(0)
    weights = (random(5, 3, edge, edge), random(5), random(5, 1, 1, 1, edge), random(5), token)
    image = random(2, 1, 2 * token, 3 * token, 4 * token)
    plain = plain_embedding(image, *weights)
    folded = folded_embedding(image, *weights)
    assert folded.shape == plain.shape == (2, 5, 2, 3, 4)
    assert (folded - plain).abs().max() <= 1e-12 * plain.abs().max()


def test_the_folded_embedding_has_the_same_gradients():
    torch.manual_seed(0)
    weights = [random(5, 3, 16, 16), random(5), random(5, 1, 1, 1, 16), random(5)]
    image = random(1, 1, 8, 8, 8)
    towards = random(1, 5, 2, 2, 2)
    gradients = []
    for form in (plain_embedding, folded_embedding):
        leaves = [weight.clone().requires_grad_() for weight in weights]
        (form(image, *leaves, 4) * towards).sum().backward()
        gradients.append([leaf.grad for leaf in leaves])
    for plain, folded in zip(*gradients, strict=True):
        torch.testing.assert_close(folded, plain, rtol=1e-11, atol=1e-11)


def test_upsampling_by_four_has_the_weights_worked_out_by_hand():
    matrix = upsampling_matrix(16, 4)
    assert matrix[0].tolist() == [0.375, 0.625, 0, 0, 0, 0]
    assert matrix[1].tolist() == [0.125, 0.875, 0, 0, 0, 0]
    assert matrix[6].tolist() == [0, 0, 0.875, 0.125, 0, 0]
    assert matrix.sum(dim=0).tolist() == [0.5, 3.5, 4, 4, 3.5, 0.5]


@pytest.mark.parametrize("edge", [14, 16])
def test_every_upsampled_pixel_is_a_mean_of_voxels(edge):
    matrix = upsampling_matrix(edge, 4)
    assert matrix.min() >= 0
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(edge, dtype=torch.float64))


def test_the_folded_head_equals_transposed_convolution_then_convolution():
    torch.manual_seed(0)
    up, bias, conv = random(3, 4, 2, 2, 2), random(4), random(5, 4, 3, 3, 3)
    features = random(2, 3, 3, 4, 5)
    grown = F.conv_transpose3d(features, up, bias, stride=2)
    plain = F.conv3d(grown, conv, padding=1)
    with_ones = F.pad(features, (0,) * 7 + (1,), value=1.0)
    kernel = fold_upsampled_conv(up, bias, conv)
    folded = F.conv_transpose3d(with_ones, kernel, stride=2, padding=1)
    assert folded.shape == plain.shape == (2, 5, 6, 8, 10)
    assert (folded - plain).abs().max() <= 1e-12 * plain.abs().max()
