"""The course of a training: log.csv with one row per epoch, and progress.png. matplotlib is used only here."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from promise_cli.disk.atomic import whole_file, write_text
from promise_cli.errors import CheckpointError, shorten


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """Figures of one epoch; a row of log.csv."""

    epoch: int
    """Number of the epoch, counted from 1."""
    learning_rate: float
    loss: float
    """Total loss; like its three parts below, a mean over the epoch's steps."""
    dice_loss: float
    cross_entropy: float
    boundary: float
    validation_dice: float | None
    """Mean Dice over the validation patches; None if this epoch was not validated."""
    corrected_dice: float | None = None
    """Validation Dice after all corrections of the recipe; None without validation or corrections."""
    seconds: float
    """Time of the epoch's steps and of its validation."""


def save_log(rows: Sequence[EpochLog], path: Path) -> None:
    """Write all epochs as CSV, whole or not at all."""
    write_text(path, log_text(rows))


def log_text(rows: Sequence[EpochLog]) -> str:
    """Return the text of log.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in fields(EpochLog)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {name: "" if value is None else value for name, value in asdict(row).items()}
        )
    return text.getvalue()


def load_log(path: Path) -> list[EpochLog]:
    """Read the rows that `save_log` wrote; an empty list if there is no file.

    Raises:
        CheckpointError: The file is damaged.
    """
    if not path.exists():
        return []
    try:
        return _read_rows(path)
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise CheckpointError(
            f"{path}: damaged ({shorten(repr(error))}); repair or remove it to continue"
        ) from None


def _read_rows(path: Path) -> list[EpochLog]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            EpochLog(
                epoch=int(row["epoch"]),
                validation_dice=_optional(row["validation_dice"]),
                corrected_dice=_optional(row.get("corrected_dice")),  # missing in older logs
                **{
                    name: float(row[name])
                    for name in (
                        "learning_rate",
                        "loss",
                        "dice_loss",
                        "cross_entropy",
                        "boundary",
                        "seconds",
                    )
                },
            )
            for row in csv.DictReader(file)
        ]


def _optional(text: str | None) -> float | None:
    return float(text) if text else None


def draw_progress(rows: Sequence[EpochLog], title: str, path: Path) -> None:
    """Draw loss and validation Dice over the epochs."""
    from matplotlib.figure import Figure  # noqa: PLC0415  takes a second to import
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure = Figure(figsize=(8, 4.5))
    # A computed layout would draw everything twice, which takes as long as an epoch of a small training.
    figure.subplots_adjust(left=0.1, right=0.91, bottom=0.11, top=0.92)
    loss_axes = figure.subplots()
    epochs = [row.epoch for row in rows]
    loss_axes.plot(epochs, [row.loss for row in rows], color="tab:blue", label="loss")
    loss_axes.set(xlabel="epoch", ylabel="loss", title=title)
    loss_axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    dice_axes = loss_axes.twinx()
    for label, colour, values in (
        ("validation Dice", "tab:orange", [row.validation_dice for row in rows]),
        ("validation Dice, corrected", "tab:green", [row.corrected_dice for row in rows]),
    ):
        there = [pair for pair in zip(epochs, values, strict=True) if pair[1] is not None]
        if there:
            dice_axes.plot(*zip(*there, strict=True), color=colour, marker=".", label=label)
    dice_axes.set(ylabel="Dice", ylim=(0, 1))
    lines = [*loss_axes.get_lines(), *dice_axes.get_lines()]
    loss_axes.legend(lines, [str(line.get_label()) for line in lines], loc="center right")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": "promise_cli"})
