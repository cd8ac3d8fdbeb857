import json
import shutil
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel import orientations
from scipy import ndimage

from promise_cli.dataset.splits import make_splits
from promise_cli.demo.anatomy import Blob, rotation
from promise_cli.demo.command import main as demo
from promise_cli.demo.phantom import CLICK_DEPTH_MM, PhantomCase, draw_case, main, write_phantom
from promise_cli.geometry.grid import Grid
from tests.conftest import made_once

NUM_CASES = 6
CASE_IDS = [f"phantom_{number:03d}" for number in range(1, NUM_CASES + 1)]
TEST_IDS = make_splits(CASE_IDS)[0].test

drawn = cache(lambda number: draw_case(number, seed=0))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        assert write_phantom(folder, NUM_CASES) == folder / "Task99_Phantom"

    return made_once(tmp_path_factory, "phantom", make)


@pytest.fixture(params=[0, 1, 2])
def case(request: pytest.FixtureRequest) -> PhantomCase:
    return drawn(request.param)


def open_image(root: Path, folder: str, case_id: str) -> nib.Nifti1Image:
    return nib.load(root / "Task99_Phantom" / folder / f"{case_id}.nii.gz")


def number_of(case_id: str) -> int:
    return CASE_IDS.index(case_id)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def spread_mm(lump: np.ndarray, grid: Grid) -> float:
    """Return the diameter of a ball that has the lump's volume."""
    volume = lump.sum() * np.prod(grid.spacing)
    return float(2 * np.cbrt(volume * 3 / (4 * np.pi)))


@pytest.mark.slow
def test_exactly_these_files_are_written(root: Path) -> None:
    dataset = [f"Task99_Phantom/{f}/{c}.nii.gz" for f in ("imagesTr", "labelsTr") for c in CASE_IDS]
    scans = [f"imgs/{case_id}.nii.gz" for case_id in TEST_IDS]
    records = ["Task99_Phantom/dataset.json", "points.json", "points_lookalike.json"]
    assert sorted(contents(root)) == sorted(dataset + scans + records)


def test_dataset_json_reads_as_the_decathlon_writes_it(root: Path) -> None:
    description = json.loads((root / "Task99_Phantom" / "dataset.json").read_text())
    assert set(description) == {
        *("name", "description", "reference", "licence", "relase", "tensorImageSize", "modality"),
        *("labels", "numTraining", "numTest", "training", "test"),
    }
    assert description["modality"] == {"0": "CT"}
    assert description["labels"] == {"0": "background", "1": "tumour"}
    assert (description["numTraining"], description["numTest"]) == (NUM_CASES, 0)
    assert description["test"] == []
    assert description["training"] == [
        {"image": f"./imagesTr/{case_id}.nii.gz", "label": f"./labelsTr/{case_id}.nii.gz"}
        for case_id in CASE_IDS
    ]


@pytest.mark.parametrize("case_id", CASE_IDS)
def test_image_and_label_share_a_grid_and_the_label_is_one_piece(root: Path, case_id: str) -> None:
    image, label = (open_image(root, folder, case_id) for folder in ("imagesTr", "labelsTr"))
    assert (image.get_data_dtype(), label.get_data_dtype()) == (np.int16, np.uint8)
    assert image.shape == label.shape
    np.testing.assert_array_equal(image.affine, label.affine)
    for volume in (image, label):
        assert (int(volume.header["sform_code"]), int(volume.header["qform_code"])) == (1, 1)
        np.testing.assert_allclose(volume.get_qform(), volume.get_sform(), atol=1e-3)
        assert volume.header.get_xyzt_units()[0] == "mm"
    voxels = np.asanyarray(label.dataobj)
    assert set(np.unique(voxels)) == {0, 1}
    assert ndimage.label(voxels)[1] == 1


