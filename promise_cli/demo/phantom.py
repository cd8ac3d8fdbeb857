"""Make a dataset to try the commands on: CT-like scans in which one of several similar lumps is the target.

    python -m promise_cli.demo.phantom FOLDER

writes `FOLDER/Task99_Phantom` in the Medical Segmentation Decathlon's layout, the scans of fold 0's
test cases in `FOLDER/imgs`, one click on each target in `FOLDER/points.json`, and one click on the
look-alike nearest to each target in `FOLDER/points_lookalike.json`. Only the click shows which lump is
the target.
"""

import argparse
import gzip
import json
import re
import shutil
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray
from scipy import ndimage

from promise_cli.console import counted, fail, say, track
from promise_cli.dataset.splits import make_splits
from promise_cli.demo.anatomy import Field, draw_anatomy, rotation
from promise_cli.disk.atomic import whole_file, write_text
from promise_cli.disk.ours import foreign_error, refuse_foreign
from promise_cli.disk.records import load_json
from promise_cli.errors import DatasetError, PromiseError
from promise_cli.geometry.grid import Affine, Grid, Shape, Spacing

DATASET = "Task99_Phantom"
DESCRIPTION = "dataset.json"
WRITER = "promise_cli.demo.phantom"
"""What dataset.json and the scans say wrote them. A later call recognises them by it."""
_MARK = re.compile(rf'"reference":\s*"{re.escape(WRITER)}"')

# There are seven spacings and nine directions, so no pair of them is repeated within 24 cases.
SPACINGS: tuple[Spacing, ...] = (
    (0.8, 0.8, 3.0),
    (0.9, 0.9, 4.0),
    (0.7, 0.7, 2.5),
    (1.0, 1.0, 5.0),
    (0.78, 0.78, 2.5),
    (0.85, 0.85, 3.0),
    (0.95, 0.95, 3.75),
)
"""Spacings in mm towards right, anterior and superior, which the cases use in turn."""
AXIS_CODES = ("RAS", "LPS", "LAS", "PIR", "RPI", "ASR", "RAI", "LIP", "SAL")
"""Directions of the stored axes, which the cases use in turn."""
NOISE_HU = (12.0, 16.0)
"""Range of the standard deviation of a scan's noise, in HU."""
CLICK_DEPTH_MM = 2.0
"""Smallest depth of a click inside its lump, in mm."""


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """One scan as its file stores it, with the truth about it."""

    image: NDArray[np.int16]
    """HU, (I, J, K), axes as stored."""
    lumps: tuple[NDArray[np.bool_], ...]
    """One mask (I, J, K) each for the target and its look-alikes."""
    target: int
    """Index of the lump that is the target."""
    grid: Grid
    click: tuple[int, int, int]
    """Voxel of the target, (i, j, k), axes as stored."""
    lookalike_click: tuple[int, int, int]
    """Voxel of the look-alike nearest to the target, (i, j, k), axes as stored."""


