"""Every table of the results pages is rendered from committed files."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from experiments.fold_tables import folds
from experiments.place import write_json
from experiments.score_tables import PROMISE_PREDICT, WAYS, draws, epoch_of, pairs
from experiments.tables import PAGES, render
from tests.test_experiments import TINY


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_table_of_a_page_is_made_from_the_committed_files(path: Path) -> None:
    page = path.read_text()
    assert render(page) == page


def test_the_pages_of_sarcomas_hippocampus_and_phantoms_hold_generated_tables() -> None:
    blocks = {path.stem: path.read_text().count("<!-- end -->") for path in PAGES}
    assert blocks["results"] == 3
    assert sum(blocks.values()) >= 30


def test_the_overview_has_a_number_of_the_default_in_every_column() -> None:
    page = next(path for path in PAGES if path.stem == "results").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ProMISe, the default")]
    assert len(rows) == 2
    assert not any(cell.strip() == "-" for row in rows for cell in row.split("|"))


def test_rendering_replaces_a_number_that_no_file_contains() -> None:
    page = next(path for path in PAGES if path.stem == "one_click").read_text()
    start = page.index("| [", page.index("<!-- "))
    forged = page[:start] + page[start:].replace("0.", "1.", 1)
    assert forged != page
    assert render(forged) == page


def test_pairs_and_draws_are_compared_case_by_case(tmp_path: Path) -> None:
    for name, values in (("promise", (0.5, 0.7, 0.9)), ("dynunet", (0.4, 0.5, 0.6))):
        cases = [{"case_id": str(number), "dice": value} for number, value in enumerate(values, 1)]
        write_json({"cases": cases}, tmp_path / name / "metrics.json")
    draws_of_cases = {"1": [0.4, 0.6], "2": [0.5, 0.9], "3": [0.8, 1.0]}
    found = {way: {case: [0.1, 0.3] for case in draws_of_cases} for way in WAYS[:-1]}
    write_json({"dice": {**found, WAYS[-1]: draws_of_cases}}, tmp_path / "promise" / "draws.json")
    matrix = dataclasses.replace(TINY, pairs=(("promise", "dynunet"), ("promise", "missing")))
    *_, pair = pairs(matrix, tmp_path)
    assert "| +0.200 | 0.100 to 0.300 | 0.074 | 0.074 | 0.25 |" in pair  # t = 0.2 / (0.1 / sqrt(3))
    *_, ours, without = draws(matrix, tmp_path)
    assert (
        "promise/draws.json) | 0.200 | 0.200 | 0.200 | 0.700 | 0.500 to 0.900 | 0.567 to 0.833 | +0.200 |"
        in ours
    )
    assert "dynunet/metrics.json) | - | - | - | 0.500 | 0.400 to 0.600 | - |  |  |  |" in without


@pytest.mark.parametrize(("choice", "epoch"), [("best", "2 of 4"), ("final", "4")])
def test_the_epoch_of_a_row_is_read_from_its_log_and_recipe(
    tmp_path: Path, choice: str, epoch: str
) -> None:
    header = "epoch,learning_rate,loss,dice_loss,cross_entropy,boundary,validation_dice,seconds"
    rows = [f"{number},1,1,1,1,1,{dice},1" for number, dice in enumerate((0.2, 0.7, "", 0.6), 1)]
    (tmp_path / "log.csv").write_text("\n".join([header, *rows]) + "\n")
    write_json({"predict_with": choice}, tmp_path / "config.json")
    assert epoch_of(tmp_path) == epoch


def test_folds_are_shown_one_by_one_and_with_all_their_cases(tmp_path: Path) -> None:
    matrix = dataclasses.replace(TINY, name="one", other_folds=("two", "three"))
    for fold, cases in (("one", {"1": 0.5, "2": 0.7}), ("two", {"3": 0.9, "4": 0.5})):
        records = [{"case_id": case_id, "dice": 0.4} for case_id in cases]
        write_json({"cases": records}, tmp_path / fold / "dynunet" / "metrics.json")
        draws_of_cases = {case_id: [dice - 0.1, dice + 0.1] for case_id, dice in cases.items()}
        at_click = {case_id: {"part_at_click": 0.45} for case_id in cases}
        write_json({"cases": at_click}, tmp_path / fold / "dynunet" / "click_after.json")
        file = tmp_path / fold / "promise" / "draws.json"
        assert (
            len(folds(matrix, tmp_path / "one")) == 2
        )  # no row yet, because fewer than two folds have draws.json; fold three never has it
        write_json({"dice": {PROMISE_PREDICT: draws_of_cases}}, file)
    *_, first, second, together = folds(matrix, tmp_path / "one")
    assert "[one](results/one/promise/draws.json) | 2 | 0.600 | 0.400 | +0.200 |" in first
    assert "[two](results/two/promise/draws.json) | 2 | 0.700 | 0.400 | +0.300 |" in second
    assert "| all | 4 | 0.650 | 0.400 | +0.250 |" in together
    assert together.endswith("| 4 | 0.450 | +0.200 |")  # the difference in all cases
    for fold, cases in (("one", ("1", "2")), ("two", ("3", "4"))):  # adds the last epoch
        shutil.copytree(tmp_path / fold / "dynunet", tmp_path / fold / "dynunet_last")
        followed = {"last": {"followed": {case_id: [0.7, 0.9] for case_id in cases}}}
        write_json(followed, tmp_path / fold / "promise" / "epochs.json")
    *_, together = folds(matrix, tmp_path / "one")
    assert together.startswith("| ProMISe; last epoch | all | 4 | 0.800 | 0.400 | +0.400 |")
    write_json({"dice": {PROMISE_PREDICT: {"1": [0.5]}}}, file)
    with pytest.raises(ValueError, match="promise: a case is tested in two folds"):
        folds(matrix, tmp_path / "one")


def test_a_table_of_an_unknown_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="no table 'scores' of a matrix 'spleen'"):
        render("<!-- spleen scores -->\n<!-- end -->\n")
