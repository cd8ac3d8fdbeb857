"""The adapter that gives a frozen 2D block its view of the third axis (paper, section 2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.model.chunks import in_chunks


class Adapter(nn.Module):
    """Bottleneck with a depth-wise 3D convolution, added to its input.

    Its update is never negative: the last linear layer is rectified, as in the authors' code.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, bottleneck)
        self.conv = nn.Conv3d(bottleneck, bottleneck, 3, padding=1, groups=bottleneck)
        self.linear2 = nn.Linear(bottleneck, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens `(B, H, W, D, C)` to the same shape, residual included."""
        # The permuted views are channels-last in memory, where a depth-wise convolution is fastest.
        hidden = F.relu(self.linear1(tokens)).permute(0, 4, 1, 2, 3)
        hidden = F.relu(self.conv(hidden)).permute(0, 2, 3, 4, 1)
        widened = in_chunks(self._widen, tokens.flatten(0, 2), hidden.flatten(0, 2))
        return widened.reshape(tokens.shape)

    def _widen(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        return tokens + F.relu(self.linear2(hidden))
