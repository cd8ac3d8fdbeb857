"""One seeded click on the target of each test case, in voxels of its file."""

from pathlib import Path

from evidence.place import Place, write_json
from promise_cli.click_study.draw import draw_clicks, generator
from promise_cli.dataset import is_target
from promise_cli.records import load_json
from promise_cli.volume import read_label


def write_points(place: Place) -> None:
    """Click each test case once, anywhere on the target, and link its scan among the test scans."""
    place.images.mkdir(parents=True, exist_ok=True)
    points = {}
    labels = place.plan.labels
    for case_id in sorted(place.fold.test):
        scan = f"{case_id}.nii.gz"
        link = place.images / scan
        if not link.is_symlink():
            link.symlink_to((place.data / "imagesTr" / scan).resolve())
        rng = generator(place.matrix.click_seed, case_id, "random", 0)
        label = read_label(place.data / "labelsTr" / scan, "as_stored")
        (click,) = draw_clicks("random", is_target(label.array, labels), 2, rng, 1)
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
