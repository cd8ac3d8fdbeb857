"""promise-predict takes clicks from every tool, and warns where their coordinate system looks wrong."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import predict_app
from promise_cli.disk.records import load_record
from promise_cli.predictions.record import Failures, Predictions
from promise_cli.prompts import Click, read_prompts
from promise_cli.scores.metrics import dice
from tests.balls import centre, label, mask_of, predict
from tests.scans import write_dicom
from tests.test_click_files.formats import write_everywhere


def _clicked(case: str = "ball_001") -> tuple[int, int, int]:
    record = load_record(Predictions, Path("predictions/imgs/predictions.json"))
    return next(of for of in record.cases if of.case_id == case).clicks[0].voxel


@pytest.mark.usefixtures("balls")
def test_the_same_click_in_every_format_leads_to_the_same_voxel_and_mask(tmp_path: Path) -> None:
    (tmp_path / "clicks").mkdir()
    affine = nib.load("imgs/ball_001.nii.gz").affine
    files = write_everywhere(tmp_path / "clicks", np.array(centre(1)), affine)
    shutil.copy("imgs/ball_001.nii.gz", tmp_path / "scan.nii.gz")
    chosen = [path for path in files if path.name.startswith(("LPS.mrk", "1.f", "mitk", "napari"))]
    for path in (*chosen, tmp_path / "clicks" / "full_RAS.json"):
        space = ["--space", files[path]] if files[path] else []
        line = ["-i", tmp_path / "scan.nii.gz", "-p", path, "-o", "out", *space, "--device", "cpu"]
        done = CliRunner().invoke(predict_app, [str(item) for item in line])
        assert done.exit_code == 0, done.stderr
        record = load_record(Predictions, Path("out/predictions.json"))
        assert list(record.cases[0].clicks[0].voxel) == centre(1), path.name
    assert dice(mask_of("out/scan.nii.gz") > 0, label(1)) > 0.8


@pytest.mark.usefixtures("balls")
def test_a_folder_of_slicer_files_gives_clicks_and_a_damaged_file_costs_one_case() -> None:
    done = predict("-p", "points.json", "--write-points", "clicks")
    assert done.exit_code == 0, done.stderr
    Path("clicks/ball_004.mrk.json").write_text('{"markups": [')
    shutil.rmtree("predictions")
    done = predict("-p", "clicks")
    assert done.exit_code == 1
    failures = load_record(Failures, Path("predictions/imgs/failures.json")).failures
    assert [failure.case_id for failure in failures] == ["ball_004"]
    for number in (1, 2, 3, 5, 6):
        assert dice(mask_of(f"predictions/imgs/ball_00{number}.nii.gz") > 0, label(number)) > 0.8


@pytest.mark.usefixtures("balls")
def test_points_on_the_command_line_may_be_voxels_or_millimetres() -> None:
    scan = "imgs/ball_001.nii.gz"
    x, y, z = nib.affines.apply_affine(nib.load(scan).affine, centre(1)) * (-1, -1, 1)
    for arguments in (
        ["--point", *centre(1)],
        ["--point", f"{x}", f"{y}", f"{z}", "--space", "lps"],
        ["--point", f"{-x}", f"{-y}", f"{z}", "--space", "RAS"],
    ):
        line = ["-i", scan, "-o", "predictions/imgs", "--device", "cpu", *arguments]
        done = CliRunner().invoke(predict_app, [str(item) for item in line])
        assert done.exit_code == 0, done.stderr
        assert list(_clicked()) == centre(1)
    record = load_record(Predictions, Path("predictions/imgs/predictions.json"))
    assert record.cases[0].clicks[0].space == "RAS"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--point", "1", "2", "3"], 1, "--point: needs a single scan, but imgs holds 6; give one"),
        (["--point", "1", "2"], 2, "each click needs three numbers, found 2"),
        ([], 2, "no clicks; give them with -p or --point, or give"),
        (["-p", "points.json", "--point", "1", "2", "3"], 1, "-p and --point both give clicks"),
        (["-p", "points.json", "--space", "world"], 1, "--space world: unknown; use one of voxel,"),
        (["-p", "points.json", "--single-window", "--max-windows", "3"], 2, "contradicts"),
        (["-p", "imgs/ball_001.nii.gz"], 1, "not a click file; click files end in .mrk.json"),
        (["-p", "imgs"], 1, "imgs: no click file in this folder; click files end in .mrk.json"),
    ],
)
@pytest.mark.usefixtures("balls")
def test_contradicting_options_are_refused_before_anything_is_written(
    arguments: list[str], status: int, message: str
) -> None:
    done = predict(*arguments)
    assert done.exit_code == status
    assert message in done.stderr
    assert not Path("predictions").exists()


@pytest.mark.usefixtures("balls")
def test_a_click_on_air_or_metal_warns_about_the_coordinate_system() -> None:
    image = nib.load("imgs/ball_001.nii.gz")
    array = np.asanyarray(image.dataobj).copy()
    array[1, 2, 3], array[3, 2, 1] = -1000, 3000
    nib.save(nib.Nifti1Image(array, image.affine, image.header), "imgs/ball_001.nii.gz")
    for point, kind in (
        ([1, 2, 3], "-1000, which looks like air"),
        ([3, 2, 1], "3000, which looks like metal"),
    ):
        Path("points.json").write_text(json.dumps({"ball_001": point}))
        (warning,) = [
            line
            for line in predict("-p", "points.json").stderr.splitlines()
            if "coordinate system" in line
        ]
        shown = f"({point[0]}, {point[1]}, {point[2]})"
        assert warning.startswith(
            f"warning: ball_001: the click {shown} voxel lies on intensity {kind}"
        )
        assert "is the coordinate system right? (as voxel_zyx it would be voxel" in warning
    Path("points.json").write_text(json.dumps({"ball_001": centre(1)}))
    assert "coordinate system" not in predict("-p", "points.json").stderr


@pytest.mark.usefixtures("balls")
def test_write_points_writes_clicks_as_voxels_even_without_a_network(tmp_path: Path) -> None:
    shutil.rmtree("results")
    done = predict("-p", "points.json", "--write-points", "out.json")
    assert done.exit_code == 0, done.stderr
    assert "The clicks are written; nothing was predicted" in done.stdout
    i, j, k = centre(1)
    assert read_prompts(Path("out.json"))["ball_001"] == (Click((i, j, k)),)
    scan = ["-i", "imgs/ball_001.nii.gz", "-p", "points.json", "--write-points"]
    assert CliRunner().invoke(predict_app, [*scan, "one.mrk.json"]).exit_code == 0
    assert CliRunner().invoke(predict_app, [*scan, str(tmp_path / "folder")]).exit_code == 0
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["ball_001.mrk.json"]
    for arguments, message in (
        (["-p", "points.json", "--write-points", "out.json"], "out.json: exists already"),
        (["-p", "points.json", "--write-points", "points.json", "--overwrite"], "exists already"),
        (["-p", "points.json", "--write-points", "x.mrk.json"], "holds one case, found 6"),
    ):
        refused = predict(*arguments)
        assert refused.exit_code == 1
        assert message in refused.stderr


@pytest.mark.usefixtures("balls")
def test_a_folder_of_dicom_slices_is_a_scan() -> None:
    source = nib.load("imgs/ball_002.nii.gz")
    array = np.asanyarray(source.dataobj)
    write_dicom(Path("ct") / "patient_7", array, np.diag([-1, -1, 2, 1.0]))
    done = CliRunner().invoke(
        predict_app,
        ["-i", "ct", "--point", *map(str, centre(2)), "--device", "cpu", "--same-format"],
    )
    assert done.exit_code == 0, done.stderr
    mask = mask_of("predictions/ct/patient_7.nii.gz")
    assert dice(mask > 0, label(2)) > 0.5
    assert nib.load("predictions/ct/patient_7.nii.gz").header.get_zooms() == (1, 1, 2)


@pytest.mark.usefixtures("balls")
def test_auto_predicts_whole_scans_that_have_no_clicks_in_the_file() -> None:
    Path("points.json").write_text(json.dumps({"ball_002": centre(2)}))
    done = predict("-p", "points.json", "--auto")
    assert done.exit_code == 0, done.stderr
    record = load_record(Predictions, Path("predictions/imgs/predictions.json"))
    assert {case.case_id: len(case.clicks) for case in record.cases} == {
        f"ball_00{number}": int(number == 2) for number in range(1, 7)
    }
    assert record.without_click == ()


@pytest.mark.usefixtures("balls")
def test_a_second_channel_is_no_scan_unless_a_click_names_it() -> None:
    for number in (1, 2):
        Path(f"imgs/ball_00{number}.nii.gz").rename(f"imgs/ball_00{number}_0000.nii.gz")
        shutil.copy(f"imgs/ball_00{number}_0000.nii.gz", f"imgs/ball_00{number}_0001.nii.gz")
    Path("points.json").write_text(
        json.dumps({"ball_001": centre(1), "ball_002_0001": centre(2), "ball_003": centre(3)})
    )
    done = predict("-p", "points.json", "--auto")
    assert done.exit_code == 0, done.stderr
    assert (
        "warning: imgs/ball_001_0001.nii.gz: channel 2 of case ball_001; this network sees only the first channel, so 1"
        " such file is left out; rename a file that is a scan of its own"
    ) in done.stderr.splitlines()
    assert sorted(path.name for path in Path("predictions/imgs").glob("ball_00[12]*")) == [
        "ball_001.nii.gz",
        "ball_002.nii.gz",
        "ball_002_0001.nii.gz",
    ]


@pytest.mark.usefixtures("balls")
def test_a_click_on_a_folder_of_one_scan_with_two_channels_is_on_the_first() -> None:
    Path("one").mkdir()
    for channel in ("0000", "0001"):
        shutil.copy("imgs/ball_001.nii.gz", f"one/ball_001_{channel}.nii.gz")
    line = ["-i", "one", "--device", "cpu", "--point", *map(str, centre(1))]
    done = CliRunner().invoke(predict_app, line)
    assert done.exit_code == 0, done.stderr
    assert [path.name for path in Path("predictions/one").glob("*.gz")] == ["ball_001.nii.gz"]
