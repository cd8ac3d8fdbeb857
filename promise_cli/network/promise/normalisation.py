"""A norm that removes what all tokens of a patch have in common."""

import torch
from torch import Tensor, nn

from promise_cli.network.promise.convolution import full_precision


class PatchNorm(nn.Module):
    """Instance norm of tokens. Each channel gets mean 0 and standard deviation 1 over the patch.

    It has no parameters. It is useful because what pretrained tokens have in common is larger than what distinguishes
    them.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """Normalise tokens `(B, H, W, D, C)`. The result has the same shape, in float32 or a wider type."""
        with full_precision(tokens):
            found = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
            variance, mean = torch.var_mean(found, dim=(1, 2, 3), correction=0, keepdim=True)
            return (found - mean) * (variance + 1e-5).rsqrt()
