"""One training on disk: results/<dataset>/fold_<n> with its checkpoints, config.json, log.csv and progress.png."""

import copy
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim import AdamW

from promise_cli.checkpoint import (
    Checkpoint,
    build_model,
    load_checkpoint,
    save_checkpoint,
)
from promise_cli.curves import EpochLog, draw_progress, load_log, save_log
from promise_cli.device import choose_device
from promise_cli.errors import CheckpointError, WorkspaceError
from promise_cli.model import ModelConfig, ProMISe
from promise_cli.model.config import ENCODER_NAMES
from promise_cli.plan import Plan
from promise_cli.presets import TrainConfig, preset
from promise_cli.pretrained import load_pretrained
from promise_cli.splits import Split


@dataclass(eq=False, kw_only=True)
class Run:
    """A network in training, and how far it is."""

    folder: Path
    preset: str
    fold: int
    split: Split
    seed: int
    plan: Plan
    """With the patch size of the network."""
    config: TrainConfig
    model: ProMISe
    optimizer: AdamW
    device: torch.device
    encoder_weights: str
    """Name and sha256 of the pretrained weights, or `none`."""
    epoch: int = 0
    """Epochs done."""
    best_dice: float | None = None
    log: list[EpochLog] = field(default_factory=list)

    def save(self, validation_dice: float | None) -> None:
        """Write the last checkpoint, the best one where it is, the log and its picture."""
        better = validation_dice is not None and (
            self.best_dice is None or validation_dice > self.best_dice
        )
        if better:
            self.best_dice = validation_dice
        checkpoint = Checkpoint(
            model_config=self.model.config,
            train_config=self.config,
            plan=self.plan,
            preset=self.preset,
            fold=self.fold,
            split=self.split,
            seed=self.seed,
            encoder_weights=self.encoder_weights,
            epoch=self.epoch,
            validation_dice=validation_dice,
            best_dice=self.best_dice,
            weights=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
        )
        if self.epoch == 1:  # a run of before goes only now that this one can be used
            for name in ("checkpoint_last.pt", "checkpoint_best.pt"):
                (self.folder / name).unlink(missing_ok=True)
        save_checkpoint(checkpoint, self.folder / "checkpoint_last.pt")
        if better:
            best = dataclasses.replace(checkpoint, optimizer={})
            save_checkpoint(best, self.folder / "checkpoint_best.pt")
        save_log(self.log, self.folder / "log.csv")
        title = f"{self.plan.dataset}, fold {self.fold}, {self.preset}"
        draw_progress(self.log, title, self.folder / "progress.png")


def start_run(
    folder: Path,
    plan: Plan,
    *,
    preset_name: str,
    encoder: str | None,
    weights: str | None,
    weights_dir: Path,
    epochs: int | None,
    fold: int,
    split: Split,
    seed: int,
    device: str,
    overwrite: bool,
) -> Run:
    """A run before its first epoch.

    Raises:
        WorkspaceError: The folder holds a run already, and `overwrite` is not set.
        PlanError: Unknown preset or encoder.
        CheckpointError: The pretrained weights or the device are not to be had.
    """
    there = [path for path in sorted(folder.glob("checkpoint_*.pt")) if path.is_file()]
    if there and not overwrite:
        raise WorkspaceError(
            f"{there[-1]}: a run is there already; add --resume to go on with it, or --overwrite to start anew"
        )
    model_config, config = preset(preset_name)
    model_config = _fit(model_config, plan, encoder)
    if epochs is not None:
        config = dataclasses.replace(config, epochs=epochs)
    chosen = choose_device(device)
    torch.manual_seed(seed)
    model = ProMISe(model_config)
    encoder_weights = load_pretrained(model, weights, weights_dir)
    model.to(chosen)
    return Run(
        folder=folder,
        preset=preset_name,
        fold=fold,
        split=split,
        seed=seed,
        plan=dataclasses.replace(plan, patch_size=model_config.patch_size),
        config=config,
        model=model,
        optimizer=_optimizer(model, config),
        device=chosen,
        encoder_weights=encoder_weights,
    )


def resume_run(folder: Path, plan: Plan, *, split: Split, epochs: int | None, device: str) -> Run:
    """The run as its last checkpoint left it.

    Raises:
        CheckpointError: There is nothing to go on from, nothing left to do, or plan or fold have changed.
    """
    path = folder / "checkpoint_last.pt"
    if not path.exists():
        raise CheckpointError(f"{path}: nothing to resume; leave --resume out to start a run")
    checkpoint = load_checkpoint(path)
    if dataclasses.replace(plan, patch_size=checkpoint.plan.patch_size) != checkpoint.plan:
        raise CheckpointError(
            f"{path}: was trained with another plan than plans.json now holds; restore plans.json, or add"
            " --overwrite instead of --resume to start anew"
        )
    if checkpoint.split != split:
        raise CheckpointError(
            f"{path}: was trained with other cases than fold {checkpoint.fold} of splits.json now has; restore"
            " splits.json, or add --overwrite instead of --resume to start anew"
        )
    config = checkpoint.train_config
    if checkpoint.epoch >= (epochs or config.epochs):
        raise CheckpointError(
            f"{path}: {checkpoint.epoch} of {epochs or config.epochs} epochs are done; ask for more with --epochs"
        )
    if epochs is not None:
        config = dataclasses.replace(config, epochs=epochs)
    chosen = choose_device(device)
    model = build_model(checkpoint, path)
    if checkpoint.encoder_weights != "none":
        model.freeze_encoder()
    model.to(chosen)
    optimizer = _optimizer(model, config)
    optimizer.load_state_dict(copy.deepcopy(checkpoint.optimizer))  # not the file's own memory
    return Run(
        folder=folder,
        preset=checkpoint.preset,
        fold=checkpoint.fold,
        split=split,
        seed=checkpoint.seed,
        plan=checkpoint.plan,
        config=config,
        model=model,
        optimizer=optimizer,
        device=chosen,
        encoder_weights=checkpoint.encoder_weights,
        epoch=checkpoint.epoch,
        best_dice=checkpoint.best_dice,
        log=load_log(folder / "log.csv")[: checkpoint.epoch],
    )


def _fit(model_config: ModelConfig, plan: Plan, encoder: str | None) -> ModelConfig:
    """Give the network the encoder that was asked for, and the plan's patch size unless the preset has its own."""
    if encoder is not None:
        if encoder not in ENCODER_NAMES:
            raise CheckpointError(
                f"--encoder {encoder}: unknown; use one of {', '.join(ENCODER_NAMES)}"
            )
        model_config = dataclasses.replace(model_config, encoder=encoder)
    if model_config.patch_size == ModelConfig().patch_size:
        model_config = dataclasses.replace(model_config, patch_size=plan.patch_size)
    return model_config


def _optimizer(model: ProMISe, config: TrainConfig) -> AdamW:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
