"""Thousands of cases take time and print lines in proportion, or less."""

import dataclasses
import json
from pathlib import Path

import pytest

from promise_cli.console import MOST_ROWS, show_table
from promise_cli.dataset import listing as listing_module
from promise_cli.dataset.folder import read_dataset
from promise_cli.dataset.listing import MOST_HINTS
from promise_cli.dataset.plan import case_key
from promise_cli.disk import records
from promise_cli.disk.records import record_text
from promise_cli.predict.listing import ListingText
from promise_cli.predict.summary import MOST_WARNINGS, show_new
from promise_cli.predictions.record import (
    ClickRecord,
    LesionRecord,
    PredictedCase,
    Predictions,
    SecondsRecord,
)
from tests.standins import plan_of


def predicted(name: str, **changes: object) -> PredictedCase:
    click = ClickRecord(
        given=(1.5, 2, 3),
        space="LPS",
        label=1,
        value=1,
        voxel=(1, 2, 3),
        ras_mm=(1, 2, 3),
        lps_mm=(-1, -2, 3),
        intensity=float("nan"),
        in_mask=True,
    )
    fields: dict = {
        "case_id": name,
        "scan": 'imgs/\n"a".nii.gz',
        "mask": "[\n  1,\n  2\n]",
        "probabilities": (),
        "key": '"cases": [],',
        "clicks": (click, click),
        "lesions": (LesionRecord(value=1, name="ü", num_voxels=1, volume_ml=1),),
        "windows": ((1, 2, 3), (4, 5, 6)),
        "closed": True,
        "num_voxels": 1,
        "volume_ml": 1.0,
        "clicks_outside_window": 0,
        "seconds": SecondsRecord(read=0, resample=0, network=0, write=0),
    }
    return PredictedCase(**fields | changes)


def listing(*cases: PredictedCase) -> Predictions:
    return Predictions(
        created="now",
        dataset="T",
        target_label=1,
        target_name="lump",
        labels=None,
        checkpoints=("a", "b"),
        prompts="",
        device="cpu",
        precision="fp32",
        max_windows=1,
        tta=False,
        values=(1, 2),
        cases=cases,
        without_click=("x",),
    )


def test_a_list_of_cases_is_written_as_any_record_is() -> None:
    text = ListingText()
    a, b = predicted("a"), predicted("b")
    for result in (
        listing(),
        listing(a),
        listing(a, b),
        listing(b, dataclasses.replace(a, clicks=(), windows=())),
        listing(a),
    ):
        assert text.of(result) == record_text(result)
        assert json.loads(text.of(result))["cases"] == json.loads(record_text(result))["cases"]


def test_a_case_that_is_listed_again_is_not_converted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text, cases = ListingText(), [predicted(f"case_{number}") for number in range(50)]
    text.of(listing(*cases))
    converted = []
    monkeypatch.setattr(
        "promise_cli.predict.listing.record_text",
        lambda record: converted.append(record) or record_text(record),
    )
    text.of(listing(*cases, predicted("new")))
    assert [one.case_id for one in converted if isinstance(one, PredictedCase)] == ["new"]


def test_the_key_of_a_plan_does_not_go_through_its_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(32)
    many = dataclasses.replace(plan, cases=tuple(map(str, range(10_000))))
    assert case_key(many) == case_key(plan)
    seen = []
    monkeypatch.setattr(
        "promise_cli.dataset.plan.record_to_json",
        lambda record: seen.append(record) or records.record_to_json(record),
    )
    case_key(many)
    assert seen[0].cases == ()


def test_similar_names_are_looked_for_only_for_the_first_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, name in (("imagesTr", "img"), ("labelsTr", "lab")):
        (tmp_path / part).mkdir()
        for number in range(300):
            (tmp_path / part / f"{name}_{number}.nii.gz").touch()
    (tmp_path / "dataset.json").write_text('{"labels": {"a": 1}}')
    compared = []
    monkeypatch.setattr(listing_module, "name_hint", lambda _, others: compared.append(len(others)))
    assert len(read_dataset(tmp_path, keep_broken=True).broken) == 600
    assert sum(compared) == MOST_HINTS * 300


def test_a_long_table_ends_with_the_file_that_has_all_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [(f"case_{number}", "1") for number in range(10_000)]
    show_table("scores", ("case", "Dice"), rows, file="metrics.csv")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < MOST_ROWS + 10
    assert lines[-1] == "and 9800 more rows; metrics.csv has all of them"
    show_table("scores", ("case", "Dice"), rows[:MOST_ROWS], file="metrics.csv")
    assert "more row" not in capsys.readouterr().out


def test_of_thousands_of_warnings_about_cases_the_first_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [predicted(f"case_{number}", num_voxels=0) for number in range(10_000)]
    show_new(tmp_path, cases, {"case_0": "really?"}, {"case_1": ("odd",)}, [])
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) < MOST_ROWS + 10
    assert shown.err.splitlines()[:4] == [
        "warning: case_0: really?",
        "warning: case_0: the mask is empty; is the click where it should be?",
        "warning: case_1: odd",
        "warning: case_1: the mask is empty; is the click where it should be?",
    ]
    assert shown.err.splitlines()[MOST_WARNINGS:] == ["warning: and 9902 more warnings like these"]
