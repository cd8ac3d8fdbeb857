"""One seeded click on the target of each test case, in voxels of its file."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from evidence.place import Place, write_json
from promise_cli.click_study.draw import draw_clicks, generator
from promise_cli.records import load_json


def test_cases(place: Place) -> list[str]:
    """Of fold 0."""
    splits = load_json(place.shared / "preprocessed" / place.matrix.dataset / "splits.json")
    return sorted(splits["folds"][0]["test"])


def target_values(place: Place) -> list[int]:
    """Of the label files; several where they are one target."""
    plan = load_json(place.shared / "preprocessed" / place.matrix.dataset / "plans.json")
    return list(plan["target_labels"] or [plan["target_label"]])


def _target_of(place: Place, case_id: str) -> NDArray[np.bool_]:
    """`(I, J, K)` as the label's file stores it."""
    stored = nib.load(place.data / "labelsTr" / f"{case_id}.nii.gz")
    return np.isin(np.asanyarray(stored.dataobj), target_values(place))


def write_points(place: Place) -> None:
    """Click each test case once, anywhere on the target, and link its scan among the test scans."""
    place.images.mkdir(parents=True, exist_ok=True)
    points = {}
    for case_id in test_cases(place):
        scan = f"{case_id}.nii.gz"
        link = place.images / scan
        if not link.is_symlink():
            link.symlink_to((place.data / "imagesTr" / scan).resolve())
        rng = generator(place.matrix.click_seed, case_id, "random", 0)
        (click,) = draw_clicks("random", _target_of(place, case_id), 2, rng, 1)
        points[case_id] = list(click.voxel)
    _keep(points, place.points)


def _keep(points: dict[str, list[int]], path: Path) -> None:
    """Write the clicks; rows that were done before were done with these."""
    if not path.exists():
        write_json(points, path)
    elif load_json(path) != points:
        raise ValueError(
            f"{path}: holds other clicks than this matrix draws; remove the matrix's results"
        )
