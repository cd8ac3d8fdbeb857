"""The networks of one or more folds on a device. They turn a window and its clicks into averaged probabilities."""

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
from promise_cli.network.device import Precision, autocast, is_out_of_memory
from promise_cli.network.promise import ImageState
from promise_cli.network.promise.click_maps import check_clicks
from promise_cli.network.registry import Network
from promise_cli.network.rivals.plain import PlainState
from promise_cli.prompts import PADDING

Volume32 = NDArray[np.float32]

MAX_STATES = 8
"""Largest number of encoded windows that are kept for further clicks. Each network and each mirroring counts
separately. At the paper's size each takes 0.2 GB."""

_AXES = (2, 3, 4)
NO_FLIP: tuple[int, ...] = ()
ALL_FLIPS = tuple(axes for count in range(4) for axes in combinations(_AXES, count))
"""Axes of each possible mirroring of a window, including none."""


@dataclass(eq=False)
class EncodedWindow:
    """Image of a window, and the encoder output that the networks computed for it before any click."""

    image: Volume32
    """Normalised intensities, `(I, J, K)`, or `(C, I, J, K)` for several channels."""
    states: dict[tuple[int, tuple[int, ...]], ImageState | PlainState] = field(default_factory=dict)
    """Encoder output for each pair of a network's number and mirrored axes. Missing ones are computed when needed."""

    @property
    def channels(self) -> Volume32:
        """Normalised intensities of all channels, `(C, I, J, K)`."""
        return self.image if self.image.ndim == 4 else self.image[None]


@dataclass(eq=False)
class Networks:
    """Networks that share a plan. Their probabilities are averaged."""

    models: Sequence[Network]
    device: torch.device
    """Device in use. It becomes the CPU when the memory of the first device does not suffice."""
    checkpoints: tuple[Path, ...]
    """Files of the networks, for messages."""
    precision: Precision = "fp32"
    tta: bool = False
    """Whether the average also includes all mirrorings of a window (test-time augmentation)."""
    take_clicks: bool = True
    """Whether the networks use clicks. Networks without clicks segment whole scans."""
    centre_clicks: bool = True
    """Whether a window must have its click in the middle, even if part of the window then lies outside the scan."""
    know_background: bool = True
    """Whether all networks were trained with background clicks. Others treat every click as a click on the target."""

    @property
    def states_per_window(self) -> int:
        """Number of encoder outputs that one window needs."""
        return len(self.models) * (len(ALL_FLIPS) if self.tta else 1)

    def probabilities(
        self, window: EncodedWindow, clicks: NDArray[np.int64], signs: NDArray[np.int64]
    ) -> Volume32:
        """Return the foreground probability `(I, J, K)` of a window, averaged over networks and mirrorings.

        If the device runs out of memory, the networks continue on the CPU.

        Args:
            window: Window to segment. Encoder outputs are kept in it for further clicks.
            clicks: `(N, 3)`, voxels of the window. If there are none, the networks run without a click.
            signs: `(N,)`, foreground or background.

        Raises:
            PromptError: A click lies outside the window.
            CheckpointError: The networks' output is not finite.
        """
        if not len(signs):
            clicks, signs = np.zeros((1, 3), np.int64), np.array([PADDING])
        check_clicks(torch.from_numpy(clicks), torch.from_numpy(signs), window.image.shape[-1])
        try:
            return self._average(window, clicks, signs)
        except RuntimeError as error:
            if self.device.type == "cpu" or not is_out_of_memory(error):
                raise
        self._fall_back()
        window.states.clear()
        return self._average(window, clicks, signs)

    def _average(
        self, window: EncodedWindow, clicks: NDArray[np.int64], signs: NDArray[np.int64]
    ) -> Volume32:
        total = torch.zeros(window.image.shape[-3:], device=self.device)
        for number in range(len(self.models)):
            for flip in ALL_FLIPS if self.tta else (NO_FLIP,):
                total += self._foreground(number, flip, window, clicks, signs)
        found: Volume32 = (total / self.states_per_window).cpu().numpy()
        if not np.isfinite(found).all():
            raise CheckpointError(
                f"{self.checkpoints[0]}: the network's output is not finite, so its weights may be damaged; copy"
                " the checkpoint again or train again"
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
        """Return the foreground probability `(I, J, K)` of one network for one mirroring, with the mirroring undone.

        This is the only place that calls the networks.
        """
        model = self.models[number]
        points = clicks.astype(np.float32)
        for axis in flip:
            points[:, axis - 2] = window.image.shape[axis - 5] - 1 - points[:, axis - 2]
        with autocast(self.device, self.precision):
            state = window.states.get((number, flip))
            if state is None or state[0].device != self.device:
                image = torch.from_numpy(window.channels)[None].to(self.device)
                state = model.encode(image.flip(flip) if flip else image)
            if self.states_per_window <= MAX_STATES:
                window.states[number, flip] = state
            # It takes the state that the same network's encode returned.
            decode: Callable[..., Tensor] = model.decode
            logits = decode(
                state,
                torch.from_numpy(points)[None].to(self.device),
                torch.from_numpy(signs)[None].to(self.device),
            )
        probabilities = logits.float().softmax(dim=1)
        return (probabilities.flip(flip) if flip else probabilities)[0, 1]

    def _fall_back(self) -> None:
        """Continue on the CPU from now on."""
        warn(
            f"{self.device}: out of memory; continuing on the CPU, which is slower (free the device's memory, or"
            " choose another with --device)"
        )
        self.device, self.precision = torch.device("cpu"), "fp32"
        self.models = [model.to(self.device) for model in self.models]
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
