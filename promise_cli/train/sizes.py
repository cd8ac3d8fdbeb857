"""Choose the network of a run, its size for the dataset, and the recipe."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted
from promise_cli.dataset.fingerprint import Fingerprint
from promise_cli.dataset.objects import list_objects
from promise_cli.dataset.plan import LARGEST_PATCH, LEAST_PATCH, Plan
from promise_cli.disk.records import load_record
from promise_cli.errors import CheckpointError, PlanError, did_you_mean
from promise_cli.network.architecture import Setting
from promise_cli.network.augmentation import check_scheme
from promise_cli.network.parts import check_freezing
from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise import ModelConfig
from promise_cli.network.promise.config import ENCODER_NAMES, RECOMMENDED, EncoderName
from promise_cli.network.recipe import TINY_PATCH, TrainConfig, plain_preset, preset
from promise_cli.network.registry import (
    PROMISE,
    NetworkConfig,
    check_name,
    plan_network,
    takes_clicks,
)
from promise_cli.train.fields import last_value, set_fields
from promise_cli.train.train_request import TrainRequest


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A network that is not built yet, and its recipe."""

    network: str
    preset: str
    model_config: NetworkConfig
    config: TrainConfig
    """Recipe, with the options of the call."""


def choose_network(
    request: TrainRequest,
    plan: Plan,
    fingerprint: Path | None,
    origin: NetworkConfig | None = None,
) -> Choice:
    """Choose network and recipe for a call.

    Args:
        request: The call.
        plan: Plan of the dataset.
        fingerprint: Path of the dataset's `fingerprint.json`, or None. Networks other than ProMISe need no wider patch
            than the median scan in it.
        origin: Sizes of the network that the run starts from, which replace those of the preset; None without such a
            network. The dataset still decides the patch.

    Raises:
        PlanError: The network, the preset or a field is unknown, or they do not fit together.
        CheckpointError: The encoder is unknown, or the network cannot use an option.
    """
    check_names(request)
    network, channels = request.network or PROMISE, len(plan.channels)
    if last_value(request.fields, "channels") not in (None, channels):
        raise PlanError(
            f"--set channels: the scans of {plan.dataset} have {counted(channels, 'channel')}; leave it out"
        )
    name = request.preset or (RECOMMENDED if network == PROMISE else "paper")
    model_config: NetworkConfig
    if network == PROMISE:
        if request.clicks_as_channel:
            raise CheckpointError(
                "--clicks-as-channel: promise has its own encoder for clicks; leave it out, or name another --network"
            )
        first, recipe = preset(name)
        first = origin if isinstance(origin, ModelConfig) else first
        sizes, config = set_fields(first, recipe, request.fields)
        own = last_value(request.fields, "patch_size") is not None or name == "tiny"
        sizes = dataclasses.replace(sizes, channels=channels)
        model_config = _fit(sizes, sizes.patch_size if own else plan.patch_size, request.encoder)
    else:
        clicks = bool(request.clicks_as_channel)
        config = plain_preset(name, network, clicks=clicks)
        _refuse_pretrained(request, network)
        small = name == "tiny"
        setting = Setting(
            patch_size=_wanted_patch(request, small, plan, fingerprint),
            spacing=plan.spacing,
            small=small,
            channels=channels,
            clicks_as_channel=clicks,
        )
        planned = _size(network, setting, plan)
        if isinstance(origin, PlainConfig):
            planned = dataclasses.replace(origin, **setting.shared(origin.multiple, origin.least))
        planned, config = set_fields(planned, config, request.fields)
        if planned.clicks_as_channel != clicks:
            raise PlanError(
                "--set clicks_as_channel: this also decides where the run lies and how clicks are drawn; give or leave"
                " out the option --clicks-as-channel instead"
            )
        model_config = planned
    if not LEAST_PATCH <= model_config.patch_size <= LARGEST_PATCH:
        raise PlanError(
            f"--set patch_size={model_config.patch_size}: use {LEAST_PATCH} to {LARGEST_PATCH}"
        )
    if plan.objects and not takes_clicks(model_config):
        raise PlanError(
            f"--network {network}: takes no clicks, so it cannot know which of {counted(len(plan.objects), 'object')}"
            f" ({list_objects(plan.objects)}) to segment; add --clicks-as-channel"
        )
    if config.corrections and not takes_clicks(model_config):
        raise PlanError(
            f"--set corrections={config.corrections}: {network} takes no clicks; leave it out, or add"
            " --clicks-as-channel"
        )
    config = dataclasses.replace(config, **request.recipe())
    return Choice(network=network, preset=name, model_config=model_config, config=config)


