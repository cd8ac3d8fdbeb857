"""The adapter that gives a frozen 2D block its view of the third axis (paper, section 2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.chunks import in_chunks
from promise_cli.network.promise.convolution import DepthwiseConv3d


class Adapter(nn.Module):
    """Bottleneck with a depth-wise 3D convolution, whose rectified output is added to its input.

    So an update is never negative, as in the authors' code. Pretrained tokens share more than
    distinguishes them, so about half of the rectifiers are zero on every token of a patch and get no gradient there.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, bottleneck)
        self.conv = DepthwiseConv3d(bottleneck, 3)
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
