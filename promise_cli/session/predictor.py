"""Segments scans with trained networks, from Python and for `promise-predict`.

Example:
    predictor = Predictor.load("results/Task07_Pancreas/fold_0")
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
from numpy.typing import ArrayLike

from promise_cli.console import warn
from promise_cli.dataset.plan import Plan, describe_target
from promise_cli.dataset.questions import question_scan
from promise_cli.disk.workspace import Workspace, checkpoint_of
from promise_cli.errors import CheckpointError, WorkspaceError, listed
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
from promise_cli.session.kept import KeptWindows
from promise_cli.session.neighbours import MAX_WINDOWS
from promise_cli.session.networks import MAX_STATES, Networks
from promise_cli.session.opening import Scan, read_given
from promise_cli.session.prediction import Prediction
from promise_cli.session.session import Session
from promise_cli.volume import Volume, is_oriented

__all__ = ["MAX_WINDOWS", "Prediction", "Predictor", "Seconds", "Session"]


@dataclass(frozen=True, eq=False, repr=False)
class Predictor:
    """Networks of one or more folds that share a plan. Their probabilities are averaged."""

    plan: Plan
    models: tuple[Network, ...]
    device: torch.device
    """Device that was chosen. `networks.device` is the device in use, which becomes the CPU if memory runs out."""
    checkpoints: tuple[Path, ...]
    precision: Precision = "fp32"
    presets: tuple[str, ...] = ()
    """Preset that each network was trained with."""
    tta: bool = False
    """Whether to average over all mirrorings of a window, too. This takes eight times as long."""
    described: tuple[str, ...] = ()
    """Short description of each network."""
    takes_clicks: bool = True
    """Whether the networks use clicks. Networks without clicks segment whole scans with `open(scan).slide()`."""
    centres_clicks: bool = True
    """Whether the click must lie in the middle of its window. If not, windows are moved into the scan."""
    knows_background: bool = True
    """Whether all networks were trained with background clicks. If not, background clicks are left out."""

    def __repr__(self) -> str:
        runs = listed(path.parent if path.parent.name else path for path in self.checkpoints)
        plan = self.plan
        return (
            f"<Predictor of {runs}: {listed(dict.fromkeys(self.described))}; {plan.dataset},"
            f" {describe_target(plan)}; on {self.device} in {self.precision}>"
        )

    @classmethod
    def load(
        cls,
        checkpoints: Path | str | Sequence[Path | str],
        device: str = "auto",
        precision: str = "auto",
        *,
        tta: bool = False,
    ) -> "Predictor":
        """Build the networks of one or more checkpoints.

        Args:
            checkpoints: Folders of training runs, checkpoints of promise-train, or checkpoints that the paper's
                authors published. A run's final checkpoint is taken, else its best one, else its last one. As with
                `-m` of promise-predict, a folder may also hold a single run, such as a dataset's results.
            device: auto, cpu, cuda or mps.
            precision: fp32, bf16, fp16 or auto. If a checkpoint has preset `reference`, as the authors' checkpoints
                do, auto means fp32.
            tta: Whether to average over all mirrorings of a window, too.

        Raises:
            CheckpointError: A checkpoint is missing or unusable, the plans differ, or only some of the networks take
                clicks.
        """
        given = [checkpoints] if isinstance(checkpoints, Path | str) else checkpoints
        files = [_checkpoint_file(Path(path)) for path in given]
        loaded = [(path, load_checkpoint(path)) for path in files]
        plan = loaded[0][1].plan
        for path, checkpoint in loaded[1:]:
            if checkpoint.plan != plan:
                raise CheckpointError(
                    f"{path}: has another plan than {loaded[0][0]}; predict with each of them separately"
                )
            if takes_clicks(checkpoint.model_config) != takes_clicks(loaded[0][1].model_config):
                raise CheckpointError(
                    f"{path}: this checkpoint and {loaded[0][0]} do not both take clicks; predict with each of"
                    " them separately"
                )
        chosen = choose_device(device)
        models = tuple(build_model(checkpoint, path) for path, checkpoint in loaded)
        presets = tuple(checkpoint.preset for _, checkpoint in loaded)
        if precision == "auto" and "reference" in presets:
            precision = "fp32"  # as in the authors' code, so that their weights score the same
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
        """Networks on the device in use. They are shared by all sessions of this predictor."""
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
        scan: Scan,
        *,
        affine: ArrayLike | None = None,
        max_windows: int = MAX_WINDOWS,
        keep_windows: int = MAX_STATES,
        kept: KeptWindows | None = None,
        where: str | None = None,
        seconds: Seconds | None = None,
    ) -> Session:
        """Read a scan and prepare it for clicks. A warning is printed if its size or intensities are unlikely.

        Args:
            scan: Path of a scan; one path for each channel; a nibabel or SimpleITK image; an array (I, J, K) or
                (C, I, J, K); or a scan that was read with the plan's orientation. For a network of several channels,
                one path means a file with all channels, or the first of the files `_0000`, `_0001` and so on.
            affine: Matrix (4, 4) from a voxel (i, j, k) of an array to RAS millimetres. None for any other scan.
            max_windows: Largest number of windows for one lesion. 1 gives the paper's single window.
            keep_windows: Number of encoded windows that are kept for further clicks, if memory allows.
            kept: Encoded windows that several sessions share, instead of `keep_windows` of this session alone.
            where: Name of the scan in messages. None means its path, or `scan` if it was already read.
            seconds: Time already spent on the scan. None means none.

        Raises:
            VolumeError: The scan cannot be read, or has other channels than the network.
            ValueError: An array comes without an affine or another scan with one, or the scan was read with another
                orientation than the plan's.
        """
        seconds = seconds or Seconds()
        began = time.monotonic()
        volume, name = read_given(scan, self.plan, affine)
        where = where or name
        if volume is not scan:
            seconds.read = time.monotonic() - began
            for note in question_scan(volume, self.plan):
                warn(f"{where}: {note}")
        if not is_oriented(volume, self.plan.orientation):
            raise ValueError(
                f"the scan has another orientation than the plan; read it with {self.plan.orientation!r}"
            )
        return Session(
            self.networks,
            self.plan,
            volume,
            where,
            max_windows,
            seconds,
            keep_windows=keep_windows,
            kept=kept,
        )

    def predict(
        self, scan: Volume, clicks: Sequence[Click], where: str, *, max_windows: int = 1
    ) -> Prediction:
        """Segment the lesion under the clicks, by default in one window around them (paper, section 3: testing).

        Args:
            scan: Scan that was read with the plan's orientation.
            clicks: Clicks, at least one of them in the foreground.
            where: Name of the case in messages.
            max_windows: Largest number of windows. With more than 1, a lesion is followed beyond its window.

        Raises:
            PromptError: A click lies outside the scan, no click is in the foreground, or the networks take no clicks.
        """
        session = self.open(scan, max_windows=max_windows, keep_windows=1, where=where)
        return session.prompt(clicks)


def _checkpoint_file(given: Path) -> Path:
    """Return a file as it is. For a folder, return the checkpoint that `promise-predict -m` would take from it.

    Raises:
        CheckpointError: The folder holds no checkpoint, or several runs.
    """
    if not given.is_dir():
        return given
    try:
        return Workspace(given).find_runs(given, ())[0]
    except WorkspaceError:
        runs = sorted(path for path in given.rglob("fold_*") if checkpoint_of(path) is not None)
        raise CheckpointError(
            f"{given}: holds several runs; give one of them, such as {runs[0]}, or a list of folds to average"
            if runs
            else f"{given}: no checkpoint in this folder; train one with promise-train --fold 0"
        ) from None
