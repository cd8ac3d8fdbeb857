"""ProMISe: outline a tumour in a 3D scan with one click.

The commands are in `cli`. From Python, `promise_cli.Predictor` segments scans:

    from promise_cli import Predictor

    predictor = Predictor.load(["results/Task07_Pancreas/fold_0"])
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promise_cli.session.predictor import Predictor

__version__ = "0.1.0"

__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """Import `Predictor`, and torch with it, when it is first used."""
    if name == "Predictor":
        from promise_cli.session.predictor import Predictor  # noqa: PLC0415

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
