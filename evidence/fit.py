"""How fast a network fits a few patches that never change: whether it can learn, apart from what it has to generalise.

python -m evidence.fit MATRIX ROW ... --data FOLDER --work FOLDER [--weights FILE]
"""

import argparse
from pathlib import Path
from statistics import fmean

import torch
from torch.optim import AdamW

from evidence.matrix import MATRICES, Row
from evidence.place import RESULTS, Place, write_json
from promise_cli.architectures import build_network
from promise_cli.checkpoint import load_checkpoint
from promise_cli.console import say
from promise_cli.device import autocast
from promise_cli.losses import total_loss
from promise_cli.model import ProMISe
from promise_cli.pretrained import load_pretrained
from promise_cli.records import load_record
from promise_cli.samples import ValidationSamples, collate
from promise_cli.splits import Splits

NUM_PATCHES = 8
STEPS = 64
SEED = 1
MEANING = (
    f"Soft Dice loss on {NUM_PATCHES} fixed patches of as many training cases, each centred on one click, two patches a"
    " step, from new weights with the row's optimiser, first learning rate and loss: the mean over each pass"
)


def measure_fit(place: Place, row: Row) -> dict[str, object]:
    """Train a row's network anew on patches that stay the same.

    Args:
        place: Prepared; the row is trained, and its checkpoint says how.
        row: Of its matrix.

    Returns:
        What was measured, and the loss of each pass.
    """
    checkpoint = load_checkpoint(place.run_of(row) / "checkpoint_best.pt")
    config = checkpoint.train_config
    torch.manual_seed(checkpoint.seed)
    model = build_network(checkpoint.network, checkpoint.model_config)
    if isinstance(model, ProMISe):
        weights = str(place.weights) if row.pretrained else "none"
        load_pretrained(model, weights, place.shared)
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
    fold = load_record(Splits, place.preprocessed / "splits.json").folds[0]
    samples = ValidationSamples(
        place.preprocessed / "cases",
        tuple(sorted(fold.train))[:NUM_PATCHES],
        checkpoint.model_config.patch_size,
        per_case=1,
        seed=SEED,
    )
    pairs = [
        collate([samples[first], samples[first + 1]]) for first in range(0, len(samples) - 1, 2)
    ]
    losses = []
    for step in range(STEPS):
        pair = pairs[step % len(pairs)]
        optimizer.zero_grad(set_to_none=True)
        with autocast(torch.device("cpu"), "bf16" if config.precision == "bf16" else "fp32"):
            logits = model(pair.image, pair.clicks, pair.labels)
        loss, parts = total_loss(logits, pair.target, config.loss)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
        optimizer.step()
        losses.append(parts["dice"].item())
    passes = [
        round(fmean(losses[first : first + len(pairs)]), 6) for first in range(0, STEPS, len(pairs))
    ]
    return {"meaning": MEANING, "dice_loss": passes}


def main() -> None:
    """Measure and keep each row that is named."""
    parser = argparse.ArgumentParser(
        prog="python -m evidence.fit", description=__doc__.splitlines()[0]
    )
    parser.add_argument("matrix", choices=MATRICES)
    parser.add_argument("rows", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    matrix = MATRICES[options.matrix]
    place = Place(matrix, options.data, options.work.resolve(), options.weights, options.results)
    for row in (row for row in matrix.rows if row.name in options.rows):
        found = measure_fit(place, row)
        write_json(found, place.kept_of(row) / "fit.json")
        say(f"{row.name}: {found['dice_loss']}")


if __name__ == "__main__":
    main()
