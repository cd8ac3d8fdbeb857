"""The adapter that gives a frozen 2D block its view of the third axis (paper, section 2)."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from promise_cli.network.promise.chunks import in_chunks
from promise_cli.network.promise.convolution import DepthwiseConv3d
from promise_cli.network.promise.normalisation import PatchNorm


class Adapter(nn.Module):
    """Bottleneck with a depth-wise 3D convolution, added to its input.

    A `rectified` update is never negative, as in the authors' code. What pretrained tokens have in common outweighs
    what tells them apart, so that about half of the rectifiers answer no token of a patch and have no gradient. A
    `free` update looks at tokens normalised over the patch, is of either sign, and is zero at the start.
    """

    def __init__(
        self, width: int, bottleneck: int, update: Literal["rectified", "free"] = "rectified"
    ) -> None:
        super().__init__()
        self.rectified = update == "rectified"
        self.norm = PatchNorm()
        self.linear1 = nn.Linear(width, bottleneck)
        self.conv = DepthwiseConv3d(bottleneck, 3)
        self.linear2 = nn.Linear(bottleneck, width)
        if not self.rectified:
            nn.init.zeros_(self.linear2.weight)
            nn.init.zeros_(self.linear2.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens `(B, H, W, D, C)` to the same shape, residual included."""
        seen = tokens if self.rectified else self.norm(tokens)
        # The permuted views are channels-last in memory, where a depth-wise convolution is fastest.
        hidden = F.relu(self.linear1(seen)).permute(0, 4, 1, 2, 3)
        hidden = F.relu(self.conv(hidden)).permute(0, 2, 3, 4, 1)
        widened = in_chunks(self._widen, tokens.flatten(0, 2), hidden.flatten(0, 2))
        return widened.reshape(tokens.shape)

    def _widen(self, tokens: Tensor, hidden: Tensor) -> Tensor:
        update = self.linear2(hidden)
        return tokens + (F.relu(update) if self.rectified else update)
