"""Mistakes in the folders and options of the command line."""

import json
import shutil
from pathlib import Path

from tests.test_evaluate_refusals.manifest import write_manifest
from tests.test_evaluate_refusals.mistakes import EXPECTED, refuses


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
    "masks: there is no predictions.json that names its labels; give PREDICTIONS LABELS", "masks"
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


@refuses("labels/dataset.json: label value 1 is named twice (lump, mass); name it once")
def label_that_is_named_twice():
    Path("labels/dataset.json").write_text(json.dumps({"labels": {"1": "lump", "01": "mass"}}))


@refuses(
    "labels/dataset.json: label '\u00b2': 'lump' is not a whole number or a list of whole numbers; correct it"
)
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


@refuses(
    "labels/dataset.json: label 'lump': 'x' is not a whole number or a list of whole numbers; correct it"
)
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
    "--protocol msd: no published tolerance is known for labels; the known ones are Task03_Liver 7 mm,"
    " Task07_Pancreas 5 mm, Task10_Colon 4 mm; use --tolerance instead",
    *("masks", "labels", "--protocol", "msd"),
)
def protocol_without_a_source():
    pass


@refuses(
    "--compare masks: these are the same predictions; name another set",
    *("masks", "labels", "--compare", "masks"),
)
def compared_with_itself():
    pass


@refuses(
    "other/c.nii.gz: this prediction has no label in labels; add the label or remove the prediction",
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
    "other.json: is not a metrics.json of schema version 1; evaluate those predictions again",
    *("masks", "labels", "--compare", "other.json"),
)
def compared_with_something_else():
    Path("other.json").write_text("[]")
