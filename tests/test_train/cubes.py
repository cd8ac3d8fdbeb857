"""A target of two cubes, and a network that outlines a cube around each click."""

import torch
from torch import Tensor

from promise_cli.train.samples import Sample
from tests.standins import StandIn

TARGET = torch.zeros(1, 16, 16, 16)
TARGET[:, 2:7, 2:7, 2:7] = 1
TARGET[:, 10:13, 10:13, 10:13] = 1


def batch_of(*targets: Tensor) -> Sample:
    return Sample(
        torch.zeros(len(targets), 1, 16, 16, 16),
        torch.stack(targets),
        torch.full((len(targets), 1, 3), 4.0),
        torch.ones(len(targets), 1, dtype=torch.long),
        tuple(f"case_{number}" for number in range(len(targets))),
    )


class CubeRoundEachClick(StandIn):
    """A stand-in for a network that marks all within two voxels of a click, or unmarks it for a background click."""

    def forward(self, image: Tensor, clicks: Tensor, signs: Tensor) -> Tensor:
        logits = torch.zeros(len(image), 2, *image.shape[2:])
        logits[:, 0] = 1
        for row, (places, kinds) in enumerate(zip(clicks.long(), signs, strict=True)):
            for (i, j, k), kind in zip(places.tolist(), kinds.tolist(), strict=True):
                if kind >= 0:
                    cube = tuple(slice(max(0, at - 2), at + 3) for at in (i, j, k))
                    logits[(row, 1, *cube)] = 2.0 * kind
        return logits
