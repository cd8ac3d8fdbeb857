"""A training that is killed at any write, and resumed or started again as its messages say, has all its files."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from promise_cli.disk.atomic import whole_file
from promise_cli.errors import PromiseError
from promise_cli.network.checkpoint import load_checkpoint
from promise_cli.network.unfinished import unfinished
from promise_cli.train import loop, outcome, provenance, run
from promise_cli.train.curves import load_log
from tests.conftest import RUN
from tests.killer import Kill, Killer
from tests.test_train.runs import copy_workspace, train_balls

PLAIN = ("adapters=1", "fusion=none", "upsampling=trilinear")
"""Fields of a network of few tensors. Each takes as long to read from a checkpoint, however small it is."""
LOSSES = dict.fromkeys(("loss", "dice", "cross_entropy", "boundary"), 0.5)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace steps and validation by the addition of a number to the weights; all else is real."""
    from promise_cli.train.step import Validation

    def step(training, *_):
        with torch.no_grad():
            next(training.run.model.parameters()).add_(training.run.config.epochs)
            for parameter in training.run.model.parameters():
                parameter.grad = torch.zeros_like(parameter)
        training.run.optimizer.step()
        return LOSSES

    def validate(training):
        return Validation(training.run.config.epochs / 10 + training.run.epoch / 100, None)

    def draw(_, title, path):
        with whole_file(path) as temporary:
            temporary.write_bytes(b"\x89PNG Software\0promise_cli " + title.encode())

    monkeypatch.setattr(run, "draw_progress", draw)
    monkeypatch.setattr(outcome, "count_operations", lambda *_: 1)
    monkeypatch.setattr(provenance, "_git_state", lambda: None)
    monkeypatch.setattr(loop, "take_step", step)
    monkeypatch.setattr(loop, "validate", validate)


def _state(folder: Path) -> dict[str, object]:
    """Return the names of all files, and the contents of those that tell two networks apart."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    checkpoints = {
        name: [
            one.epoch,
            one.best_dice,
            float(sum(of.double().sum() for of in one.weights.values())),
        ]
        for name in sorted(names)
        if name.endswith(".pt")
        for one in [load_checkpoint(folder / name)]
    }
    sessions = json.loads((folder / "run.json").read_text())["sessions"]
    return {
        "names": names,
        "checkpoints": checkpoints,
        "epochs": [row.epoch for row in load_log(folder / "log.csv")],
        "outcome": sessions[-1]["outcome"],
        "metrics": (folder / "metrics.csv").read_text(),
        "unfinished": unfinished(folder / "checkpoint_best.pt"),
    }


def _train_again(root: Path, start: dict, **options) -> None:
    """Call a killed training again. Options are changed as the messages ask for, until nothing is left to do."""
    for _ in range(4):
        try:
            train_balls(root, epochs=1, **options if "resume" in options else start | options)
        except PromiseError as error:
            if "epochs are done; ask for more" in str(error):
                return
            if "leave --resume out" in str(error):
                options.pop("resume")
            elif "instead of --resume" in str(error):
                options = {"overwrite": True}
            else:
                raise
        else:
            return
    pytest.fail("the messages lead in a circle")


@pytest.mark.parametrize("over", [False, True], ids=["new", "over an earlier run"])
@pytest.mark.usefixtures("quick")
@pytest.mark.slow(seconds=14)
def test_a_training_killed_at_any_write_has_all_its_files_after_the_next_call(
    preprocessed: Path, tmp_path: Path, over: bool
) -> None:
    options = {"patches_per_case": 1, "fields": ("predict_with=final", *PLAIN)}
    before = copy_workspace(preprocessed, tmp_path / "before")
    if over:
        train_balls(before, epochs=3, **options)
        _add_study_and_curves(before / RUN)
    root = tmp_path / "root"

    def start(nth: int) -> str:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(before, root)
        with pytest.MonkeyPatch.context() as patch:
            killer = Killer(patch, nth)
            try:
                train_balls(root, epochs=1, overwrite=over, **options)
            except Kill:
                return killer.last
        return ""

    assert start(10**6) == ""
    expected = _state(root / RUN)
    seen = []
    # After 18 changes, all files of an earlier run are gone, and what follows is as in a new run.
    while (name := start(len(seen) + 1)) and not (over and len(seen) > 18):
        seen.append(name)
        untouched = over and _is_untouched(root / RUN, before / RUN)
        _train_again(root, options, **{"overwrite" if untouched else "resume": True})
        assert _state(root / RUN) == expected, f"killed at change {len(seen)}: {name}"
    assert "checkpoint_best.pt" in "".join(seen), seen


def _add_study_and_curves(run: Path) -> None:
    for name in ("clicks/unfinished/ball_001.json", "tensorboard/events.out.1"):
        (run / name).parent.mkdir(parents=True)
        (run / name).write_text("{}")
    (run / "clicks" / "clicks.json").write_text('{"tool": "promise_cli 0"}')


def _is_untouched(run: Path, before: Path) -> bool:
    """Whether the earlier run's last checkpoint is still there; then its other files must be, too."""
    last = "checkpoint_last.pt"
    if (run / last).read_bytes() != (before / last).read_bytes():
        return False
    hidden = (".tmp-", ".replaces")
    for path in before.rglob("*"):
        if path.is_file() and not path.name.startswith(hidden):
            found = (run / path.relative_to(before)).read_bytes()
            assert found[: path.stat().st_size] == path.read_bytes()
            assert len(found) == path.stat().st_size or path.name == "train.log"  # it grows
    return True
