"""Fixtures and helpers that the tests share, above all a small MSD dataset with scans in many orientations."""

import json
import os
from collections.abc import Callable
from pathlib import Path

# The commands set this too; it must be set before torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest-xdist runs one process per core
os.environ.setdefault("MKL_NUM_THREADS", "1")

import nibabel as nib
import numpy as np
import pytest
from filelock import FileLock
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from numpy.typing import NDArray

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Real data next to the checkout; tests that need it are skipped if it is missing."""

DATASET = Path("preprocessed") / "Task98_Balls"
"""Preprocessed dataset of balls, relative to the root of its workspace."""

RUN = Path("results") / "Task98_Balls" / "fold_0"
"""Run on the dataset of balls, relative to the root of its workspace."""

AXES = ("RAS", "LPS", "PIR", "SAL", "LAI", "IPR", "RSA", "ASL")

OBLIQUE = np.array(
    [
        [0.9848, -0.1736, 0.0, 0.0],
        [0.1710, 0.9698, -0.1736, 0.0],
        [0.0301, 0.1710, 0.9848, 0.0],
        [0, 0, 0, 1.0],
    ]
)


def affine_of(
    axes: str, spacing: tuple[float, float, float], origin: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Return an affine (4, 4) whose voxel axes point along `axes`, with `spacing` in mm along each."""
    ornt = ornt_transform(io_orientation(np.eye(4)), axcodes2ornt(tuple(axes)))
    affine = inv_ornt_aff(ornt, (1, 1, 1)) @ np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return affine


def write_nifti(path: Path, array: NDArray, affine: NDArray[np.float64]) -> Path:
    """Write an array as NIfTI with sform and qform, and return `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, path)
    return path


def write_case(folder: Path, number: int, shape: tuple[int, int, int] = (28, 26, 20)) -> str:
    """Write one CT-like scan with a bright ball, and return its case id.

    Eight orientations are used in turn; the last is oblique.
    """
    rng = np.random.default_rng(number)
    case = f"ball_{number:03d}"
    affine = affine_of(AXES[number % 8], (1.0, 0.9, 1.5), (10.0 * number, -50.0, 5.0))
    if number % 8 == 7:
        affine = OBLIQUE @ affine
    grid = np.indices(shape).transpose(1, 2, 3, 0)
    centre = np.array(shape) / 2 + rng.uniform(-3, 3, 3)
    ball = ((grid - centre) ** 2).sum(-1) < 5.0**2
    image = rng.normal(-20, 10, shape) + 90 * ball
    write_nifti(folder / "imagesTr" / f"{case}.nii.gz", image.astype(np.int16), affine)
    write_nifti(folder / "labelsTr" / f"{case}.nii.gz", ball.astype(np.uint8), affine)
    return case


def write_dataset(folder: Path, num_cases: int = 6) -> Path:
    """Write an MSD folder of balls, with the misspelt field `relase` and the `./` before paths that MSD has."""
    cases = [write_case(folder, number) for number in range(1, num_cases + 1)]
    (folder / "dataset.json").write_text(
        json.dumps(
            {
                "name": "Balls",
                "relase": "1.0",
                "tensorImageSize": "3D",
                "modality": {"0": "CT"},
                "labels": {"0": "background", "1": "tumour"},
                "numTraining": num_cases,
                "numTest": 0,
                "training": [
                    {"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"}
                    for case in cases
                ],
                "test": [],
            }
        )
    )
    return folder


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return a new MSD folder of six cases, which a test may damage."""
    return write_dataset(tmp_path / "Task98_Balls")


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty folder the current one and return it; `PROMISE_ROOT` is not set."""
    monkeypatch.delenv("PROMISE_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first process of the tests fills and that all of them read."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            unfinished = folder.with_name(f"{name}_unfinished")
            make(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def preprocessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with the preprocessed dataset of balls; tests may only read it."""
    from promise_cli.preprocess.command import preprocess

    def make(root: Path) -> None:
        write_dataset(root / "Task98_Balls")
        preprocess("98", root=root, workers=0)

    return made_once(tmp_path_factory, "preprocessed_balls", make)


