"""Whatever may be wrong with a dataset ends promise-preprocess with one line, whose exact words are given here."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import preprocess_app
from tests import damage as d
from tests.conftest import affine_of, edit_json

IMAGE, LABEL = "imagesTr/ball_002.nii.gz", "labelsTr/ball_002.nii.gz"
FORMATS = "scans end in .nii.gz, .nii, .nrrd, .mha or .mhd, or are a folder of DICOM slices"
ON_THE_GRID = "export the label on the image's grid"
SINGULAR = (
    "[[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]]"
)


def _run(dataset: Path, *options: str):
    line = [str(dataset), "--root", str(dataset.parent), "--workers", "0", *options]
    return CliRunner().invoke(preprocess_app, line)


IMAGES = [
    (lambda folder: d.image(folder).unlink(), f"{IMAGE}: no such image, but ball_002.nii.gz is listed as its label; add"
     " the image or remove the case from dataset.json"),
    (d.content(d.image, b""), f"{IMAGE}: not readable as NIfTI (the file is empty); copy or export it again"),
    (d.content(d.image, b"no scan"), f"{IMAGE}: not readable as NIfTI (it is not compressed with gzip, although"
     " its name ends in .gz); copy or export it again"),
    (d.unpacked, f"{IMAGE}: not readable as NIfTI (it is not compressed with gzip, although its name ends in .gz);"
     " copy or export it again"),
    (d.cut(d.image, 3000), f"{IMAGE}: truncated or damaged (the compressed data end too early); copy or download it"
     " again"),
    (d.cut(d.image, -5), f"{IMAGE}: truncated or damaged (the compressed data end too early); copy or download it"
     " again"),
    (d.flip, f"{IMAGE}: truncated or damaged (the compressed data are damaged); copy or"
     " download it again"),
    (d.short_gzip, f"{IMAGE}: truncated or damaged (29372 of 29472 bytes); copy or download it again"),
    (d.plain_cut, "imagesTr/ball_002.nii: truncated or damaged (29020 of 29120 bytes); copy or"
     " download it again"),
    (d.set_image(d.with_value(np.nan)), f"{IMAGE}: 1 voxel is NaN or infinite; repair or leave out this scan"),
    (d.set_image(d.with_value(-np.inf)), f"{IMAGE}: 1 voxel is NaN or infinite; repair or leave out this scan"),
    (d.scaled, f"{IMAGE}: 14560 voxels are NaN or infinite; repair or leave out this scan"),
    (d.set_image(d.HU[..., 0]), f"{IMAGE}: expected a 3D scan with one channel, found 28 x 26; extract one volume"),
    (d.set_image(np.stack([d.HU, d.HU], -1)), f"{IMAGE}: expected a 3D scan with one channel, found 28 x 26 x 20 x 2;"
     " extract one volume"),
    (d.colours, f"{IMAGE}: holds colours (R, G, B), not one number per voxel; convert it"),
    (d.set_image(np.zeros(d.SHAPE, np.complex64)), f"{IMAGE}: holds complex64 values, not one number per voxel; convert"
     " it"),
    (d.patch(42, b"\x00\x7f\x00\x7f\x00\x7f"), f"{IMAGE}: truncated or damaged (the header promises 68732328083808"
     " bytes, but the file cannot hold more than {most}); copy or download it again"),
    (d.patch(42, b"\0\0"), f"{IMAGE}: a grid of 0 x 26 x 20 voxels is empty; repair the header"),
    (d.pixdim(1, 0), f"{IMAGE}: the header gives a voxel size of 0 x 0.9 x 1.5 mm, which is impossible;"
     " correct its pixdim"),
    (d.pixdim(2, -0.9), f"{IMAGE}: the header gives a voxel size of 1 x -0.9 x 1.5 mm, which is impossible;"
     " correct its pixdim"),
    (d.sform((0, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)), f"{IMAGE}: the affine {SINGULAR} cannot be inverted; repair"
     " the header"),
    (d.sform((np.nan, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)), f"{IMAGE}: the affine"
     f" {SINGULAR.replace('0.0', 'nan', 1)} cannot be inverted; repair the header"),
    (d.set_image(d.HU, d.AFFINE @ np.diag([1000, 1000, 1000, 1])), f"{IMAGE}: a voxel size of 1000 x 900 x 1500 mm"
     " is impossible; correct the header's units"),
    (d.as_format(".png"), "imagesTr/ball_002.png: not a scan; scans and labels end in .nii.gz, .nii, .nrrd, .mha or"
     " .mhd, or are a folder of DICOM slices"),
    (d.as_format(".nrrd", d.cut_path), "imagesTr/ball_002.nrrd: truncated or damaged (the compressed data end too"
     " early); copy or download it again"),
    (d.as_format(".mha", d.cut_path), "imagesTr/ball_002.mha: truncated or damaged (29020 of 29120 bytes); copy or"
     " download it again"),
    (d.as_format(".mha", d.respace), "imagesTr/ball_002.mha: the header gives a voxel size of 1 x 0 x 1.5 mm, which"
     " is impossible; correct it"),
    (d.as_format(".mhd", lambda path: path.with_suffix(".raw").unlink()), "imagesTr/ball_002.mhd: its voxels are in"
     " {folder}/imagesTr/ball_002.raw, which is missing; add it"),
    (d.as_format("", d.two_series), "imagesTr/ball_002: holds 2 DICOM series (1.2.3 'soft' with 4 slices; 1.2.4 'lung'"
     " with 1 slice); keep one of them in the folder"),
    (d.as_format("", d.missing_slices), "imagesTr/ball_002: 2 of 20 slices are missing (the first between s06 and s09,"
     " 4.5 mm apart instead of 1.5); export the series again"),
    (d.as_format("", lambda path: path.mkdir()), "imagesTr/ball_002: no DICOM slices in this folder; give a scan file"
     " or a folder of slices"),
]  # fmt: skip

LABELS = [
    (lambda folder: d.label(folder).unlink(), f"{LABEL}: no such label for image ball_002.nii.gz; add the label or"
     " remove the case from dataset.json"),
    (lambda folder: d.label(folder).rename(folder / "labelsTr" / "stray.nii.gz"), f"{LABEL}: no such label for image"
     " ball_002.nii.gz; add the label or remove the case from dataset.json"),
    (d.cut(d.label, 150), f"{LABEL}: truncated or damaged (the compressed data end too early); copy or download it"
     " again"),
    (d.set_label(np.ones((28, 26, 21), np.uint8)), f"{LABEL}: 28 x 26 x 21 voxels, but its image has 28 x 26 x 20;"
     f" {ON_THE_GRID}"),
    (d.set_label(d.CUBE, affine_of("PIR", (1, 0.9, 1.5), (23, -50, 5))), f"{LABEL}: its corners lie up to 3 mm from"
     f" those of its image (spacing or affine differ); {ON_THE_GRID}"),
    (d.set_label(d.CUBE, affine_of("PIR", (1, 0.9, 2), (20, -50, 5))), f"{LABEL}: its corners lie up to 9.5 mm from"
     f" those of its image (spacing or affine differ); {ON_THE_GRID}"),
    (d.set_label(d.CUBE, affine_of("AIR", (1, 0.9, 1.5), (20, -50, 5))), f"{LABEL}: its corners lie up to 54 mm from"
     " those of its image (its axes point to AIR instead of PIR: was it flipped or turned, or is it of another scan?);"
     f" {ON_THE_GRID}"),
    (d.set_label(d.with_value(0.5)), f"{LABEL}: a label must hold whole numbers, found 0.5; is this an image?"),
    (d.set_label(d.with_value(np.nan)), f"{LABEL}: holds NaN, infinity or huge numbers; a label holds small whole"
     " numbers"),
    (d.set_label(d.CUBE * 7), f"{LABEL}: label value 7 is not in dataset.json (0 and 1); correct the label or"
     " dataset.json"),
    (d.set_label(-d.CUBE.astype(np.int16)), f"{LABEL}: label value -1 is not in dataset.json (0 and 1); correct the"
     " label or dataset.json"),
    (d.set_label(d.CUBE * 0), f"{LABEL}: the label is empty: no voxel of 1 (tumour); correct it, or leave the case out"
     " with --skip-bad"),
    (d.set_label(d.HU % 9), f"{LABEL}: label values 2, 3, 4, 5, 6 and 2 more are not in dataset.json (0 and 1); correct"
     " the label or dataset.json"),
    (d.same_file, f"{IMAGE}: image and label are the same file; correct dataset.json"),
    (lambda folder: d.label(folder).unlink() or d.label(folder).mkdir(), f"{LABEL}: a folder; a label is one file,"
     " such as ball_002.nii.gz"),
]  # fmt: skip

DESCRIPTIONS = [
    (lambda folder: (folder / "dataset.json").unlink(), "!: no dataset.json; expected an MSD folder with dataset.json,"
     " imagesTr and labelsTr"),
    (d.raw_description("{"), "dataset.json: not readable as JSON (Expecting property name enclosed in double quotes:"
     " line 1 column 2 (char 1)); fix or recreate the file"),
    (d.raw_description('{"labels": {}, "labels": {}}'), "dataset.json: not readable as JSON ('labels' is named twice);"
     " fix or recreate the file"),
    (d.raw_description("[]"), "dataset.json: expected an object with labels and training, found list"),
    (d.description(labels=None), "dataset.json: no labels; expected for example {'0': 'background', '1': 'tumour'}"),
    (d.description(labels={"0": "background"}), "dataset.json: labels has no entry besides background; add the"
     " target"),
    (d.description(labels={"tumour": "one"}), "dataset.json: label 'tumour': 'one' is not a whole number; correct it"),
    (d.description(labels={"whole": [1, 2]}), "dataset.json: label 'whole' is a region of several values [1, 2]; give"
     " each label one whole number, or segment each region with --objects each"),
    (d.description(labels={"1": "tumour", "01": "cyst"}), "dataset.json: label value 1 is named twice (tumour, cyst);"
     " name it once"),
    (d.description(training=None, dataset={"../out": {"images": [IMAGE], "label": LABEL}}), f"{IMAGE}: '../out'"
     " cannot be the name of a case; rename it"),
    (d.description(training={}), "dataset.json: training is not a list of images and labels; correct it"),
    (d.description(training=[]), "dataset.json: lists no case in training or dataset; list at least one"),
    (d.training(lambda cases: cases[1].pop("label")), "dataset.json: training entry"
     " {'image': './imagesTr/ball_002.nii.gz'} has no image or no label; add it"),
    (d.training(lambda cases: cases.append(cases[1])), "dataset.json: case ball_002 is listed twice in training; list"
     " it once"),
    (d.nnunet(d.copy_image("ball_002.nii")), f"{IMAGE}: the same case as ball_002.nii; keep one of the two"),
    (d.nnunet(lambda folder: d.label(folder).unlink()), f"{IMAGE}: image without label; add {LABEL} or remove it"),
    (d.nnunet(lambda folder: shutil.rmtree(folder / "labelsTr")), "labelsTr: no such folder"),
    (d.nnunet(d.description(file_ending=".png")), f"dataset.json: file_ending '.png' is not supported; {FORMATS}"),
    (d.nnunet(lambda folder: d.copy_image("ball_002_0000.nii.gz")(folder) or d.image(folder).rename(
        folder / "imagesTr" / "ball_002_0001.nii.gz")), "imagesTr/ball_002_0001.nii.gz: channel 2 of case"
     " ball_002, but dataset.json declares one channel; declare all of them, or keep one file per case"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "line"),
    [*IMAGES, *LABELS, *DESCRIPTIONS],
    ids=[f"{name}{n}" for name, rows in (("image", IMAGES), ("label", LABELS), ("json", DESCRIPTIONS))
         for n in range(len(rows))],
)  # fmt: skip
def test_a_bad_dataset_is_refused_with_exactly_this_line(dataset: Path, damage, line: str) -> None:
    damage(dataset)
    result = _run(dataset)
    where = str(dataset) + ("" if line.startswith("!") else "/")
    line = line.removeprefix("!").replace("{folder}", str(dataset))
    if "{most}" in line:
        line = line.replace("{most}", str(d.image(dataset).stat().st_size * 1032 + 2**20))
    assert result.exit_code == 1
    if (
        f"problem (paths below {dataset})" not in result.stdout
    ):  # it was found before any case was read
        assert result.stderr == f"error: {where}{line}\n"
    else:
        row = next(text for text in result.stdout.splitlines() if text.startswith("  ball_002"))
        assert row.split(maxsplit=2)[1:] == ["error", line]
        assert re.fullmatch(
            rf"error: {dataset}: [12] of [67] cases cannot be used \(table above\); correct (it|them), or leave"
            r" (it|them) out with --skip-bad\n",
            result.stderr,
        )
    assert not (dataset.parent / "preprocessed").exists()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--target-label", "cyst"), "Task98_Balls: no label 'cyst'; --target-label takes one of: 1 tumour"),
        (("--shard", "0/4"), "--shard 0/4: not a part of a job; give I/N counted from 1, such as 3/16 for the third of"
         " 16"),
        (("--splits", "none.json"), "none.json: no such file"),
    ],
)  # fmt: skip
def test_a_bad_option_ends_in_exactly_this_line(dataset: Path, options, line: str) -> None:
    result = _run(dataset, *options)
    assert (result.exit_code, result.stderr) == (1, f"error: {line}\n")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"spaceing": [1, 1, 1]}, "unknown field 'spaceing'; did you mean 'spacing'?"),
        ({"orientation": "LPS"}, "orientation: found 'LPS'; use one of RAS, as_stored"),
        ({"spacing": [1, 1]}, "spacing: expected 3 values, found 2"),
        ({"spacing": [0, 1, 1]}, "spacing must lie between 0.05 and 50 mm, found (0.0, 1.0, 1.0)"),
        ({"patch_size": 127}, "patch_size must be a multiple of 4 from 8 to 512, found 127"),
        ({"patch_size": "128"}, "patch_size: expected a whole number, found '128'"),
        ({"target_label": 0}, "target_label must be at least 1, found 0"),
        (
            {"target_label": 7},
            "target_label 7 is not a label of dataset.json; correct it, or add --overwrite to plan anew",
        ),
    ],
)
def test_a_mistake_in_a_plan_ends_in_exactly_this_line(
    dataset: Path, fields: dict, message: str
) -> None:
    _run(dataset)
    path = dataset.parent / "preprocessed" / "Task98_Balls" / "plans.json"
    edit_json(path, lambda plan: plan.update(fields))
    result = _run(dataset)
    assert (result.exit_code, result.stderr) == (1, f"error: {path}: {message}\n")


@pytest.mark.parametrize(
    ("damage", "note"),
    [
        (d.set_image(np.clip(d.HU, 0, 255)), "intensities from 0 to 255 in a CT scan: windowed or shifted instead of"
         " HU?"),
        (d.set_image((d.HU + 1000).astype(np.uint16)), "intensities from 0 to 1999 in a CT scan: windowed or shifted"
         " instead of HU?"),
        (d.set_image(np.clip(d.HU, -160, 240)), "intensities from -160 to 240 in a CT scan, many of them at either end:"
         " windowed instead of HU?"),
        (d.set_image((d.HU / 500).astype(np.float32)), "intensities from -2 to 1.998 in a CT scan: normalised instead"
         " of HU?"),
        (d.set_image(d.HU * 0 - 5), "every voxel is -5; is this the scan?"),
        (d.pixdim(1, 1.4), "the header gives a voxel size of 1.4 x 0.9 x 1.5 mm, its affine 1 x 0.9 x 1.5 mm; the"
         " affine is used"),
        (d.same_as_another, "the same scan as case ball_001; they may be put into different folds"),
        (d.sheared, "axes differ from right angles by 9.46 degrees (a tilted gantry?); the affine is kept as it is"),
    ],
)  # fmt: skip
def test_an_oddity_is_a_warning_in_the_table_and_a_note_in_the_fingerprint(
    dataset: Path, damage, note: str
) -> None:
    damage(dataset)
    result = _run(dataset)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[1:4] == [
        "verified 6 cases: 0 errors in 0 cases, 1 warning",
        f"  case      severity  problem (paths below {dataset})",
        f"  ball_002  warning   {IMAGE}: {note}",
    ]
    fingerprint = dataset.parent / "preprocessed" / "Task98_Balls" / "fingerprint.json"
    assert f'"{IMAGE}: {note}"' in fingerprint.read_text()
