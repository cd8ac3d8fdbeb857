"""Trained networks ready for scans: from Python, and for `promise-predict`.

predictor = Predictor.load("results/Task07_Pancreas/fold_0/checkpoint_final.pt")
session = predictor.open("scan.nii.gz")
mask = session.click((256, 301, 42))
mask = session.click((270, 301, 42), sign=0)
mask = session.undo()
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from promise_cli.dataset.plan import Plan
from promise_cli.errors import CheckpointError
from promise_cli.network.checkpoint import build_model, load_checkpoint
from promise_cli.network.device import (
    Precision,
    choose_device,
    choose_precision,
    move_to_device,
    set_up_device,
)
from promise_cli.network.registry import (
    Network,
    centres_clicks,
    describe_network,
    encoder_of,
    takes_clicks,
)
from promise_cli.predictions.record import Seconds
from promise_cli.prompts import Click
from promise_cli.session.neighbours import MAX_WINDOWS
from promise_cli.session.networks import MAX_STATES, Networks
from promise_cli.session.prediction import Prediction
from promise_cli.session.session import Session
from promise_cli.volume import Volume, is_oriented, read_volume

__all__ = ["MAX_WINDOWS", "Prediction", "Predictor", "Seconds", "Session"]


@dataclass(frozen=True, eq=False)
class Predictor:
    """Networks of one or more folds that share a plan; their probabilities are averaged."""

    plan: Plan
    models: tuple[Network, ...]
    device: torch.device
    """Device that was asked for; `networks.device` is the one in use."""
    checkpoints: tuple[Path, ...]
    precision: Precision = "fp32"
    presets: tuple[str, ...] = ()
    """Preset that each network was trained with."""
    tta: bool = False
    """Average over all mirrorings of a window too: eight times the work."""
    described: tuple[str, ...] = ()
    """Each network in a few words."""
    takes_clicks: bool = True
    """Whether the networks use clicks; otherwise they segment whole scans: `open(scan).slide()`."""
    centres_clicks: bool = True
    """Whether the click must lie in the middle of its window; otherwise windows are moved into the scan."""
    knows_background: bool = True
    """Whether all networks were trained with background clicks; otherwise these are left out."""

    @classmethod
    def load(
        cls,
        checkpoints: Path | str | Sequence[Path | str],
        device: str = "auto",
        precision: str = "auto",
        *,
        tta: bool = False,
    ) -> "Predictor":
        """Rebuild the networks from one or more checkpoints.

        Args:
            checkpoints: Files of promise-train, or those that the paper's authors published.
            device: auto, cpu, cuda or mps.
            precision: fp32, bf16, fp16 or auto, which takes fp32 for the authors' checkpoints.
            tta: Average over mirrorings.

        Raises:
            CheckpointError: A checkpoint is unusable, or the plans differ.
        """
        given = [checkpoints] if isinstance(checkpoints, Path | str) else checkpoints
        loaded = [(Path(path), load_checkpoint(Path(path))) for path in given]
        plan = loaded[0][1].plan
        for path, checkpoint in loaded[1:]:
            if checkpoint.plan != plan:
                raise CheckpointError(
                    f"{path}: made with another plan than {loaded[0][0]}; predict them separately"
                )
            if takes_clicks(checkpoint.model_config) != takes_clicks(loaded[0][1].model_config):
                raise CheckpointError(
                    f"{path}: {loaded[0][0]} and it do not both take clicks; predict them separately"
                )
        chosen = choose_device(device)
        models = tuple(build_model(checkpoint, path) for path, checkpoint in loaded)
        presets = tuple(checkpoint.preset for _, checkpoint in loaded)
        if precision == "auto" and "reference" in presets:
            precision = "fp32"  # to score the authors' weights as they did
        multiplied = choose_precision(precision, chosen, encoder_of(loaded[0][1].model_config))
        set_up_device(chosen, multiplied)
        for model in models:
            move_to_device(model, chosen)
        paths = tuple(path for path, _ in loaded)
        configs = [(checkpoint.network, checkpoint.model_config) for _, checkpoint in loaded]
        described = tuple(describe_network(*config) for config in configs)
        recipes = [checkpoint.train_config for _, checkpoint in loaded]
        return cls(
            plan=plan,
            models=models,
            device=chosen,
            checkpoints=paths,
            precision=multiplied,
            presets=presets,
            tta=tta,
            described=described,
            takes_clicks=takes_clicks(configs[0][1]),
            centres_clicks=any(centres_clicks(config) for _, config in configs),
            knows_background=all(one.num_background_clicks or one.corrections for one in recipes),
        )

    @cached_property
    def networks(self) -> Networks:
        """The networks where they are now."""
        return Networks(
            self.models,
            self.device,
            self.checkpoints,
            self.precision,
            self.tta,
            self.takes_clicks,
            self.centres_clicks,
            self.knows_background,
        )

    def open(
        self,
        scan: Path | str | Volume,
        *,
        max_windows: int = MAX_WINDOWS,
        keep_windows: int = MAX_STATES,
        where: str | None = None,
        seconds: Seconds | None = None,
    ) -> Session:
        """Read a scan and make it ready for clicks.

        Args:
            scan: A file, or a scan that was read with the plan's orientation.
            max_windows: Most windows for one lesion; 1 is the paper's single window.
            keep_windows: Encoded windows that are kept for further clicks.
            where: Names the scan in errors; its path where left out.
            seconds: Already spent on the scan.

        Raises:
            VolumeError: The scan cannot be read.
            ValueError: It was read with another orientation than the plan's.
        """
        seconds = seconds or Seconds()
        if not isinstance(scan, Volume):
            began, path = time.monotonic(), Path(scan)
            where = where or str(path)
            scan = read_volume(path, self.plan.orientation, keep_integers=True)
            seconds.read = time.monotonic() - began
        if not is_oriented(scan, self.plan.orientation):
            raise ValueError(
                f"the plan takes scans read with orientation {self.plan.orientation!r}"
            )
        name = where or "scan"
        return Session(
            self.networks, self.plan, scan, name, max_windows, seconds, keep_windows=keep_windows
        )

    def predict(
        self, scan: Volume, clicks: Sequence[Click], where: str, *, max_windows: int = 1
    ) -> Prediction:
        """Segment what the clicks mean; by default in one window round them (paper, section 3: testing).

        Args:
            scan: Read with the plan's orientation.
            clicks: At least one in the foreground.
            where: Names the case in errors.
            max_windows: More than 1 follows a lesion beyond the window.

        Raises:
            PromptError: A click lies outside the scan.
        """
        session = self.open(scan, max_windows=max_windows, keep_windows=1, where=where)
        return session.prompt(clicks)
