"""The steps of a matrix. Each is done once: a step whose files exist is not done again."""

import math
import shutil
import time
from dataclasses import asdict

from experiments.click_after import measure_click_after
from experiments.click_use import measure_click_use
from experiments.clicks import write_points
from experiments.command import Taken, run
from experiments.draws import measure_draws
from experiments.encoder_use import measure_encoder_use
from experiments.matrix import Row
from experiments.place import KEPT_OF_RUN, Place, write_json
from experiments.seen import measure_seen
from promise_cli.console import say
from promise_cli.disk.records import load_json

CORRECTIONS = ("corrections", "corrections_followed")
STUDIES = {
    "corrections": (
        *("--clicks", "1", "2", "3", "5", "10", "--trials", "5"),
        *("--strategies", "largest-error"),
    ),
    "corrections_followed": (
        *("--clicks", "1", "2", "3", "5", "10", "--trials", "2"),
        *("--strategies", "largest-error", "--max-windows", "20"),
    ),
    "clicks": (
        *("--clicks", "1", "2", "5", "10", "--trials", "5"),
        *("--strategies", "random", "centre", "boundary"),
    ),
}
"""Options of promise-evaluate for each table that is kept."""


def prepare(place: Place) -> None:
    """Preprocess with the matrix's plan, and draw clicks on the test cases."""
    matrix = place.matrix
    place.shared.mkdir(parents=True, exist_ok=True)
    link = place.shared / matrix.dataset
    if not link.is_symlink():
        link.symlink_to(place.data.resolve())
    plan = place.preprocessed / "plans.json"
    if not plan.exists():
        run("preprocess", matrix.dataset, *matrix.preprocess, folder=place.shared)
    content = load_json(plan)
    if any(content[name] != value for name, value in matrix.plan.items()):
        write_json({**content, **matrix.plan}, plan)
        run("preprocess", matrix.dataset, folder=place.shared)
    write_json(asdict(matrix), place.kept / "matrix.json")
    for name in ("plans.json", "splits.json", "fingerprint.json"):
        write_json(load_json(place.preprocessed / name), place.kept / name)
    write_points(place)


def do_row(place: Place, row: Row, *, device: str, until: float) -> bool:
    """Train, predict and score one row, and keep its results.

    Args:
        place: Prepared folders.
        row: A row of the matrix.
        device: Device as promise-train names it.
        until: Value of `time.monotonic()` at which training stops. Another call then continues it.

    Returns:
        Whether the row is done.
    """
    if not (place.kept_of(row) / "metrics.json").exists():
        if row.runs_at is not None:
            say(
                f"{row.name}: left out, since one of its options was removed; commit {row.runs_at} can train it"
            )
            return True
        if not _train(place, row, device, until):
            return False
        _score(place, row, device)
    if not row.clicks and not (place.kept_of(row) / "click_after.json").exists():
        write_json(measure_click_after(place, row), place.kept_of(row) / "click_after.json")
    if row.clicks and not (place.kept_of(row) / "click_use.json").exists():
        write_json(measure_click_use(place, row, device), place.kept_of(row) / "click_use.json")
    if row.network is None and not (place.kept_of(row) / "encoder_use.json").exists():
        use = measure_encoder_use(place, row, device)
        write_json(use, place.kept_of(row) / "encoder_use.json")
    if not (place.kept_of(row) / "seen.json").exists():
        write_json(measure_seen(place, row, device), place.kept_of(row) / "seen.json")
    return True


def study_clicks(place: Place, row: Row, *, device: str) -> None:
    """Vary number, place and seed of a row's clicks, and correct its masks, if the matrix lists the row for it."""
    studied = row.name in place.matrix.studied
    if studied and not (place.kept_of(row) / "draws.json").exists():
        write_json(measure_draws(place, row, device), place.kept_of(row) / "draws.json")
    for name, options in STUDIES.items():
        if not (studied or (row.name in place.matrix.corrected and name in CORRECTIONS)):
            continue
        if (place.kept_of(row) / f"{name}.csv").exists():
            continue
        root = place.open_root(row)
        where = ("-m", str(place.run_from_root(row)), "-o", f"studies/{name}", "--overwrite")
        run("evaluate", *options, "--device", device, *where, folder=root)
        place.kept_of(row).mkdir(parents=True, exist_ok=True)
        for kind in ("md", "csv"):
            shutil.copyfile(
                root / "studies" / name / f"clicks.{kind}",
                place.kept_of(row) / f"{name}.{kind}",
            )


def _train(place: Place, row: Row, device: str, until: float) -> bool:
    root = place.open_root(row)
    folder = place.run_of(row)
    if (folder / "metrics.json").exists():
        return True
    hours = (until - time.monotonic()) / 3600
    if hours <= 0:
        return False
    options = ["--fold", str(place.matrix.fold), "--device", device]
    if hours < math.inf:
        options += ["--max-hours", f"{hours:.3f}"]
    if (folder / "checkpoint_last.pt").exists():
        options += ["--resume", *row.identity]
    else:
        options += [*place.matrix.train, *row.options, *_weights(place, row)]
    run("train", place.matrix.dataset, *options, folder=root)
    return (folder / "metrics.json").exists()


def _weights(place: Place, row: Row) -> list[str]:
    if row.pretrained:
        if place.weights is None:
            raise ValueError(
                f"row {row.name}: starts from pretrained weights; name their file with --weights"
            )
        return ["--weights", place.weights.name]
    return [] if row.network else ["--weights", "none"]


def _score(place: Place, row: Row, device: str) -> None:
    """Predict and score a row on the scans' own grids, and keep the files.

    With clicks this is done twice: in one window, and with the lesion followed beyond it.
    """
    root, kept = place.open_root(row), place.kept_of(row)
    run_folder = str(place.run_from_root(row))
    ways = {
        "followed": ("-p", "points.json"),
        "single_window": ("-p", "points.json", "--single-window"),
    }
    taken: list[Taken] = []
    seconds: dict[str, list[dict[str, object]]] = {}
    for way, prompts in (ways if row.clicks else {"followed": ()}).items():
        masks = f"predictions/{way}"
        taken.append(
            run(
                "predict",
                "-i",
                "test",
                *prompts,
                "-m",
                run_folder,
                "-o",
                masks,
                "--device",
                device,
                "--precision",
                place.precision_of(row),
                folder=root,
            )
        )
        seconds[way] = [
            {
                "case_id": case["case_id"],
                "windows": len(case["windows"]),
                "seconds": case["seconds"],
            }
            for case in load_json(root / masks / "predictions.json")["cases"]
        ]
        name = place.matrix.reference
        other = place.kept / name / _metrics(way)
        compare: tuple[str, ...] = ()
        if row.name != name and other.exists():
            shutil.copyfile(other, root / f"{name}.json")
            compare = ("--compare", f"{name}.json")
        tolerances = ("--tolerance", *(f"{mm:g}" for mm in place.matrix.tolerances_mm))
        run("evaluate", masks, place.matrix.dataset, *tolerances, *compare, folder=root)
    kept.mkdir(parents=True, exist_ok=True)
    for name in KEPT_OF_RUN:
        shutil.copyfile(place.run_of(row) / name, kept / name)
    write_json(
        {"commands": [asdict(one) for one in taken], "cases": seconds}, kept / "prediction.json"
    )
    for way in reversed(
        list(seconds)
    ):  # metrics.json is written last, since it marks the row as done
        shutil.copyfile(root / "predictions" / way / "metrics.json", kept / _metrics(way))


def _metrics(way: str) -> str:
    return "metrics.json" if way == "followed" else f"metrics_{way}.json"
