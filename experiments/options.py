"""The arguments that the smaller commands share: which matrix, its data, and the folder of its work."""

import argparse
from pathlib import Path

from experiments.matrices import MATRICES
from experiments.place import RESULTS, Place


def parser_of(module: str, what: str) -> argparse.ArgumentParser:
    """Takes MATRIX, --data, --work and --results.

    Args:
        module: As `python -m` names it.
        what: The module's docstring, whose first line says what it does.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=what.splitlines()[0])
    parser.add_argument("matrix", choices=MATRICES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def place_of(options: argparse.Namespace) -> Place:
    """Where the matrix that was asked for lies."""
    return Place(
        MATRICES[options.matrix],
        options.data.resolve(),
        options.work.resolve(),
        results=options.results,
    )