def check_names(request: TrainRequest) -> None:
    """Refuse an unknown name of a network, preset, encoder and so on, before anything else is said about the call.

    Raises:
        PlanError: The network, the preset, the augmentation or the part to freeze is unknown.
        CheckpointError: The encoder is unknown.
    """
    if request.network is not None:
        check_name(request.network)
    if request.preset is not None:
        preset(request.preset)
    if request.encoder is not None:
        _encoder_named(request.encoder)
    if request.augmentation is not None:
        check_scheme(request.augmentation)
    if request.freeze is not None:
        check_freezing(request.freeze)


def _encoder_named(name: str) -> EncoderName:
    for known in ENCODER_NAMES:
        if known == name:
            return known
    raise CheckpointError(
        f"--encoder {name}: unknown; use one of {', '.join(ENCODER_NAMES)}{did_you_mean(name, ENCODER_NAMES)}"
    )


def _wanted_patch(request: TrainRequest, small: bool, plan: Plan, fingerprint: Path | None) -> int:
    """Return the edge of the patch for which the stages of a network are planned, in voxels.

    It is what `--set patch_size=N` asks for. Otherwise it is that of the plan, or of the preset tiny, but no wider than
    the median scan.
    """
    asked = last_value(request.fields, "patch_size")
    if type(asked) is int and asked >= 0:  # `set_fields` refuses anything else
        return min(asked, LARGEST_PATCH)
    median = _median_edge(plan, fingerprint)
    wanted = TINY_PATCH if small else plan.patch_size
    return wanted if median is None else min(wanted, median)


def _size(network: str, setting: Setting, plan: Plan) -> PlainConfig:
    """Plan the stages of a network, and refuse a patch that is too large."""
    config = plan_network(network, setting)
    if config.patch_size > LARGEST_PATCH:
        raise CheckpointError(
            f"--network {network}: needs a patch of {config.patch_size}^3 voxels for the plan's {plan.patch_size}^3;"
            f" give the plan a patch_size that is smaller than {LARGEST_PATCH}"
        )
    return config


def _median_edge(plan: Plan, fingerprint: Path | None) -> int | None:
    """Return the longest edge of the median scan in voxels of the plan; None if there is no fingerprint.

    nnU-Net, too, makes no patch wider than that.
    """
    if fingerprint is None or not fingerprint.exists():
        return None
    found = load_record(Fingerprint, fingerprint)
    extents = (
        n * mm / min(plan.spacing)
        for n, mm in zip(found.median_shape, found.median_spacing, strict=True)
    )
    return math.ceil(max(extents) - 1e-6)


def _refuse_pretrained(request: TrainRequest, network: str) -> None:
    for option, value in (("--encoder", request.encoder), ("--weights", request.weights)):
        if value not in (None, "none"):
            raise CheckpointError(
                f"{option} {value}: {network} has no pretrained encoder; leave it out, or train --network promise"
            )


def _fit(model_config: ModelConfig, patch_size: int, encoder: str | None) -> ModelConfig:
    """Set the patch size of a network, and its encoder if the call names one."""
    if encoder is not None:
        model_config = dataclasses.replace(model_config, encoder=_encoder_named(encoder))
    return dataclasses.replace(model_config, patch_size=patch_size)
