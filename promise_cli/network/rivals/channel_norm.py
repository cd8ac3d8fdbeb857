"""Layer norm over the channels of each voxel."""

import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of `(B, C, I, J, K)`."""

    def forward(self, features: Tensor) -> Tensor:
        """Same shape."""
        last = features.movedim(1, -1)
        normed = F.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps)
        return normed.movedim(-1, 1)
