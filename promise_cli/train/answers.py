"""How a step of training asks the network: about the first clicks and, once they are corrected, again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from promise_cli.architectures import Network
from promise_cli.device import uncached
from promise_cli.samples import Sample
from promise_cli.train.corrections import Turns, click_on_errors


class Answers(NamedTuple):
    """Logits `(B, 2, I, J, K)`."""

    last: Tensor
    """After all corrections."""
    first: Tensor | None
    """For the clicks that the samples have; None where no sample is corrected, so that there is but one answer."""


class Answering(nn.Module):
    """A network and whoever corrects it: images and first clicks in, answers out.

    What does not depend on the clicks is computed once for all answers, with its gradients.
    """

    def __init__(self, model: Network, *, learns_from_first: bool) -> None:
        """Whether the first of two answers has gradients, too."""
        super().__init__()
        self.model = model
        self.learns_from_first = learns_from_first
        self.encode: Callable[[Tensor], Any] = model.encode
        self.decode: Callable[[Any, Tensor, Tensor], Tensor] = model.decode

    def forward(self, sample: Sample, turns: Turns) -> Answers:
        """Ask, correct, and ask again.

        Args:
            sample: Of a batch, with its first clicks.
            turns: How often each sample is corrected.
        """
        state = self.encode(sample.image)
        if not turns.most:
            return Answers(self.decode(state, sample.clicks, sample.labels), None)
        if self.learns_from_first:
            first = self.decode(state, sample.clicks, sample.labels)
        else:
            with torch.no_grad(), uncached():
                first = self.decode(state, sample.clicks, sample.labels)
        corrected = click_on_errors(self.decode, state, sample, first, turns)
        return Answers(self.decode(state, corrected.clicks, corrected.labels), first)
