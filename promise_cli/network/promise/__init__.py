"""The network: a patch and clicks in, logits out. It knows nothing of files, spacing or plans.

`ModelConfig` comes without torch; `ProMISe` and what needs torch are imported when first asked for.
"""

from typing import TYPE_CHECKING, Any

from promise_cli.network.promise.config import PRESETS, ModelConfig, model_config

if TYPE_CHECKING:
    from promise_cli.network.promise.promise import ImageState, ProMISe

NEVER_CALLED = "token_to_image"
"""Names parameters that exist for the published count alone, and so never have a gradient."""

__all__ = ["NEVER_CALLED", "PRESETS", "ImageState", "ModelConfig", "ProMISe", "model_config"]


def __getattr__(name: str) -> Any:
    if name in ("ImageState", "ProMISe"):
        from promise_cli.network.promise import promise  # noqa: PLC0415 -- torch only where it is used

        return getattr(promise, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
