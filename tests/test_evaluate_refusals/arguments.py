"""Mistakes in the folders and options that are named."""

import json
import shutil
from pathlib import Path

from tests.conftest import edit_json
from tests.test_evaluate_refusals.mistakes import EXPECTED, refuses


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


@refuses("nowhere: no such file or folder; " + EXPECTED, "nowhere", "labels")
def no_such_folder():
    pass


@refuses("bare: no mask in it; " + EXPECTED, "bare", "labels")
def empty_folder():
    Path("bare").mkdir()


@refuses("notes.txt: not a mask; " + EXPECTED, "masks", "notes.txt")
def text_file():
    Path("notes.txt").write_text("")


@refuses("masks: predictions and labels are the same; give PREDICTIONS LABELS", "masks", "masks")
def labels_are_the_predictions():
    pass


@refuses(
    "masks: holds predictions.json, so these are predictions; the order is PREDICTIONS LABELS",
    "labels",
    "masks",
)
def folders_in_the_wrong_order():
    write_manifest()


@refuses(
    "masks: no predictions.json says which labels belong to it; give PREDICTIONS LABELS", "masks"
)
def labels_left_out():
    pass


@refuses(
    "predictions: no predictions; run promise-predict first, or give PREDICTIONS LABELS",
    "--root",
    ".",
)
def nothing_predicted_yet():
    pass


@refuses(
    "masks/predictions.json: needs dataset, target_label, target_name, labels, and cases with case_id and mask; predict"
    " again or mend it"
)
def manifest_without_a_field():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.pop("target_label"))


@refuses(
    "masks/predictions.json: target_label: expected a whole number, found True; predict again or mend it"
)
def manifest_whose_target_is_true():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(target_label=True))


@refuses("masks/predictions.json: values: expected a list, found '12'; predict again or mend it")
def manifest_whose_values_are_text():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(values="12"))


@refuses(
    "masks/predictions.json: target_label and values hold 0, expected 1 or more; predict again or mend it"
)
def manifest_whose_values_hold_the_background():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(values=[0, 1]))


@refuses("masks/predictions.json: dataset: expected a text, found None; predict again or mend it")
def manifest_without_a_dataset():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content.update(dataset=None))


@refuses("masks/predictions.json: case a is listed twice; predict again or mend it")
def manifest_that_lists_a_case_twice():
    write_manifest()
    edit_json(
        Path("masks/predictions.json"),
        lambda content: content["cases"].append({"case_id": "a", "mask": "b.nii.gz"}),
    )


@refuses(
    "masks/predictions.json: cases[1]: mask: expected a text, found 5; predict again or mend it"
)
def manifest_whose_mask_is_a_number():
    write_manifest()
    edit_json(Path("masks/predictions.json"), lambda content: content["cases"][1].update(mask=5))


@refuses("labels/dataset.json: label value 1 is named twice (lump, mass); name it once")
def label_that_is_named_twice():
    Path("labels/dataset.json").write_text(json.dumps({"labels": {"1": "lump", "01": "mass"}}))


@refuses("labels/dataset.json: label '\u00b2': 'lump' names no whole number; mend it")
def label_of_a_superscript():
    Path("labels/dataset.json").write_text(json.dumps({"labels": {"\u00b2": "lump"}}))


@refuses(
    "masks: no prediction for any of 2 cases, so --missing skip leaves none; predict them, or use --missing zero",
    *("masks", "labels", "--missing", "skip"),
)
def all_predictions_missing_and_skipped():
    for case in "ab":
        Path(f"masks/{case}.nii.gz").unlink()


@refuses("--tolerance 1e+300: use at most 1000 mm", "masks", "labels", "--tolerance", "1e300")
def tolerance_beyond_any_scan():
    pass


@refuses("labels/dataset.json: label 'lump': 'x' names no whole number; mend it")
def label_without_a_number():
    Path("labels/dataset.json").write_text(json.dumps({"labels": {"lump": "x"}}))


@refuses("--tolerance -1: use a length in mm, 0 or more", "masks", "labels", "--tolerance", "-1")
def negative_tolerance():
    pass


@refuses(
    "--protocol msd sets the tolerance itself; leave out --tolerance",
    *("masks", "labels", "--protocol", "msd", "--tolerance", "5"),
)
def tolerance_beside_a_protocol():
    pass


@refuses(
    "--protocol msd: no tolerance with a source for labels; known are Task03_Liver 7 mm, Task07_Pancreas 5 mm,"
    " Task10_Colon 4 mm; use --tolerance",
    *("masks", "labels", "--protocol", "msd"),
)
def protocol_without_a_source():
    pass


@refuses(
    "notes.txt: results need a folder, found a file; give another -o",
    *("masks", "labels", "-o", "notes.txt"),
)
def output_that_is_a_file():
    Path("notes.txt").write_text("")


@refuses(
    "notes.txt/below: cannot be written to (Not a directory); name another folder with -o",
    *("masks", "labels", "-o", "notes.txt/below"),
)
def output_below_a_file():
    Path("notes.txt").write_text("")
    Path("masks/a.nii.gz").write_bytes(b"never read, as the output is looked at first")


@refuses(
    "masks/metrics.csv: there already, and not written by promise-evaluate; name another folder with -o"
)
def table_of_somebody_else():
    Path("masks/metrics.csv").write_text("case,dice\na,0.5\n")


@refuses(
    "masks/metrics.md: there already, and not written by promise-evaluate; name another folder with -o"
)
def notes_of_somebody_else():
    Path("masks/metrics.md").write_text("# My metrics\n")


@refuses(
    "masks/metrics.json: there already, and not written by promise-evaluate; name another folder with -o"
)
def scores_of_somebody_else():
    Path("masks/metrics.json").write_text('{"dice": 0.5}')


@refuses(
    "masks/report.html: there already, and neither of promise-predict nor of an evaluation of masks; name another"
    " folder with -o, or use --no-report"
)
def page_of_somebody_else():
    Path("masks/report.html").write_text("<html>my page</html>")


@refuses(
    "masks/prediction.html: there already, and neither of promise-predict nor of an evaluation of masks; name another"
    " folder with -o, or use --no-report"
)
def page_of_predictions_that_cannot_be_kept():
    Path("masks/prediction.html").write_text("<html>my page</html>")
    Path("masks/report.html").write_text('<meta name="generator" content="promise-predict">')


@refuses(
    "masks/summary.json: there already, and not written by promise-evaluate; name another folder with -o",
    *("masks", "labels", "--format", "nnunet"),
)
def summary_of_nnunet_itself():
    Path("masks/summary.json").write_text("{}")


@refuses(
    "--compare masks: these are the same predictions; name another set",
    *("masks", "labels", "--compare", "masks"),
)
def compared_with_itself():
    pass


@refuses(
    "other/c.nii.gz: a prediction without a label in labels; add the label or take the prediction out",
    *("masks", "labels", "--compare", "other"),
)
def compared_with_other_cases():
    shutil.copytree("masks", "other")
    shutil.move("other/b.nii.gz", "other/c.nii.gz")


@refuses(
    "other: no prediction for 1 of 2 cases: b; predict them, or use --missing zero or --missing skip",
    *("masks", "labels", "--compare", "other"),
)
def compared_with_fewer_cases():
    shutil.copytree("masks", "other")
    Path("other/b.nii.gz").unlink()


@refuses(
    "other.json: no metrics.json of schema version 1; evaluate those predictions again",
    *("masks", "labels", "--compare", "other.json"),
)
def compared_with_something_else():
    Path("other.json").write_text("[]")
