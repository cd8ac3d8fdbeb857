"""Start a run from the weights of an earlier network (`--from`), on any dataset and with any number of channels."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from promise_cli.console import counted, say
from promise_cli.disk.workspace import checkpoint_of
from promise_cli.errors import CheckpointError, listed
from promise_cli.network.checkpoint import Checkpoint, load_checkpoint
from promise_cli.network.contents import check_weights
from promise_cli.network.parts import Freezing, frozen_names
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise import ProMISe
from promise_cli.network.promise.config import ALIASES
from promise_cli.network.promise.weights import sha256
from promise_cli.network.registry import Network, encoder_of
from promise_cli.train.provenance import StartedFrom
from promise_cli.train.train_request import TrainRequest


@dataclass(frozen=True, eq=False)
class Origin:
    """A network whose weights a new run starts with."""

    path: Path
    """File of the network."""
    checkpoint: Checkpoint


def load_origin(request: TrainRequest) -> Origin | None:
    """Load the network that `--from` names; None without this option.

    Raises:
        CheckpointError: There is no such checkpoint, or it cannot be used.
    """
    if request.start_from is None:
        return None
    given = Path(request.start_from)
    found = checkpoint_of(given) if given.is_dir() else given
    if found is None or not found.exists():
        what = "no checkpoint in this folder" if given.is_dir() else "no such run or checkpoint"
        raise CheckpointError(
            f"--from {given}: {what}; give a run's folder, such as results/Task07_Pancreas/fold_0, or a checkpoint"
        )
    return Origin(found, load_checkpoint(found))


def like_origin(request: TrainRequest) -> TrainRequest:
    """Return the request with the network, preset and encoder of `--from`, where it leaves them open.

    Raises:
        CheckpointError: The request names others than those of the checkpoint, or the checkpoint cannot be used.
    """
    if request.resume and request.start_from is not None:
        raise CheckpointError(
            "--from: a run that is resumed has its own weights; leave --from out to continue, or start anew with"
            " --overwrite instead of --resume"
        )
    origin = load_origin(request)
    if origin is None:
        return request
    checkpoint = origin.checkpoint
    config = checkpoint.model_config
    clicked = isinstance(config, PlainConfig) and config.clicks_as_channel
    preset = checkpoint.preset
    asked: dict[str, tuple[object, object]] = {
        "--network": (request.network, checkpoint.network),
        "--clicks-as-channel": (request.clicks_as_channel, clicked),
        "--preset": (ALIASES.get(str(request.preset), request.preset), ALIASES.get(preset, preset)),
        "--encoder": (request.encoder, encoder_of(config)),
    }
    for option, (given, has) in asked.items():
        if given is not None and given != has:
            raise CheckpointError(
                f"{option} {given}: {origin.path} has {has}, and its weights fit no other; leave {option} out, or leave"
                " --from out"
            )
    if request.weights is not None:
        raise CheckpointError(
            f"--weights {request.weights}: the encoder's weights come from {origin.path}; leave --weights or --from out"
        )
    return dataclasses.replace(
        request,
        network=checkpoint.network,
        preset=preset,
        encoder=encoder_of(config),
        clicks_as_channel=clicked or None,
    )


def start_with(model: Network, origin: Origin, freezing: Freezing) -> StartedFrom:
    """Copy into a network all weights of the origin that fit, and say which ones do.

    A tensor fits if the origin has one of the same name and shape. All others keep their random start and are trained.

    Args:
        model: The network with its random start. It is changed in place.
        origin: The network to start from.
        freezing: Part that is not to be trained, which therefore has to fit as a whole.

    Raises:
        CheckpointError: No tensor fits, one holds a number that is not finite, or one that is not to be trained does
            not fit.
    """
    own, theirs = model.state_dict(), origin.checkpoint.weights
    taken = {
        name: theirs[name]
        for name, tensor in own.items()
        if name in theirs and theirs[name].shape == tensor.shape
    }
    if not taken:
        raise CheckpointError(
            f"{origin.path}: none of its {counted(len(theirs), 'tensor')} fits this network; leave --from out, or name"
            " another checkpoint"
        )
    _check_numbers(model, own | taken, origin.path)
    names = _names(model)
    anew = [name for name in names if name not in taken]
    frozen = set(frozen_names(model, origin.checkpoint.network, freezing))
    if isinstance(model, ProMISe) and origin.checkpoint.encoder_weights != "none":
        frozen |= {f"image_encoder.{name}" for name in model.image_encoder.pretrained_parameters()}
    if stuck := [name for name in anew if name in frozen]:
        raise CheckpointError(
            f"{origin.path}: has no tensor of the same name and shape for {listed(stuck, 3)}; what starts anew must be"
            " trained, so leave --freeze out, or give the network the same sizes (--set patch_size=N)"
        )
    model.load_state_dict(own | taken)
    started = StartedFrom(
        path=str(origin.path),
        sha256=sha256(origin.path),
        dataset=origin.checkpoint.plan.dataset,
        fold=origin.checkpoint.fold,
        epoch=origin.checkpoint.epoch,
        taken=len(names) - len(anew),
        anew=tuple(anew),
        unused=tuple(sorted(theirs.keys() - own.keys())),
    )
    _show_taken(started, names)
    return started


def _names(model: Network) -> list[str]:
    """Return the names of all tensors of a network, each once. A state dict may hold a tensor under several names."""
    stored = model.state_dict()
    tensors = (*model.named_parameters(), *model.named_buffers())
    return [name for name, _ in tensors if name in stored]


def _check_numbers(model: Network, weights: Mapping[str, Tensor], path: Path) -> None:
    try:
        check_weights(model, weights)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}; copy the file again") from None
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{path}: {name} holds numbers that are not finite; name another checkpoint"
            )


def _show_taken(started: StartedFrom, names: Iterable[str]) -> None:
    anew = set(started.anew)
    taken = _groups(name for name in names if name not in anew)
    left = f"start anew: {_groups(started.anew)}" if anew else "nothing starts anew"
    unused = f"; not used: {_groups(started.unused)}" if started.unused else ""
    say(
        f"weights from {started.path} ({started.dataset}, fold {started.fold}, epoch {started.epoch}):"
        f" {counted(started.taken, 'tensor')} taken ({taken}); {left}{unused}"
    )


def _groups(names: Iterable[str]) -> str:
    """Return how many tensors belong to each part of a network, such as `mask_decoder.head1 1`."""
    counts = Counter(".".join(name.split(".")[:2]) for name in names)
    return listed(f"{group} {number}" for group, number in counts.items())
