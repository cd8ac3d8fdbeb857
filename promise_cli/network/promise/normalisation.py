"""Tokens without what they all have in common."""

import torch
from torch import Tensor, nn

from promise_cli.network.promise.convolution import full_precision


class PatchNorm(nn.Module):
    """Instance norm of tokens: each channel gets mean 0 and deviation 1 over its patch; nothing to train.

    Pretrained tokens have more in common than what distinguishes them.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """`(B, H, W, D, C)` to the same shape, at least in float32."""
        with full_precision(tokens):
            found = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
            variance, mean = torch.var_mean(found, dim=(1, 2, 3), correction=0, keepdim=True)
            return (found - mean) * (variance + 1e-5).rsqrt()
