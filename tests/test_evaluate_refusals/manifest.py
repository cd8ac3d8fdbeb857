"""Mistakes in predictions.json."""

import json
from pathlib import Path

from tests.conftest import edit_json
from tests.test_evaluate_refusals.mistakes import refuses


def write_manifest():
    content = {
        "created": "2026-01-02T10:00:00+00:00",
        "dataset": "labels",
        "target_label": 1,
        "target_name": "lump",
        "labels": "labels",
        "cases": [{"case_id": case, "mask": f"{case}.nii.gz"} for case in "ab"],
    }
    Path("masks/predictions.json").write_text(json.dumps(content))


@refuses(
    "masks/predictions.json: needs the fields dataset, target_label, target_name, and cases with case_id and"
    " mask; predict again or fix it"
)
def manifest_without_a_field():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.pop("target_label"))


@refuses(
    "masks/predictions.json: target_label: expected a whole number, found true; predict again or fix it"
)
def manifest_whose_target_is_true():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(target_label=True))


@refuses("masks/predictions.json: values: expected a list, found '12'; predict again or fix it")
def manifest_whose_values_are_text():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(values="12"))


@refuses(
    "masks/predictions.json: target_label and values hold 0, expected 1 or more; predict again or fix it"
)
def manifest_whose_values_hold_the_background():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(values=[0, 1]))


@refuses("masks/predictions.json: dataset: expected a text, found null; predict again or fix it")
def manifest_without_a_dataset():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(dataset=None))


@refuses("masks/predictions.json: case a is listed twice; predict again or fix it")
def manifest_that_lists_a_case_twice():
    write_manifest()
    edit_json(
        Path("masks/predictions.json"),
        lambda content: content["cases"].append({"case_id": "a", "mask": "b.nii.gz"}),
    )


@refuses(
    "masks/predictions.json: cases[1]: mask: expected a text, found 5; predict again or fix it"
)
def manifest_whose_mask_is_a_number():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content["cases"][1].update(mask=5))
