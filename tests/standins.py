"""Networks with known answers, so that the code around a network is tested without training one."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from promise_cli.dataset.plan import Normalisation, Plan
from promise_cli.session.predictor import Predictor


class StandIn(torch.nn.Module):
    """Base of networks that replace a trained one; it counts how often encoder and decoder are called."""

    encoded = decoded = 0

    def encode(self, patch: torch.Tensor) -> tuple[torch.Tensor]:
        self.encoded += 1
        return (patch,)

    def decode(
        self, state: tuple[torch.Tensor], clicks: torch.Tensor, signs: torch.Tensor
    ) -> torch.Tensor:
        self.decoded += 1
        return self(state[0], clicks, signs)


class PerfectWindow(StandIn):
    """A network that answers with the bright voxels of a window that are connected to a foreground click.

    Without a foreground click, it answers with all bright voxels.
    """

    def forward(
        self, patch: torch.Tensor, clicks: torch.Tensor, signs: torch.Tensor
    ) -> torch.Tensor:
        bright = patch[0, 0].numpy() > 0
        parts, _ = ndimage.label(bright)
        places = clicks[0].numpy().astype(int)
        meant = {
            int(parts[tuple(place)])
            for place, label in zip(places, signs[0].tolist(), strict=True)
            if label == 1
        }
        found = bright if (signs < 0).all() else np.isin(parts, sorted(meant - {0}))
        mask = torch.from_numpy(found).float()[None]
        return torch.stack([10 * (1 - mask), 10 * mask], dim=1)


def plan_of(patch_size: int, **changes: Any) -> Plan:
    """Return a plan for CT with a spacing of 1 mm, which clips to -100 to 200 HU and maps 50 HU to 0."""
    fields: dict[str, Any] = {
        "dataset": "Task98_Balls",
        "target_label": 1,
        "target_name": "tumour",
        "modality": "CT",
        "orientation": "RAS",
        "spacing": (1.0, 1.0, 1.0),
        "patch_size": patch_size,
        "normalisation": Normalisation(scheme="dataset", low=-100, high=200, mean=50, std=30),
    }
    return Plan(**fields | changes)


def predictor_of(patch_size: int, *networks: torch.nn.Module, **changes: Any) -> Predictor:
    """Return a predictor with these networks, on the CPU."""
    plan = plan_of(patch_size, **changes)
    return Predictor(plan, networks, torch.device("cpu"), (Path("stand-in"),))  # type: ignore[arg-type]


def teach_bright(checkpoint: Path) -> None:
    """Replace the weights in a checkpoint of a tiny network, so that it outlines all voxels brighter than 25 HU."""
    content = torch.load(checkpoint, weights_only=True)
    head1, head2 = (
        content["weights"][f"mask_decoder.{name}.weight"] for name in ("head1", "head2")
    )
    head1.zero_()
    head2.zero_()
    head1[0, -1, 1, 1, 1], head1[1, -1, 1, 1, 1] = 1, -1  # the last input is the image itself
    head2[1, 0, 1, 1, 1] = head2[0, 1, 1, 1, 1] = 10
    content["plan"]["normalisation"] |= {"low": -100.0, "high": 200.0, "mean": 25.0, "std": 10.0}
    torch.save(content, checkpoint)
