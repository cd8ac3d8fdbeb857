"""Initial values of parameters that torch's layers do not set."""

import torch
from torch import Tensor


def normal(*shape: int, std: float) -> Tensor:
    """Return normally distributed numbers of a shape; on the meta device only the shape.

    Drawing them on the meta device would load torch's compiler, which takes as long as the rest of a network's start.
    """
    values = torch.empty(shape)
    return values if values.is_meta else std * torch.randn(shape)
