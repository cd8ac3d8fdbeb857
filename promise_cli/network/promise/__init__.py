"""ProMISe as a torch module, which turns an image patch and clicks into logits.

Nothing in this package knows about files of a dataset, spacing or plans. `ModelConfig` can be imported without torch.
`ProMISe` and `ImageState` need torch and are imported when they are first used.
"""

from typing import TYPE_CHECKING, Any

from promise_cli.network.promise.config import PRESETS, ModelConfig, model_config

if TYPE_CHECKING:
    from promise_cli.network.promise.promise import ImageState, ProMISe

NEVER_CALLED = "token_to_image"
"""Part of the names of parameters that exist only to match the published number of parameters. The network never uses
them, so they never have a gradient."""

__all__ = ["NEVER_CALLED", "PRESETS", "ImageState", "ModelConfig", "ProMISe", "model_config"]


def __getattr__(name: str) -> Any:
    if name in ("ImageState", "ProMISe"):
        from promise_cli.network.promise import promise  # noqa: PLC0415 -- imports torch

        return getattr(promise, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
