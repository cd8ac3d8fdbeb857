"""Compare the network of the last epoch with the one that validation chose, with one click and with corrections.

python -m experiments.epochs MATRIX ROW --data FOLDER --work FOLDER

The runs must still be in the work folder. Both checkpoints predict the same windows.
"""

from statistics import fmean

import numpy as np

from experiments.draws import follow_draws
from experiments.matrix import Row
from experiments.options import parser_of, place_of
from experiments.place import Place, write_json
from experiments.seen import PER_CASE, windows
from promise_cli.console import say
from promise_cli.disk.workspace import BEST, LAST
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.prompts import BACKGROUND, FOREGROUND, largest_error
from promise_cli.scores.metrics import dice
from promise_cli.session.networks import EncodedWindow
from promise_cli.session.predictor import Predictor
from promise_cli.train.samples import Sample

NUM_CLICKS = 4
CHECKPOINTS = {"chosen by validation": BEST, "last": LAST}
MEANING = (
    f"mean Dice by number of clicks, 1 to {NUM_CLICKS}, in windows of the plan's grid, {PER_CASE} per case, each"
    " centred on one seeded click on the target; every further click lies in the middle of the largest part that is"
    " missed or added (a background click where it was added); followed: Dice of five single clicks on each test case,"
    " predicted as by promise-predict"
)


def measure_epochs(place: Place, row: Row, device: str) -> dict[str, object]:
    """Correct the masks of validation and test cases with both networks.

    Args:
        place: Prepared folders.
        row: A trained row whose network takes clicks. Its run must be in the work folder.
        device: Device as promise-predict names it.

    Returns:
        A description of the values, and for both checkpoints the epoch and the means over validation and test cases.
    """
    fold = place.fold
    found: dict[str, object] = {"meaning": MEANING}
    for name, file in CHECKPOINTS.items():
        path = place.run_of(row) / file
        predictor = Predictor.load(path, device, place.precision_of(row))
        of_parts = {
            part: _mean_by_clicks(predictor, place, case_ids)
            for part, case_ids in (("val", fold.val), ("test", fold.test))
        }
        followed = follow_draws(predictor, place)
        found[name] = {"epoch": load_checkpoint(path).epoch, **of_parts, "followed": followed}
    return found


def _mean_by_clicks(predictor: Predictor, place: Place, case_ids: tuple[str, ...]) -> list[float]:
    samples = windows(place, case_ids, predictor.plan.patch_size)
    rows = [_corrected(predictor, samples[index], index) for index in range(len(samples))]
    return [round(fmean(values), 6) for values in zip(*rows, strict=True)]


def _corrected(predictor: Predictor, sample: Sample, seed: int) -> list[float]:
    """Return the Dice after each click on one window."""
    window = EncodedWindow(sample.image[0].numpy())
    target = sample.target[0].numpy() > 0
    clicks, labels = sample.clicks.numpy().astype(np.int64), sample.signs.numpy()
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(NUM_CLICKS):
        mask = predictor.networks.probabilities(window, clicks, labels) > 0.5
        found.append(dice(mask, target))
        error = largest_error(target, mask, predictor.plan.spacing, rng)
        if error is not None:
            label = FOREGROUND if error.foreground else BACKGROUND
            clicks = np.concatenate([clicks, [error.voxel]])
            labels = np.concatenate([labels, [label]])
    return found


def main() -> None:
    """Measure one row and write `epochs.json`."""
    parser = parser_of("experiments.epochs", __doc__)
    parser.add_argument("row")
    options = parser.parse_args()
    place = place_of(options)
    (row,) = [row for row in place.matrix.rows if row.name == options.row]
    found = measure_epochs(place, row, "cpu")
    write_json(found, place.kept_of(row) / "epochs.json")
    say(f"{options.matrix}/{row.name}: {found}")


if __name__ == "__main__":
    main()
