"""From Python, scans may be paths, images or arrays, and a session saves its mask on the scan's grid."""

import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from promise_cli.errors import CheckpointError, PromptError, VolumeError
from promise_cli.session.predictor import Predictor
from promise_cli.volume import scan_of_array, scan_of_image
from tests.balls import centre
from tests.conftest import OBLIQUE, RUN, affine_of, write_nifti
from tests.standins import PerfectWindow, predictor_of

ROOT = Path(__file__).resolve().parents[1]
CLICK = (9, 12, 7)


def _scan(tmp_path: Path, axes: str = "LPS") -> Path:
    """Write a scan with a bright ball around `CLICK` and return its path."""
    grid = np.indices((20, 24, 16)).transpose(1, 2, 3, 0)
    ball = ((grid - CLICK) ** 2).sum(-1) < 16
    affine = OBLIQUE @ affine_of(axes, (1.0, 1.1, 1.2), (3, -4, 5))
    return write_nifti(tmp_path / "scan.nii.gz", np.where(ball, 100, -50).astype(np.int16), affine)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR"])
def test_a_path_an_image_and_an_array_give_the_same_mask(tmp_path: Path, axes: str) -> None:
    path = _scan(tmp_path, axes)
    predictor = predictor_of(24, PerfectWindow())
    expected = predictor.open(path).click(CLICK)
    image = nib.load(path)
    array = np.asanyarray(image.dataobj)
    opened = [
        predictor.open(image),
        predictor.open(nib.Nifti2Image(array.astype(float), image.affine)),
        predictor.open(sitk.ReadImage(path)),
        predictor.open(array, affine=image.affine),
    ]
    assert expected.sum() > 100
    for session in opened:
        np.testing.assert_array_equal(session.click(CLICK), expected)


def test_units_of_a_header_in_memory_are_converted_as_in_a_file(tmp_path: Path) -> None:
    image = nib.load(_scan(tmp_path))
    metres = nib.Nifti1Image(image.dataobj, np.diag([1e-3, 1e-3, 1e-3, 1]) @ image.affine)
    metres.header.set_xyzt_units("meter")
    session = predictor_of(24, PerfectWindow()).open(metres)
    np.testing.assert_allclose(session.scan.stored_grid.spacing, (1.0, 1.1, 1.2), rtol=1e-3)
    session.click(CLICK)
    session.save(tmp_path / "mask.nii.gz")
    saved = nib.load(tmp_path / "mask.nii.gz")
    assert saved.header.get_xyzt_units()[0] == "meter"
    np.testing.assert_allclose(saved.affine, metres.affine, atol=1e-8)


@pytest.mark.parametrize(
    ("scan", "affine", "message"),
    [
        (np.zeros((4, 4, 4)), np.eye(3), r"array: its affine has shape \(3, 3\); give a matrix"),
        (np.zeros((4, 4, 4)), np.zeros((4, 4)), "array: the affine .* cannot be inverted"),
        (np.zeros((4, 4)), np.eye(4), "array: 4 x 4 voxels; give"),
        (
            np.zeros((4, 4, 4), complex),
            np.eye(4),
            "array: holds complex128 values; give one number",
        ),
        (np.full((4, 4, 4), np.nan), np.eye(4), "array: 64 voxels are NaN or infinite"),
        (sitk.Image([4, 4], sitk.sitkUInt8), None, "image: 4 x 4 voxels; give a 3D scan"),
        (nib.Nifti1Image(np.zeros((4, 4)), np.eye(4)), None, "image: 4 x 4 voxels; give a 3D scan"),
    ],
)
def test_what_is_no_scan_is_refused_in_one_line(scan, affine, message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        predictor_of(24, PerfectWindow()).open(scan, affine=affine)


def test_an_affine_belongs_to_an_array_and_to_nothing_else() -> None:
    predictor = predictor_of(24, PerfectWindow())
    image = sitk.Image([4, 4, 4], sitk.sitkUInt8)
    for scan, affine in ((np.zeros((4, 4, 4)), None), (image, np.eye(4)), ("x.nii", np.eye(4))):
        with pytest.raises(ValueError, match="with an array and with nothing else"):
            predictor.open(scan, affine=affine)


def test_an_image_of_several_channels_opens_like_an_array_of_them() -> None:
    rng = np.random.default_rng(0)
    channels = rng.integers(-50, 50, (2, 4, 5, 6)).astype(np.int16)
    affine = affine_of("LPS", (1.0, 1.1, 1.2), (3, -4, 5))
    expected = scan_of_array(channels, affine)
    image = sitk.GetImageFromArray(np.transpose(channels, (3, 2, 1, 0)), isVector=True)
    image.SetSpacing((1.0, 1.1, 1.2))
    image.SetOrigin((-3.0, 4.0, 5.0))
    found = [nib.Nifti1Image(np.moveaxis(channels, 0, -1), affine), image]
    for scan in map(scan_of_image, found):
        assert scan.array.shape == (2, 4, 5, 6)
        np.testing.assert_array_equal(scan.array, expected.array)
        np.testing.assert_allclose(scan.grid.affine, expected.grid.affine, atol=1e-6)


@pytest.mark.parametrize("name", ["mask.nii.gz", "deeper/mask.nii"])
def test_a_saved_mask_has_the_grid_of_its_scan(tmp_path: Path, name: str) -> None:
    path = _scan(tmp_path)
    session = predictor_of(24, PerfectWindow()).open(path)
    mask = session.click(CLICK)
    session.save(tmp_path / name)
    saved, scan = nib.load(tmp_path / name), nib.load(path)
    np.testing.assert_array_equal(np.asanyarray(saved.dataobj), mask)
    np.testing.assert_array_equal(saved.affine, scan.affine)
    np.testing.assert_array_equal(saved.get_qform(), scan.get_qform())
    assert saved.get_data_dtype() == np.uint8


def test_a_mask_of_an_image_of_simpleitk_can_be_saved_as_nrrd(tmp_path: Path) -> None:
    image = sitk.ReadImage(_scan(tmp_path))
    session = predictor_of(24, PerfectWindow()).open(image)
    mask = session.click(CLICK)
    session.save(str(tmp_path / "mask.nrrd"))
    saved = sitk.ReadImage(tmp_path / "mask.nrrd")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(saved).T, mask)
    for name in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(saved, name)(), getattr(image, name)(), atol=1e-5)


