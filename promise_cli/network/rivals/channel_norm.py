"""Layer norm over the channels of each voxel, for tensors whose channels are the second axis."""

import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each voxel of `(B, C, I, J, K)`."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise `(B, C, I, J, K)`. The result has the same shape."""
        last = features.movedim(1, -1)
        normed = F.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps)
        return normed.movedim(-1, 1)
