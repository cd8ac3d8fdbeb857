"""Arguments that the smaller commands share: the matrix, its data, and the folder of its work."""

import argparse
from pathlib import Path

from experiments.matrices import MATRICES
from experiments.place import RESULTS, Place


def parser_of(module: str, what: str) -> argparse.ArgumentParser:
    """Make a parser of MATRIX, --data, --work and --results.

    Args:
        module: Name of the module, as in `python -m`.
        what: Docstring of the module. Its first line becomes the description in the help.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=what.splitlines()[0])
    parser.add_argument("matrix", choices=MATRICES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser


def place_of(options: argparse.Namespace) -> Place:
    """Return the folders of the matrix that the arguments name."""
    return Place(
        MATRICES[options.matrix],
        options.data.resolve(),
        options.work.resolve(),
        results=options.results,
    )
