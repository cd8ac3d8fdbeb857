"""There are five folds that share no test case, and published folds are used where they exist."""

import json
from pathlib import Path

import pytest

from promise_cli.dataset.splits import make_splits, splits_of_dataset
from promise_cli.errors import DatasetError, PlanError
from tests.conftest import SHARED

IDS = [f"case_{number:03d}" for number in range(100)]


@pytest.mark.parametrize("count", [5, 6, 13, 38, 100])
def test_test_sets_share_no_case_and_cover_all(count: int) -> None:
    folds = make_splits(IDS[:count])
    assert len(folds) == 5
    assert sorted(case for fold in folds for case in fold.test) == IDS[:count]
    for fold in folds:
        assert sorted((*fold.train, *fold.val, *fold.test)) == IDS[:count]
        assert fold.train
        assert fold.val


def test_train_val_and_test_are_seven_one_and_two_tenths_of_the_cases() -> None:
    for fold in make_splits(IDS):
        assert (len(fold.train), len(fold.val), len(fold.test)) == (70, 10, 20)


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_cases() -> None:
    assert make_splits(IDS) == make_splits(reversed(IDS))
    assert make_splits(IDS) != make_splits(IDS, seed=1)


def test_fewer_than_five_cases_are_refused() -> None:
    with pytest.raises(DatasetError, match="found 4 usable cases; 5 folds need at least 5"):
        make_splits(IDS[:4])


@pytest.mark.parametrize(
    ("name", "counts", "first_test"),
    [
        ("Task07_Pancreas", (196, 28, 57), {"pancreas_299", "pancreas_246", "pancreas_303"}),
        ("Task10_Colon", (89, 11, 26), {"colon_008", "colon_009", "colon_218"}),
    ],
)
def test_published_folds_are_used_for_the_papers_datasets(
    name: str, counts: tuple, first_test: set
) -> None:
    folds = splits_of_dataset(name, _published_ids(name)).folds
    assert (len(folds[0].train), len(folds[0].val), len(folds[0].test)) == counts
    assert first_test <= set(folds[0].test)
    tests = [case for fold in folds for case in fold.test]
    assert len(set(tests)) == len(tests) == sum(counts)


@pytest.mark.parametrize("name", ["Task07_Pancreas", "Task10_Colon"])
def test_the_packaged_folds_equal_the_published_files(name: str) -> None:
    path = SHARED / "splits" / f"{name}.json"
    if not path.exists():
        pytest.skip("the published splits are not next to the checkout")
    for fold, published in zip(
        splits_of_dataset(name, _published_ids(name)).folds,
        json.loads(path.read_text())["folds"],
        strict=True,
    ):
        for part in ("train", "val", "test"):
            assert list(getattr(fold, part)) == published[part]


def test_published_folds_leave_out_missing_cases() -> None:
    ids = _published_ids("Task10_Colon")[:100]
    splits = splits_of_dataset("Task10_Colon", ids)
    assert "26 of their cases are missing here" in splits.source
    assert sorted(case for fold in splits.folds for case in fold.test) == sorted(ids)


def test_another_dataset_of_that_name_gets_folds_of_its_own() -> None:
    assert splits_of_dataset("Task10_Colon", IDS).folds == make_splits(IDS)


def test_folds_are_read_from_a_file(tmp_path: Path) -> None:
    fold = {"train": IDS[:3], "val": IDS[3:4], "test": IDS[4:5]}
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"source": "mine", "folds": [fold]}))
    assert splits_of_dataset("Task01", IDS, path).folds[0].test == (IDS[4],)


def test_nnunets_folds_are_read_and_their_val_cases_become_test_cases(tmp_path: Path) -> None:
    path = tmp_path / "splits_final.json"
    path.write_text(json.dumps([{"train": IDS[:3], "val": IDS[3:5]}]))
    fold = splits_of_dataset("Task01", IDS, path).folds[0]
    assert (fold.train, fold.val, fold.test) == (tuple(IDS[:3]), (), tuple(IDS[3:5]))


def test_an_unknown_case_or_one_listed_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"source": "", "folds": [{"train": ["x"], "val": [], "test": []}]}))
    with pytest.raises(DatasetError, match="fold 0 names case x, which is not in the dataset"):
        splits_of_dataset("Task01", IDS, path)
    path.write_text(
        json.dumps({"source": "", "folds": [{"train": IDS[:1], "val": [], "test": IDS[:1]}]})
    )
    with pytest.raises(PlanError, match="case case_000 is listed twice in one fold"):
        splits_of_dataset("Task01", IDS, path)


def _published_ids(name: str) -> list[str]:
    path = Path(__file__).parents[1] / "promise_cli" / "data" / f"{name}.json"
    fold = json.loads(path.read_text())["folds"][0]
    return [*fold["train"], *fold["val"], *fold["test"]]
