"""One training on disk: results/<dataset>/fold_<n> with its checkpoints, config.json, log.csv and progress.png."""

import copy
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim import AdamW

from promise_cli.checkpoint import Checkpoint, build_model, load_checkpoint, save_checkpoint
from promise_cli.device import Precision, choose_device, choose_precision
from promise_cli.errors import CheckpointError, WorkspaceError
from promise_cli.model import ModelConfig, ProMISe
from promise_cli.model.config import ENCODER_NAMES
from promise_cli.plan import Plan
from promise_cli.presets import TrainConfig, preset
from promise_cli.pretrained import load_pretrained
from promise_cli.records import save_record
from promise_cli.splits import Split
from promise_cli.train.curves import EpochLog, draw_progress, load_log, save_log
from promise_cli.train.request import MAY_CHANGE, OPTIONS, TrainRequest

LAST, BEST = "checkpoint_last.pt", "checkpoint_best.pt"


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
    """With the precision that was decided."""
    samples_per_step: int
    """Of all devices and batches together."""
    model: ProMISe
    optimizer: AdamW
    device: torch.device
    encoder_weights: str
    """Name and sha256 of the pretrained weights, or `none`."""
    replaces: bool = False
    """Whether an earlier run lies in the folder, which goes when this one can first be used."""
    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done in the epoch after that."""
    sums: dict[str, float] = field(default_factory=dict)
    """What the log adds up over these steps."""
    best_dice: float | None = None
    log: list[EpochLog] = field(default_factory=list)

    @property
    def precision(self) -> Precision:
        """Of the products."""
        return "bf16" if self.config.precision == "bf16" else "fp32"

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.config.epochs

    def save_epoch(self, validation_dice: float | None) -> None:
        """Write the last checkpoint, the best one where it is, the log and its picture."""
        better = validation_dice is not None and (
            self.best_dice is None or validation_dice > self.best_dice
        )
        if better:
            self.best_dice = validation_dice
        checkpoint = self._checkpoint(validation_dice)
        self._save_last(checkpoint)
        if better:
            save_checkpoint(dataclasses.replace(checkpoint, optimizer={}), self.folder / BEST)
        save_log(self.log, self.folder / "log.csv")
        title = f"{self.plan.dataset}, fold {self.fold}, {self.preset}"
        draw_progress(self.log, title, self.folder / "progress.png")

    def save_step(self) -> None:
        """Write the last checkpoint within an epoch."""
        self._save_last(self._checkpoint(None))

    def _save_last(self, checkpoint: Checkpoint) -> None:
        if self.replaces:
            for name in (LAST, BEST, "log.csv", "progress.png", "metrics.json", "metrics.csv"):
                (self.folder / name).unlink(missing_ok=True)
            self.replaces = False
        save_record(self.config, self.folder / "config.json")
        save_checkpoint(checkpoint, self.folder / LAST)

    def _checkpoint(self, validation_dice: float | None) -> Checkpoint:
        return Checkpoint(
            model_config=self.model.config,
            train_config=self.config,
            plan=self.plan,
            preset=self.preset,
            fold=self.fold,
            split=self.split,
            seed=self.seed,
            encoder_weights=self.encoder_weights,
            epoch=self.epoch,
            step=self.step,
            sums=self.sums,
            samples_per_step=self.samples_per_step,
            validation_dice=validation_dice,
            best_dice=self.best_dice,
            weights=self.model.state_dict(),
            optimizer=self.optimizer.state_dict(),
        )


def start_run(
    folder: Path,
    request: TrainRequest,
    plan: Plan,
    split: Split,
    *,
    device: str,
    processes: int,
    weights_dir: Path,
) -> Run:
    """A run before its first epoch.

    Args:
        folder: Of the run.
        request: What was asked for.
        plan: Of the dataset.
        split: Cases of the fold.
        device: Of this process.
        processes: That share each step.
        weights_dir: Where pretrained weights are looked for.

    Raises:
        WorkspaceError: The folder holds a run already, and is not to be overwritten.
        PlanError: Unknown preset or encoder.
        CheckpointError: The pretrained weights, the device or the precision are not to be had.
    """
    there = [path for path in sorted(folder.glob("checkpoint_*.pt")) if path.is_file()]
    if there and not request.overwrite:
        raise WorkspaceError(
            f"{there[-1]}: a run is there already; add --resume to go on with it, or --overwrite to start anew"
        )
    name = request.preset or "paper"
    model_config, config = preset(name)
    model_config = _fit(model_config, plan, request.encoder)
    chosen = choose_device(device)
    config = dataclasses.replace(config, **request.recipe())
    precision = choose_precision(config.precision, chosen, model_config.encoder)
    config = dataclasses.replace(config, precision=precision)
    seed = 42 if request.seed is None else request.seed
    torch.manual_seed(seed)
    model = ProMISe(model_config)
    encoder_weights = load_pretrained(model, request.weights, weights_dir)
    model.to(chosen)
    return Run(
        folder=folder,
        preset=name,
        fold=request.fold,
        split=split,
        seed=seed,
        plan=dataclasses.replace(plan, patch_size=model_config.patch_size),
        config=config,
        samples_per_step=config.batch_size * config.accumulate * processes,
        model=model,
        optimizer=_optimizer(model, config),
        device=chosen,
        encoder_weights=encoder_weights,
        replaces=bool(there),
    )


def resume_run(
    folder: Path, request: TrainRequest, plan: Plan, split: Split, *, device: str, processes: int
) -> Run:
    """The run as its last checkpoint left it; arguments as `start_run`.

    Raises:
        CheckpointError: There is nothing to go on from, or something that a run cannot change on the way has changed.
    """
    path = folder / LAST
    if not path.exists():
        raise CheckpointError(f"{path}: nothing to resume; leave --resume out to start a run")
    checkpoint = load_checkpoint(path)
    _check_unchanged(path, checkpoint, plan, split)
    _check_request(request, checkpoint)
    changed = {name: value for name, value in request.recipe().items() if name in MAY_CHANGE}
    config = dataclasses.replace(checkpoint.train_config, **changed)
    samples = config.batch_size * config.accumulate * processes
    if samples != checkpoint.samples_per_step:
        raise CheckpointError(
            f"{path}: was trained with {checkpoint.samples_per_step} samples a step, this call takes {samples}"
            f" (--batch-size {config.batch_size} x --accumulate {config.accumulate} x {processes} devices); change one"
            " of them so that the product stays"
        )
    if config.epochs < checkpoint.epoch + (checkpoint.step > 0):
        raise CheckpointError(
            f"{path}: {checkpoint.epoch} epochs are done, --epochs {config.epochs} is less; ask for more"
        )
    chosen = choose_device(device)
    precision = choose_precision(config.precision, chosen, checkpoint.model_config.encoder)
    config = dataclasses.replace(config, precision=precision)  # a checkpoint of format 1 says auto
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
        samples_per_step=samples,
        model=model,
        optimizer=optimizer,
        device=chosen,
        encoder_weights=checkpoint.encoder_weights,
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        sums=dict(checkpoint.sums),
        best_dice=checkpoint.best_dice,
        log=load_log(folder / "log.csv")[: checkpoint.epoch],
    )


def _check_unchanged(path: Path, checkpoint: Checkpoint, plan: Plan, split: Split) -> None:
    """Refuse to go on with other data than the run was started with."""
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


def _check_request(request: TrainRequest, checkpoint: Checkpoint) -> None:
    """Refuse what a run was started with and cannot change on the way."""
    weights = request.weights and Path(request.weights).name
    asked = {
        "--preset": (request.preset, checkpoint.preset),
        "--encoder": (request.encoder, checkpoint.model_config.encoder),
        "--weights": (weights, checkpoint.encoder_weights.partition(" ")[0]),
        "--seed": (request.seed, checkpoint.seed),
    }
    for name, value in request.recipe().items():
        if name not in MAY_CHANGE and value != "auto":
            asked[OPTIONS[name]] = (value, getattr(checkpoint.train_config, name))
    for option, (given, started) in asked.items():
        if given is not None and given != started:
            raise CheckpointError(
                f"{option} {given}: this run was started with {started}; leave the option out to go on, or start"
                " anew with --overwrite instead of --resume"
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
