import pytest
import torch
import torch.nn.functional as F

from promise_cli.network.promise.convolution import convolve


@pytest.mark.parametrize("height", [1, 2, 5, 8])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_halved_convolution_equals_the_whole(batch, kernel, height):
    torch.manual_seed(0)
    features = torch.randn(batch, 3, height, 4, 5)
    weight = torch.randn(2, 3, kernel, kernel, kernel)
    plain = F.conv3d(features, weight, padding=kernel // 2)
    torch.testing.assert_close(convolve(features, weight, padding=kernel // 2), plain)


def test_the_halved_convolution_has_the_gradients_of_the_whole():
    torch.manual_seed(0)
    leaves = [torch.randn(1, 3, 7, 4, 5), torch.randn(2, 3, 3, 3, 3)]
    gradients = []
    for form in (convolve, F.conv3d):
        copies = [leaf.clone().requires_grad_() for leaf in leaves]
        form(*copies, padding=1).square().sum().backward()
        gradients.append([copy.grad for copy in copies])
    for halved, whole in zip(*gradients, strict=True):
        torch.testing.assert_close(halved, whole, rtol=1e-4, atol=1e-3)
