"""Draw the figure of docs/results.md: Dice over the number of clicks, each on the largest error of the mask so far.

python -m experiments.curves
"""

from pathlib import Path

from experiments.overview import DATA
from experiments.place import RESULTS
from experiments.rows import BOTH
from experiments.use_tables import FOLLOWED, after_corrections, numbers_of

FIGURE = RESULTS.parents[1] / "docs" / "images" / "clicks.svg"


def read_curves(results: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Return the numbers of clicks and the mean Dice of the default recipe on each data set."""
    curves = {}
    for name, what in DATA.items():
        table = results / name / BOTH.name / FOLLOWED
        numbers = numbers_of(table)
        curves[what] = (numbers, [float(value) for value in after_corrections(table, numbers)])
    return curves


def draw(path: Path, results: Path = RESULTS) -> None:
    """Write the figure as SVG without a date, so that the same data give the same file."""
    import matplotlib as mpl  # noqa: PLC0415 -- slow to import, and the tables do not need it

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    mpl.rcParams.update({"svg.hashsalt": "clicks", "font.size": 9, "svg.fonttype": "none"})
    figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    for what, (numbers, values) in read_curves(results).items():
        axes.plot(numbers, values, marker="o", markersize=3, label=what)
    axes.set(xlabel="clicks", ylabel="mean Dice of the test cases", xlim=(0.5, 10.5))
    axes.set_xticks(numbers)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right", ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    draw(FIGURE)
