"""Train, predict and score the rows of a matrix that are not done yet.

python -m experiments MATRIX --data FOLDER --work FOLDER [--weights FILE] [--rows NAME ...] [--max-hours H]
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.matrices import MATRICES
from experiments.place import RESULTS, Place
from experiments.steps import do_row, prepare, study_clicks
from promise_cli.console import say


@dataclass(frozen=True, kw_only=True)
class Options:
    """The arguments of the command line."""

    matrix: str
    data: Path
    work: Path
    weights: Path | None
    results: Path
    rows: list[str] | None
    max_hours: float
    device: str


def main() -> None:
    """Train and score row after row, the reference first, and then study the clicks of each row."""
    options = _options()
    matrix = MATRICES[options.matrix]
    place = Place(
        matrix, options.data.resolve(), options.work.resolve(), options.weights, options.results
    )
    until = time.monotonic() + 3600 * options.max_hours
    prepare(place)
    wanted = [row for row in matrix.rows if options.rows is None or row.name in options.rows]
    for row in wanted:
        if not do_row(place, row, device=options.device, until=until):
            say(f"{row.name}: not finished in {options.max_hours} hours; call again to continue")
            return
        say(f"{row.name}: done")
    for row in wanted:
        study_clicks(place, row, device=options.device)


def _options() -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m experiments", description=__doc__.splitlines()[0]
    )
    parser.add_argument("matrix", choices=MATRICES)
    parser.add_argument(
        "--data", type=Path, required=True, help="the dataset's folder (MSD layout)"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and masks")
    parser.add_argument("--weights", type=Path, help="pretrained DINOv2 ViT-S/14 (safetensors)")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder for the files to commit"
    )
    parser.add_argument("--rows", nargs="+", help="train only these rows")
    parser.add_argument(
        "--max-hours", type=float, default=math.inf, help="stop training after this time"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
