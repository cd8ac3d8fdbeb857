"""The adapter, through which a frozen 2D block also uses the third axis (paper, section 2)."""

import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.chunks import in_chunks
from promise_cli.network.promise.convolution import DepthwiseConv3d


class Adapter(nn.Module):
    """A bottleneck with a depth-wise 3D convolution. Its output passes a ReLU and is added to its input.

    Because of this ReLU, the adapter never lowers a value, as in the authors' code. Pretrained tokens have a large part
    in common and differ only a little from each other. Therefore about half of the channels are zero after the ReLU for
    all tokens of a patch, and pass no gradient.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, bottleneck)
        self.conv = DepthwiseConv3d(bottleneck, 3)
        self.linear2 = nn.Linear(bottleneck, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens `(B, H, W, D, C)` plus the adapter's update, in the same shape."""
        # The permuted views are channels-last in memory, the layout of the fastest depth-wise convolution.
        hidden = F.relu(self.linear1(tokens)).permute(0, 4, 1, 2, 3)
        hidden = F.relu(self.conv(hidden)).permute(0, 2, 3, 4, 1)
        widened = in_chunks(self._widen, tokens.flatten(0, 2), hidden.flatten(0, 2))
        return widened.reshape(tokens.shape)

    def _widen(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        return tokens + F.relu(self.linear2(hidden))
