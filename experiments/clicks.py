"""Draw seeded clicks on the targets of the test cases, in voxels of their files."""

from pathlib import Path

from experiments.place import Place, write_json
from promise_cli.dataset.folder import is_target
from promise_cli.disk.records import load_json
from promise_cli.evaluate.clicks.draw import simulate_clicks
from promise_cli.prompts import trial_rng
from promise_cli.volume import read_label


def write_points(place: Place) -> None:
    """Draw one click on each test case, and link its scan into the folder of test scans."""
    place.images.mkdir(parents=True, exist_ok=True)
    for case_id in place.fold.test:
        link = place.images / f"{case_id}.nii.gz"
        if not link.is_symlink():
            link.symlink_to((place.data / "imagesTr" / link.name).resolve())
    _keep(draw_points(place, 0), place.points)


def draw_points(place: Place, draw: int) -> dict[str, list[int]]:
    """Draw one click on each test case, anywhere on the target, as `promise-evaluate --clicks` does."""
    points = {}
    labels = place.plan.labels
    for case_id in sorted(place.fold.test):
        rng = trial_rng(place.matrix.click_seed, case_id, "random", draw)
        label = read_label(place.data / "labelsTr" / f"{case_id}.nii.gz", "as_stored")
        (click,) = simulate_clicks("random", is_target(label.array, labels), 2, rng, 1)
        points[case_id] = list(click.voxel)
    return points


def _keep(points: dict[str, list[int]], path: Path) -> None:
    """Write the clicks. If the file exists, check that it holds the same clicks, which earlier rows were done with.

    Raises:
        ValueError: The file holds other clicks.
    """
    if not path.exists():
        write_json(points, path)
    elif load_json(path) != points:
        raise ValueError(
            f"{path}: holds other clicks than this matrix draws; remove the matrix's results"
        )
