"""How much a score hangs on which voxel of the target was clicked.

The scores of a matrix are those of one click a case. Here every case is clicked five times, each click alone, and
predicted and scored as before: the lesion followed beyond its window.
"""

from evidence.clicks import draw_points
from evidence.command import run
from evidence.matrix import Row
from evidence.place import Place, write_json
from promise_cli.records import load_json

DRAWS = 5
MEANING = (
    f"Dice of each test case for each of {DRAWS} single clicks at random on the target, masks of promise-predict,"
    " scores of promise-evaluate; the first click is that of points.json"
)


def measure_draws(place: Place, row: Row, device: str) -> dict[str, object]:
    """Predict and score the test cases once for each draw.

    Args:
        place: Prepared.
        row: Trained, of a network that takes clicks.
        device: As of promise-predict.

    Returns:
        What was measured, the commands, and five values of Dice a case.
    """
    root = place.open_root(row)
    (root / "draws").mkdir(exist_ok=True)
    dice: dict[str, list[float]] = {case_id: [] for case_id in sorted(place.fold.test)}
    commands = []
    for draw in range(DRAWS):
        points, masks = f"draws/points_{draw}.json", f"draws/masks_{draw}"
        write_json(draw_points(place, draw), root / points)
        asked = ("-i", "test", "-p", points, "-m", str(place.run_from_root(row)), "-o", masks)
        options = ("--device", device, "--precision", place.precision_of(row))
        for name, arguments in (
            ("predict", (*asked, *options)),
            ("evaluate", (masks, place.matrix.dataset)),
        ):
            commands.append(run(name, *arguments, folder=root).command)
        for case in load_json(root / masks / "metrics.json")["cases"]:
            dice[case["case_id"]].append(round(case["dice"], 6))
    return {"meaning": MEANING, "commands": commands, "dice": dice}
