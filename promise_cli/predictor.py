"""A trained network applied to one scan and its clicks: window in, mask on the scan's own grid out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from promise_cli.case import preprocess_image
from promise_cli.checkpoint import build_model, load_checkpoint
from promise_cli.device import choose_device
from promise_cli.errors import CheckpointError
from promise_cli.model import ProMISe
from promise_cli.patches import Patch
from promise_cli.plan import Plan
from promise_cli.prompts import Click, locate_clicks
from promise_cli.resample import resample_window
from promise_cli.volume import Volume


@dataclass(frozen=True, eq=False)
class Prediction:
    """One target in one scan."""

    mask: NDArray[np.bool_]
    """(I, J, K) on the scan's grid in the plan's orientation."""
    window: Patch
    """On the plan's grid."""
    clicks_outside_window: int


@dataclass(frozen=True, eq=False)
class Predictor:
    """Networks of one or more folds that share a plan; their probabilities are averaged."""

    plan: Plan
    models: tuple[ProMISe, ...]
    device: torch.device
    checkpoints: tuple[Path, ...]

    @classmethod
    def load(cls, checkpoints: Sequence[Path], device: str = "auto") -> "Predictor":
        """Rebuild the networks from their checkpoints.

        Raises:
            CheckpointError: A checkpoint is unusable, or the plans differ.
        """
        loaded = [(path, load_checkpoint(path)) for path in checkpoints]
        plan = loaded[0][1].plan
        for path, checkpoint in loaded[1:]:
            if checkpoint.plan != plan:
                raise CheckpointError(
                    f"{path}: made with another plan than {loaded[0][0]}; predict them separately"
                )
        chosen = choose_device(device)
        models = tuple(build_model(checkpoint, path).to(chosen) for path, checkpoint in loaded)
        return cls(plan, models, chosen, tuple(checkpoints))

    def predict(self, scan: Volume, clicks: Sequence[Click], where: str) -> Prediction:
        """Segment what the clicks mean, in one window round them (paper, section 3: testing).

        Args:
            scan: Read with the plan's orientation.
            clicks: Voxel indices of the file as stored; at least one in the foreground.
            where: Names the case in errors.

        Raises:
            PromptError: A click lies outside the scan.
        """
        image, grid = preprocess_image(scan, self.plan)
        located = locate_clicks(clicks, scan.stored_grid, grid, where)
        size = self.plan.patch_size
        # The middle of several clicks, as the authors test; one click is its own middle.
        centre = (located.max(axis=0) + located.min(axis=0)) // 2
        window = Patch.centred(centre.tolist(), (size, size, size))
        seen = window.inside(located)
        labels = np.array([click.label for click in clicks])[seen]
        probabilities = self._probabilities(
            window.crop(image), located[seen] - np.array(window.origin), labels
        )
        mask = np.zeros(scan.grid.shape, dtype=bool)
        block, there = resample_window(probabilities, window.origin, grid.shape, scan.grid.shape)
        mask[there] = block > 0.5
        return Prediction(mask, window, int((~seen).sum()))

    @torch.inference_mode()
    def _probabilities(
        self, image: NDArray[np.float32], clicks: NDArray[np.int64], labels: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Foreground probability (I, J, K) of one window, averaged over the networks."""
        patch = torch.from_numpy(image)[None, None].to(self.device)
        points = torch.from_numpy(clicks.astype(np.float32))[None].to(self.device)
        kinds = torch.from_numpy(labels)[None].to(self.device)
        total = torch.zeros(patch.shape[2:], device=self.device)
        for model in self.models:
            total += model(patch, points, kinds).float().softmax(dim=1)[0, 1]
        if not torch.isfinite(total).all():
            raise CheckpointError(
                f"{self.checkpoints[0]}: the network's output is not finite; are its weights damaged?"
            )
        return (total / len(self.models)).cpu().numpy()