def test_spacings_and_orientations_vary_and_some_scan_is_oblique(root: Path) -> None:
    affines = [open_image(root, "imagesTr", case_id).affine for case_id in CASE_IDS]
    spacings = {tuple(np.sort(nib.affines.voxel_sizes(a)).round(3).tolist()) for a in affines}
    assert {(0.8, 0.8, 3.0), (0.9, 0.9, 4.0), (0.7, 0.7, 2.5), (1.0, 1.0, 5.0)} <= spacings
    codes = [nib.aff2axcodes(affine) for affine in affines]
    assert len(set(codes)) == NUM_CASES
    assert {np.sign(np.linalg.det(affine[:3, :3])) for affine in affines} == {-1, 1}
    oblique = [bool(np.degrees(nib.affines.obliquity(affine)).max() > 3) for affine in affines]
    assert oblique == [False, False, True, False, False, False]
    turn = affines[2][:3, :3] / nib.affines.voxel_sizes(affines[2])
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-6)


def test_a_click_is_a_voxel_of_the_label_file_well_inside_the_target(root: Path) -> None:
    clicks = json.loads((root / "points.json").read_text())
    assert tuple(clicks) == TEST_IDS
    for case_id, click in clicks.items():
        label = open_image(root, "labelsTr", case_id)
        depth = ndimage.distance_transform_edt(
            np.asanyarray(label.dataobj), sampling=nib.affines.voxel_sizes(label.affine)
        )
        assert depth[tuple(click)] >= CLICK_DEPTH_MM


def test_a_lookalike_click_lies_in_another_lump_and_off_the_label(root: Path) -> None:
    clicks = json.loads((root / "points_lookalike.json").read_text())
    assert tuple(clicks) == TEST_IDS
    for case_id, click in clicks.items():
        label = np.asanyarray(open_image(root, "labelsTr", case_id).dataobj)
        assert label[tuple(click)] == 0
        case = drawn(number_of(case_id))
        hit = [number for number, lump in enumerate(case.lumps) if lump[tuple(click)]]
        assert len(hit) == 1
        assert hit != [case.target]


def test_the_scans_to_predict_are_copies_of_the_test_cases(root: Path) -> None:
    assert TEST_IDS
    for case_id in TEST_IDS:
        copy = root / "imgs" / f"{case_id}.nii.gz"
        original = root / "Task99_Phantom" / "imagesTr" / copy.name
        assert copy.read_bytes() == original.read_bytes()


def test_a_case_drawn_alone_equals_the_case_in_the_dataset(root: Path) -> None:
    for number in (2, number_of(TEST_IDS[0])):
        case, case_id = drawn(number), CASE_IDS[number]
        image = open_image(root, "imagesTr", case_id)
        label = open_image(root, "labelsTr", case_id)
        np.testing.assert_array_equal(np.asanyarray(image.dataobj), case.image)
        np.testing.assert_array_equal(np.asanyarray(label.dataobj), case.lumps[case.target])
        np.testing.assert_allclose(image.affine, case.grid.affine, rtol=1e-6, atol=1e-5)


def test_another_seed_draws_another_case() -> None:
    other = draw_case(3, seed=1)
    assert other.image.shape != drawn(3).image.shape or (other.image != drawn(3).image).any()
    assert not np.allclose(other.grid.affine, drawn(3).grid.affine)


@pytest.mark.slow
def test_writing_fewer_cases_again_keeps_their_bytes_and_removes_the_rest(
    root: Path, tmp_path: Path
) -> None:
    before = contents(root)
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (tmp_path / "imgs" / "mine.nii.gz").touch()
    write_phantom(tmp_path, num_cases=5)
    after = contents(tmp_path)
    test = make_splits(CASE_IDS[:5])[0].test
    volumes = {name for name in after if name.endswith(".nii.gz")}
    assert volumes == {
        *(f"Task99_Phantom/{f}/{c}.nii.gz" for f in ("imagesTr", "labelsTr") for c in CASE_IDS[:5]),
        *(f"imgs/{case_id}.nii.gz" for case_id in test),
        "imgs/mine.nii.gz",
    }
    assert all(after[name] == before[name] for name in volumes & set(before))


def test_target_and_lookalikes_have_similar_intensities_and_sizes(case: PhantomCase) -> None:
    assert 3 <= len(case.lumps) <= 5
    samples = [case.image[ndimage.distance_transform_edt(lump) > 1] for lump in case.lumps]
    means = np.array([sample.mean() for sample in samples])
    spreads = np.array([sample.std() for sample in samples])
    others = np.arange(len(case.lumps)) != case.target
    assert np.abs(means[others] - means[case.target]).max() < spreads[case.target]
    assert np.abs(spreads[others] / spreads[case.target] - 1).max() < 0.25
    assert all(12 < spread_mm(lump, case.grid) < 30 for lump in case.lumps)