def write_phantom(root: Path, num_cases: int = 24, seed: int = 0) -> Path:
    """Write the dataset, the scans of the test cases and two files of clicks.

    The same seed gives the same bytes. `dataset.json` is written last, so all scans and labels exist if it does.
    Scans of an earlier phantom are deleted.

    Returns:
        The dataset's folder.

    Raises:
        DatasetError: There are too few cases to make folds, or a file of clicks is not one of an earlier phantom.
        WorkspaceError: dataset.json or a scan that would be replaced is not one of an earlier phantom.
    """
    clicked, lookalike_clicked = root / "points.json", root / "points_lookalike.json"
    for path in (clicked, lookalike_clicked):
        refuse_foreign_clicks(path)
    _refuse_foreign_scans(root)
    case_ids = [f"phantom_{number:03d}" for number in range(1, num_cases + 1)]
    test = make_splits(case_ids)[0].test
    dataset = root / DATASET
    (dataset / DESCRIPTION).unlink(missing_ok=True)
    clicks, lookalike_clicks = {}, {}
    for number, case_id in enumerate(track(case_ids, "phantom", total=num_cases)):
        case = draw_case(number, seed)
        image_path = dataset / "imagesTr" / f"{case_id}.nii.gz"
        _write_volume(case.image, case.grid.affine, image_path)
        label = case.lumps[case.target].astype(np.uint8)
        _write_volume(label, case.grid.affine, dataset / "labelsTr" / image_path.name)
        if case_id in test:
            with whole_file(root / "imgs" / image_path.name) as temporary:
                shutil.copyfile(image_path, temporary)
            clicks[case_id], lookalike_clicks[case_id] = case.click, case.lookalike_click
    for folder, keep in (("imagesTr", case_ids), ("labelsTr", case_ids), ("../imgs", test)):
        _remove_others(dataset / folder, keep)
    _write_clicks(clicks, clicked)
    _write_clicks(lookalike_clicks, lookalike_clicked)
    write_text(dataset / DESCRIPTION, json.dumps(_describe(case_ids), indent=1) + "\n")
    return dataset