def test_save_replaces_files_only_if_asked_and_never_the_scan(tmp_path: Path) -> None:
    path = _scan(tmp_path)
    before = path.read_bytes()
    session = predictor_of(24, PerfectWindow()).open(path)
    with pytest.raises(PromptError, match="there is no mask to save yet; add a click first"):
        session.save(tmp_path / "mask.nii.gz")
    first = session.click(CLICK)
    session.save(tmp_path / "mask.nii.gz")
    with pytest.raises(VolumeError, match="exists already; give another name, or overwrite=True"):
        session.save(tmp_path / "mask.nii.gz")
    session.reset()
    session.save(tmp_path / "mask.nii.gz", prediction=session.slide(), overwrite=True)
    saved = np.asanyarray(nib.load(tmp_path / "mask.nii.gz").dataobj)
    assert saved.sum() >= first.sum()
    session.click(CLICK)
    for overwrite in (False, True):
        with pytest.raises(VolumeError, match="is the scan itself; give another name"):
            session.save(path, overwrite=overwrite)
    with pytest.raises(VolumeError, match=r"mask\.png: a mask's name ends in \.nii\.gz, \.nii"):
        session.save(tmp_path / "mask.png")
    (tmp_path / "file").write_text("")
    with pytest.raises(VolumeError, match="cannot be written"):
        session.save(tmp_path / "file" / "mask.nii.gz")
    assert path.read_bytes() == before


def test_a_predictor_and_a_session_say_in_one_line_what_they_are(
    trained: Path, tmp_path: Path
) -> None:
    predictor = Predictor.load(trained / RUN, "cpu")
    assert repr(predictor) == (
        f"<Predictor of {trained / RUN}: promise, encoder tiny; Task98_Balls, target 1 (tumour); on cpu in fp32>"
    )
    session = predictor_of(24, PerfectWindow()).open(_scan(tmp_path), where="scan")
    assert repr(session) == "<Session on scan: 20 x 24 x 16 voxels, 0 clicks, mask of 0.0 ml>"
    session.click(CLICK)
    ml = session.mask.sum() * 1.0 * 1.1 * 1.2 / 1000
    assert repr(session) == f"<Session on scan: 20 x 24 x 16 voxels, 1 click, mask of {ml:.1f} ml>"


@pytest.mark.parametrize(("point", "number"), [((1, 2), "2 numbers"), ([1, 2, 3, 4], "4 numbers")])
def test_a_click_of_the_wrong_length_says_how_many_numbers_it_has(
    tmp_path: Path, point, number: str
) -> None:
    session = predictor_of(24, PerfectWindow()).open(_scan(tmp_path))
    with pytest.raises(PromptError, match=f"has {number}, but a click is three finite numbers"):
        session.click(point)


def test_a_folder_means_the_checkpoint_that_the_option_m_takes(
    trained: Path, tmp_path: Path
) -> None:
    run = trained / RUN
    expected = (run / "checkpoint_best.pt",)
    for folder in (run, run.parent, trained / "results"):
        assert Predictor.load(folder, "cpu").checkpoints == expected
    results = tmp_path / "Task98_Balls"
    for fold in (0, 1):
        shutil.copytree(run, results / f"fold_{fold}")
    with pytest.raises(CheckpointError) as raised:
        Predictor.load(results, "cpu")
    assert str(raised.value) == (
        f"{results}: holds several runs; give one of them, such as {results / 'fold_0'}, or a list of folds to average"
    )
    both = Predictor.load([results / "fold_0", results / "fold_1"], "cpu")
    assert len(both.models) == 2


def test_the_example_of_the_page_runs_as_it_is(
    bright: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    example = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", page)[0]
    voxels = [
        tuple(map(int, found)) for found in re.findall(r"click\(\((\d+), (\d+), (\d+)\)", example)
    ]
    assert len(voxels) == 2
    shutil.copytree(bright / RUN, tmp_path / "results" / "Task07_Pancreas" / "fold_0")
    grid = np.indices((264, 308, 48)).transpose(1, 2, 3, 0)
    ball = ((grid - voxels[0]) ** 2).sum(-1) < 25
    write_nifti(tmp_path / "scan.nii.gz", np.where(ball, 70, -20).astype(np.int16), np.eye(4))
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(line[4:] for line in example.splitlines()), "api.md", "exec"), {})
    saved = np.asanyarray(nib.load("scan_mask.nii.gz").dataobj)
    assert saved[voxels[0]] == 1
    assert (
        "<Session on scan.nii.gz: 264 x 308 x 48 voxels, 2 clicks, mask of"
        in capsys.readouterr().out
    )


def test_a_case_of_the_dataset_opens_from_memory(balls: Path) -> None:
    predictor = Predictor.load(balls / RUN, "cpu")
    path = balls / "imgs" / "ball_001.nii.gz"
    expected = predictor.open(path).click(centre(1))
    found = predictor.open(nib.load(path), where="ball_001").click(centre(1))
    np.testing.assert_array_equal(found, expected)
    assert expected.any()