def edit_json(path: Path, change: Callable[[dict], object]) -> None:
    """Change the content of a JSON file in place."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, preprocessed: Path) -> Path:
    """Return the workspace of balls and a run of one epoch of fold 0 with the preset `tiny`; tests may only read it."""
    import shutil

    from promise_cli.train import TrainRequest, train

    def make(root: Path) -> None:
        shutil.copytree(preprocessed, root)
        train(TrainRequest(preset="tiny", epochs=1, device="cpu", root=root))

    return made_once(tmp_path_factory, "trained_balls", make)


@pytest.fixture(scope="session")
def compressed(tmp_path_factory: pytest.TempPathFactory, preprocessed: Path) -> Path:
    """Return the workspace of balls with compressed cases; tests may only read it."""
    import shutil

    from promise_cli.preprocess.command import preprocess

    def make(root: Path) -> None:
        shutil.copytree(preprocessed, root)
        preprocess("98", root=root, workers=0, cases_format="blosc2")

    return made_once(tmp_path_factory, "compressed_balls", make)


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with networks of several objects, which outline all that is bright; tests may only read it."""
    from tests.object_runs import learned_shapes

    return learned_shapes(tmp_path_factory)


@pytest.fixture
def shapes_workspace(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the workspace `learned`, which a test may change and which is the current folder."""
    import shutil

    root = shutil.copytree(learned, tmp_path / "workspace")
    monkeypatch.delenv("PROMISE_ROOT", raising=False)
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="session")
def bright(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the workspace of balls with a network that outlines the balls; tests may only read it."""
    import shutil

    from tests.standins import teach_bright

    def make(root: Path) -> None:
        shutil.copytree(trained, root)
        for checkpoint in (root / "results").rglob("*.pt"):
            teach_bright(checkpoint)

    return made_once(tmp_path_factory, "bright_balls", make)


@pytest.fixture
def balls(bright: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the workspace `bright`, which a test may change and which is the current folder.

    The scans are also in `imgs`, and `points.json` has a click on each ball.
    """
    import shutil

    from tests.balls import centre

    root = tmp_path / "workspace"
    shutil.copytree(bright, root)
    monkeypatch.delenv("PROMISE_ROOT", raising=False)
    monkeypatch.chdir(root)
    shutil.copytree("Task98_Balls/imagesTr", "imgs")
    clicks = {f"ball_00{number}": centre(number) for number in range(1, 7)}
    Path("points.json").write_text(json.dumps(clicks))
    return root


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each process of the tests begin with its share of the slow ones, so that none waits for another at the end.

    pytest-xdist gives each process one slice of the list, and later moves tests from the end of one slice to another.
    """
    if "rehearsal" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("rehearsal"):
                item.add_marker(
                    pytest.mark.skip(reason="two minutes; before a lease: pytest -m rehearsal")
                )
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    fast = [item for item in items if item.get_closest_marker("slow") is None]
    shares = _deal([item for item in items if item.get_closest_marker("slow")], count)
    ends = [len(items) * number // count for number in range(1, count + 1)]
    items[:] = []
    for share, end in zip(shares, ends, strict=True):
        items += share
        take = max(0, end - len(items))
        items += fast[:take]
        del fast[:take]
    items += fast


def _deal(slow: list[pytest.Item], count: int) -> list[list[pytest.Item]]:
    """Deal tests to processes, file by file, the longest first and each to the process that has the least so far."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in slow:
        files.setdefault(item.path, []).append(item)
    shares: list[list[pytest.Item]] = [[] for _ in range(count)]
    for tests in sorted(files.values(), key=_seconds, reverse=True):
        min(shares, key=_seconds).extend(tests)
    return shares


def _seconds(tests: list[pytest.Item]) -> float:
    """Return about how long tests take. `@pytest.mark.slow(seconds=60)` marks a test that takes longer than others."""
    marks = (test.get_closest_marker("slow") for test in tests)
    return sum(mark.kwargs.get("seconds", 4) for mark in marks if mark)