def draw_case(number: int, seed: int) -> PhantomCase:
    """Draw case `number`, counted from 0; the result does not depend on the number of cases."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, number]))
    geometry, scene, scanner, hand = generator.spawn(4)
    spacing = SPACINGS[number % len(SPACINGS)]
    across, up = geometry.uniform(104, 120, size=2), geometry.uniform(86, 100)
    i, j, k = np.rint(np.array([*across, up]) / spacing).astype(int).tolist()
    affine = _draw_affine((i, j, k), spacing, geometry, oblique=number % 6 == 2)
    anatomy = draw_anatomy((i, j, k), spacing, scene)
    image = _scan(anatomy.image, spacing, scanner)

    stored = orientations.axcodes2ornt(AXIS_CODES[number % len(AXIS_CODES)])
    axes = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), stored)
    image, *lumps = (
        np.ascontiguousarray(orientations.apply_orientation(array, axes))
        for array in (image, *anatomy.lumps)
    )
    grid = Grid(image.shape, affine @ orientations.inv_ornt_aff(axes, (i, j, k)))
    centres = [grid.world(np.argwhere(lump).mean(axis=0)) for lump in lumps]
    distances = [float(np.linalg.norm(centre - centres[anatomy.target])) for centre in centres]
    nearest = int(np.argsort(distances)[1])
    return PhantomCase(
        image=image,
        lumps=tuple(lumps),
        target=anatomy.target,
        grid=grid,
        click=_draw_click(lumps[anatomy.target], grid.spacing, hand),
        lookalike_click=_draw_click(lumps[nearest], grid.spacing, hand),
    )


def _draw_affine(
    shape: Shape, spacing: Spacing, rng: np.random.Generator, *, oblique: bool
) -> Affine:
    """Draw an affine (4, 4) with axes towards right, anterior and superior; if oblique, turned by 8 to 20 degrees."""
    affine = np.diag([*spacing, 1.0])
    axis, angle = rng.normal(size=3), np.radians(rng.uniform(8, 20))
    if oblique:
        affine[:3, :3] = rotation(axis / np.linalg.norm(axis), angle) @ affine[:3, :3]
    middle = rng.uniform((-60, -60, -400), (60, 60, 400))
    affine[:3, 3] = np.round(middle - affine[:3, :3] @ (np.array(shape) - 1) / 2, 3)
    return affine


def _scan(image: Field, spacing: Spacing, rng: np.random.Generator) -> NDArray[np.int16]:
    """Blur the image within its slices and add noise, as a scanner does.

    Like the noise of filtered back projection, it is stronger in fine than in coarse structures.
    """
    in_plane = np.array([1, 1, 0]) / spacing
    white = rng.standard_normal(image.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(white, 0.6 * in_plane, mode="wrap")
    noise -= 0.8 * ndimage.gaussian_filter(white, 2.0 * in_plane, mode="wrap")
    scanned = ndimage.gaussian_filter(image, 0.5 * in_plane, mode="nearest")
    scanned += noise * np.float32(rng.uniform(*NOISE_HU) / noise.std())
    return np.clip(np.rint(scanned), -1024, 3071).astype(np.int16)


def _draw_click(
    lump: NDArray[np.bool_], spacing: Spacing, rng: np.random.Generator
) -> tuple[int, int, int]:
    """Draw a voxel at least `CLICK_DEPTH_MM` deep in a lump; the deepest one if the lump is too thin for that."""
    depth = ndimage.distance_transform_edt(lump, sampling=spacing)
    choices = np.argwhere(depth >= min(CLICK_DEPTH_MM, depth.max()))
    i, j, k = choices[rng.integers(len(choices))].tolist()
    return i, j, k


def _write_volume(array: NDArray[np.int16] | NDArray[np.uint8], affine: Affine, path: Path) -> None:
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = WRITER
    with whole_file(path) as temporary:
        nib.save(image, temporary)


def refuse_foreign_clicks(path: Path) -> None:
    """Refuse to replace a file with clicks on other scans than those of a phantom.

    Raises:
        DatasetError: The file holds other clicks, or none.
        PlanError: The file is not JSON.
    """
    content = load_json(path) if path.exists() else {}
    if not isinstance(content, dict) or any(not case.startswith("phantom_") for case in content):
        raise DatasetError(f"{path}: holds clicks on other scans; give another folder")


def _refuse_foreign_scans(root: Path) -> None:
    """Refuse to replace a dataset.json or scans of others.

    Scans are known by their dataset.json. It is written last, so after a kill they are known by their headers.
    """
    dataset = root / DATASET
    refuse_foreign(dataset, {DESCRIPTION: _MARK}, [DESCRIPTION], WRITER, "give another folder")
    if (dataset / DESCRIPTION).exists():
        return
    for folder in (dataset / "imagesTr", dataset / "labelsTr", root / "imgs"):
        for path in folder.glob("phantom_*.nii.gz"):
            if path.stat().st_size and not _is_marked(path):
                raise foreign_error(path, WRITER, "give another folder")


def _is_marked(path: Path) -> bool:
    """Whether the header of a scan says that this module wrote it."""
    try:
        with gzip.open(path) as file:
            return WRITER.encode() in file.read(348)
    except (OSError, EOFError, zlib.error):
        return False


def _write_clicks(clicks: Mapping[str, tuple[int, int, int]], path: Path) -> None:
    lines = [f"  {json.dumps(case_id)}: {list(click)}" for case_id, click in clicks.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _remove_others(folder: Path, case_ids: Sequence[str]) -> None:
    keep = {f"{case_id}.nii.gz" for case_id in case_ids}
    for path in folder.glob("phantom_*.nii.gz"):
        if path.name not in keep:
            path.unlink()


def _describe(case_ids: Sequence[str]) -> dict[str, Any]:
    """Return the content of dataset.json as the Decathlon writes it, including its misspelt field `relase`."""
    return {
        "name": "Phantom",
        "description": "One lump among equals; only a click tells which is meant",
        "reference": WRITER,
        "licence": "Apache-2.0",
        "relase": "1.0",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "tumour"},
        "numTraining": len(case_ids),
        "numTest": 0,
        "training": [
            {"image": f"./imagesTr/{case_id}.nii.gz", "label": f"./labelsTr/{case_id}.nii.gz"}
            for case_id in case_ids
        ],
        "test": [],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the phantom into the folder that the command line names, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m promise_cli.demo.phantom", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="folder to write to")
    parser.add_argument("--cases", type=int, default=24, help="how many scans (default 24)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random scans (default 0)")
    options = parser.parse_args(arguments)
    try:
        dataset = write_phantom(options.folder, options.cases, options.seed)
    except PromiseError as error:
        fail(str(error))
        return 1
    say(f"{counted(options.cases, 'case')} in {dataset}, test scans in {options.folder / 'imgs'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