def test_the_target_stands_out_of_its_organ_by_more_than_the_noise(case: PhantomCase) -> None:
    lump = case.lumps[case.target]
    any_lump = np.any(case.lumps, axis=0)
    away = ndimage.distance_transform_edt(~any_lump, sampling=case.grid.spacing)
    near = ndimage.distance_transform_edt(~lump, sampling=case.grid.spacing)
    organ = case.image[(away > 3) & (near < 7)]
    contrast = case.image[lump].mean() - np.median(organ)
    noise = case.image[lump].std()
    assert 10 < noise < 22
    assert noise < contrast < 50


def test_lumps_keep_apart_and_each_has_a_near_neighbour(case: PhantomCase) -> None:
    centres = [case.grid.world(np.argwhere(lump).mean(axis=0)) for lump in case.lumps]
    for number, lump in enumerate(case.lumps):
        away = ndimage.distance_transform_edt(~lump, sampling=case.grid.spacing)
        others = [other for n, other in enumerate(case.lumps) if n != number]
        assert min(away[other].min() for other in others) >= 4.0
        distances = [np.linalg.norm(centre - centres[number]) for centre in centres]
        assert 25 < sorted(distances)[1] < 48


def test_outside_the_body_is_air_and_inside_are_fat_and_bone() -> None:
    image = drawn(1).image
    for low, high in ((-1024, -950), (-130, -70), (300, 900)):
        assert ((image >= low) & (image <= high)).mean() > 0.005


def test_axes_of_the_file_point_where_its_affine_says() -> None:
    """The spine lies to the left and behind, so its bone must be there whatever the order of the axes."""
    for number in range(4):
        case = drawn(number)
        axes = orientations.io_orientation(case.grid.affine)
        image = orientations.apply_orientation(case.image, axes)
        i, j, k = (n // 4 for n in image.shape)
        corners = {
            (x, y): (image[x * i : (x + 1) * i, y * j : (y + 1) * j, k:-k] > 140).mean()
            for x in (0, 3)
            for y in (0, 3)
        }
        assert max(corners, key=corners.__getitem__) == (0, 0)


def test_the_depth_of_points_in_and_around_a_ball_is_exact() -> None:
    ball = Blob(
        centre=np.array([1.0, 2.0, 3.0]),
        semi_axes=np.full(3, 10.0),
        turn=rotation(np.array([0.0, 0.0, 1.0]), 0.3),
        waves=np.ones((3, 1)),
        phases=np.zeros(1),
        heights=np.zeros(1),
    )
    points = np.array([[1, 2, 3 + 4], [1 + 10, 2, 3], [1, 2 - 13, 3]], dtype=np.float32)
    np.testing.assert_allclose(ball.depth_mm(points), [6, 0, -3], atol=1e-4)


def test_rotation_turns_right_handed_about_its_axis() -> None:
    quarter = rotation(np.array([0.0, 0.0, 1.0]), np.pi / 2)
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_too_few_cases_end_in_one_line_and_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "new"), "--cases", "4"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: found 4 usable cases")
    assert error.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "with_dataset"),
    [
        ("notes.txt", False),
        ("Task07_Pancreas/dataset.json", True),
        ("results/Task99_Phantom/fold_1/checkpoint_last.pt", True),
        ("predictions/mine/a.nii.gz", True),
        ("imgs/patient.nii.gz", True),
    ],
)
def test_the_demo_deletes_no_folder_that_holds_other_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, with_dataset: bool
) -> None:
    if with_dataset:
        (tmp_path / "Task99_Phantom").mkdir()
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    assert demo(tmp_path) == 1
    assert path.read_text() == "mine"
    error = capsys.readouterr().err
    named = error.removeprefix("error: ").partition(": was not made by the demo, which would ")[0]
    assert path == Path(named) or Path(named) in path.parents


def test_a_phantom_replaces_no_clicks_on_other_scans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "points.json"
    path.write_text('{"patient_1": [1, 2, 3]}')
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"error: {path}: holds clicks on other scans; give another folder\n"
    )
    assert sorted(tmp_path.iterdir()) == [path]
