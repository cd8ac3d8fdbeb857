"""The log of a training is read back unchanged, and its curves are drawn from the first epoch on."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from promise_cli.train.curves import EpochLog, draw_progress, load_log, save_log


def _row(epoch: int, dice: float | None, corrected: float | None = None) -> EpochLog:
    return EpochLog(
        epoch=epoch,
        learning_rate=4e-4,
        loss=1.5,
        dice_loss=0.8,
        cross_entropy=0.2,
        boundary=0.05,
        validation_dice=dice,
        corrected_dice=corrected,
        seconds=1.25,
    )


def test_the_log_is_read_back_unchanged(tmp_path: Path) -> None:
    rows = [_row(1, None), _row(2, 0.5), _row(3, 0.5, 0.75)]
    save_log(rows, tmp_path / "log.csv")
    assert load_log(tmp_path / "log.csv") == rows
    assert load_log(tmp_path / "none.csv") == []


def test_a_log_without_the_column_of_corrections_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    save_log([_row(1, 0.5)], path)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place = lines[0].index("corrected_dice")
    path.write_text("".join(",".join(cells[:place] + cells[place + 1 :]) + "\n" for cells in lines))
    assert load_log(path) == [_row(1, 0.5)]


def test_the_curves_are_drawn_without_any_validation(tmp_path: Path) -> None:
    draw_progress([_row(1, None)], "balls", tmp_path / "progress.png")
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")


def test_epochs_are_marked_by_whole_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks: list[float] = []
    save = Figure.savefig

    def look(figure: Figure, *arguments: object, **options: object) -> None:
        ticks.extend(figure.axes[0].get_xticks())
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", look)
    draw_progress([_row(1, None), _row(2, 0.5)], "balls", tmp_path / "progress.png")
    assert ticks
    assert all(tick == round(tick) for tick in ticks)
