"""Settings of a training as named values, so that two trainings can be compared."""

from collections.abc import Collection, Mapping
from typing import Any

from promise_cli.disk.records import record_to_json
from promise_cli.network.recipe import TrainConfig
from promise_cli.network.registry import NetworkConfig

COMPUTING = frozenset(
    {"batch_size", "accumulate", "checkpoint_activations", "compile", "precision"}
)
"""Fields of a recipe that say how a step is computed, and not what is learned."""


def settings_of(
    network: str, preset: str, model_config: NetworkConfig, train_config: TrainConfig
) -> dict[str, Any]:
    """Return all settings of a training by name. The names of network and preset come first."""
    return {
        "network": network,
        "preset": preset,
        **record_to_json(train_config),
        **record_to_json(model_config),
    }


def first_difference(
    one: Mapping[str, Any], other: Mapping[str, Any], free: Collection[str] = COMPUTING
) -> tuple[str, Any, Any] | None:
    """Return the name of the first setting that differs, with both values; None if none differs.

    Args:
        one: Settings of a training.
        other: Settings of another one.
        free: Names of settings that may differ.
    """
    for name in dict.fromkeys((*one, *other)):
        if name not in free and one.get(name) != other.get(name):
            return name, one.get(name), other.get(name)
    return None
