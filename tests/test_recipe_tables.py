"""The table of recipes shows the last epoch's network, and a dash where another epoch's network was measured."""

import csv
import dataclasses
from pathlib import Path

from experiments.matrices import SARCOMA
from experiments.place import write_json
from experiments.recipe_tables import NUMBERS, recipes
from experiments.rows import BOTH, NEAR
from experiments.score_tables import PROMISE_PREDICT

LOG = "epoch,learning_rate,loss,dice_loss,cross_entropy,boundary,validation_dice,seconds\n"


def _keep(kept: Path, *, predict_with: str, dice: tuple[float, float]) -> None:
    """Write the results of a row of two epochs with this validation Dice, for one case and its corrections."""
    write_json({"summary": {"overall": {"dice": {"mean": 0.5}}}}, kept / "metrics.json")
    write_json({"predict_with": predict_with, "epochs": 2}, kept / "config.json")
    rows = [f"{number},1,1,1,1,1,{value},1\n" for number, value in enumerate(dice, 1)]
    (kept / "log.csv").write_text(LOG + "".join(rows))
    with (kept / "corrections_followed.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("strategy", "clicks", "trial", "dice"))
        writer.writerows(("largest-error", number, 0, 0.6 + number / 100) for number in NUMBERS)


def test_each_recipe_has_a_line_for_each_dataset_it_was_trained_on(tmp_path: Path) -> None:
    matrix = dataclasses.replace(SARCOMA, name="one", other_folds=("two",))
    early, late = (0.8, 0.7), (0.7, 0.8)
    _keep(tmp_path / "one" / NEAR.name, predict_with="best", dice=early)
    last = {"last": {"followed": {"case": [0.7, 0.72]}}}
    write_json(last, tmp_path / "one" / NEAR.name / "epochs.json")
    _keep(tmp_path / "two" / NEAR.name, predict_with="best", dice=late)
    draws = {"dice": {PROMISE_PREDICT: {"case": [0.4, 0.5]}}}
    write_json(draws, tmp_path / "two" / NEAR.name / "draws.json")
    _keep(tmp_path / "hippocampus" / NEAR.name, predict_with="best", dice=early)
    _keep(tmp_path / "hippocampus" / BOTH.name, predict_with="final", dice=early)
    lines = recipes(matrix, tmp_path / "one")[2:]
    corrected = "0.610 | 0.630 | 0.700 |"
    assert lines == [
        f"| {NEAR.what} | 2 | [one](results/one/{NEAR.name}/epochs.json) | 0.710 | - | - | - |",
        f"| {NEAR.what} | 2 | [two](results/two/{NEAR.name}/draws.json) | 0.450 | {corrected}",
        f"| {NEAR.what} | 2 | [hippocampus](results/hippocampus/{NEAR.name}/metrics.json) | - | - | - | - |",
        f"| {BOTH.what} | 2 | [hippocampus](results/hippocampus/{BOTH.name}/metrics.json) | 0.500 |"
        f" {corrected}",
    ]
