"""The networks of one or more folds on a device: a window and its clicks in, averaged probabilities out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from promise_cli.console import warn
from promise_cli.errors import CheckpointError
from promise_cli.network.device import Precision, autocast
from promise_cli.network.promise import ImageState
from promise_cli.network.promise.click_maps import check_clicks
from promise_cli.network.registry import Network
from promise_cli.network.rivals.plain import PlainState
from promise_cli.prompts import PADDING

Volume32 = NDArray[np.float32]

MAX_STATES = 8
"""Encoded windows kept for further clicks, over all networks and mirrorings: 0.2 GB each at the paper's size."""

_AXES = (2, 3, 4)
NO_FLIP: tuple[int, ...] = ()
ALL_FLIPS = tuple(axes for count in range(4) for axes in combinations(_AXES, count))
"""Every mirroring of a window, none included."""


@dataclass(eq=False)
class EncodedWindow:
    """A window's image, and what the networks made of it before any click."""

    image: Volume32
    """(I, J, K), normalised."""
    states: dict[tuple[int, tuple[int, ...]], ImageState | PlainState] = field(default_factory=dict)
    """Encoder output by network and mirroring; missing ones are computed again."""


@dataclass(eq=False)
class Networks:
    """Networks that share a plan; their probabilities are averaged."""

    models: Sequence[Network]
    device: torch.device
    """Becomes the CPU once the device's memory did not suffice."""
    checkpoints: tuple[Path, ...]
    """Files of the networks, for messages."""
    precision: Precision = "fp32"
    tta: bool = False
    """Average over all mirrorings too."""
    take_clicks: bool = True
    """Whether the networks use clicks; without clicks they segment whole scans."""
    centre_clicks: bool = True
    """Whether a window has its click in the middle, also where part of it then lies beyond the scan."""
    know_background: bool = True
    """Whether all were trained with background clicks; to one that was not, a click is a click on the target."""

    @property
    def states_per_window(self) -> int:
        """How many encoded states one window needs."""
        return len(self.models) * (len(ALL_FLIPS) if self.tta else 1)

    def probabilities(
        self, window: EncodedWindow, clicks: NDArray[np.int64], signs: NDArray[np.int64]
    ) -> Volume32:
        """Foreground probability `(I, J, K)` of a window.

        Args:
            window: Keeps what further clicks on it can use again.
            clicks: (N, 3), voxels of the window.
            signs: (N,), foreground or background; without any the networks answer without a click.

        Raises:
            PromptError: A click lies outside the window.
        CheckpointError: The networks' output is not finite.
        """
        if not len(signs):
            clicks, signs = np.zeros((1, 3), np.int64), np.array([PADDING])
        check_clicks(torch.from_numpy(clicks), torch.from_numpy(signs), window.image.shape[0])
        try:
            return self._average(window, clicks, signs)
        except RuntimeError as error:
            if self.device.type == "cpu" or "out of memory" not in str(error).lower():
                raise
        self._fall_back()
        window.states.clear()
        return self._average(window, clicks, signs)

    def _average(
        self, window: EncodedWindow, clicks: NDArray[np.int64], signs: NDArray[np.int64]
    ) -> Volume32:
        total = torch.zeros(window.image.shape, device=self.device)
        for number in range(len(self.models)):
            for flip in ALL_FLIPS if self.tta else (NO_FLIP,):
                total += self._foreground(number, flip, window, clicks, signs)
        found: Volume32 = (total / self.states_per_window).cpu().numpy()
        if not np.isfinite(found).all():
            raise CheckpointError(
                f"{self.checkpoints[0]}: the network's output is not finite; are its weights damaged?"
            )
        return found

    @torch.inference_mode()
    def _foreground(
        self,
        number: int,
        flip: tuple[int, ...],
        window: EncodedWindow,
        clicks: NDArray[np.int64],
        signs: NDArray[np.int64],
    ) -> Tensor:
        """The only place where a network is called: one network, one mirroring, `(I, J, K)` not mirrored."""
        model = self.models[number]
        points = clicks.astype(np.float32)
        for axis in flip:
            points[:, axis - 2] = window.image.shape[axis - 2] - 1 - points[:, axis - 2]
        with autocast(self.device, self.precision):
            state = window.states.get((number, flip))
            if state is None or state[0].device != self.device:
                image = torch.from_numpy(window.image)[None, None].to(self.device)
                state = model.encode(image.flip(flip) if flip else image)
            if self.states_per_window <= MAX_STATES:
                window.states[number, flip] = state
            decode: Callable[..., Tensor] = model.decode  # of whatever its own encode gave
            logits = decode(
                state,
                torch.from_numpy(points)[None].to(self.device),
                torch.from_numpy(signs)[None].to(self.device),
            )
        probabilities = logits.float().softmax(dim=1)
        return (probabilities.flip(flip) if flip else probabilities)[0, 1]

    def _fall_back(self) -> None:
        """Go on with the CPU for good."""
        warn(
            f"{self.device}: out of memory; continuing on the CPU, which is slower (free the device's memory, or"
            " choose another with --device)"
        )
        self.device, self.precision = torch.device("cpu"), "fp32"
        self.models = [model.to(self.device) for model in self.models]
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
