"""The log of a training survives the way to disk, and its picture is drawn from the first epoch on."""

from pathlib import Path

from promise_cli.train.curves import EpochLog, draw_progress, load_log, save_log


def _row(epoch: int, dice: float | None) -> EpochLog:
    return EpochLog(
        epoch=epoch,
        learning_rate=4e-4,
        loss=1.5,
        dice_loss=0.8,
        cross_entropy=0.2,
        boundary=0.05,
        validation_dice=dice,
        seconds=1.25,
    )


def test_the_log_comes_back_as_it_was(tmp_path: Path) -> None:
    rows = [_row(1, None), _row(2, 0.5)]
    save_log(rows, tmp_path / "log.csv")
    assert load_log(tmp_path / "log.csv") == rows
    assert load_log(tmp_path / "none.csv") == []


def test_the_picture_needs_no_validation(tmp_path: Path) -> None:
    draw_progress([_row(1, None)], "balls", tmp_path / "progress.png")
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")
