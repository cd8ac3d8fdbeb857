"""Text blocks of docs/results.md: six sentences with the main results, and how uncertain the first of them is."""

from pathlib import Path

from experiments.fold_tables import of_cases
from experiments.matrix import LAST_WITHOUT_CLICKS, PROMISE, WITHOUT_CLICKS, Matrix
from experiments.overview import CLICKS_AS_CHANNELS
from experiments.rows import BOTH
from experiments.score_tables import dice_by_case, mean_dice
from experiments.table import span
from experiments.use_tables import FOLLOWED, after_corrections
from promise_cli.disk.records import load_json
from promise_cli.scores.comparison import MetricComparison, compare_pairs

ELSEWHERE = ("hippocampus", "phantom")
"""Data sets that the sentences name besides the sarcomas."""


def in_short(matrix: Matrix, folder: Path) -> list[str]:
    """Return six sentences with one number each.

    Args:
        matrix: Matrix of the sarcomas, which names the other folds.
        folder: Folder of the matrix's results. Those of hippocampus and phantoms lie next to it.
    """
    parts, root = _parts(matrix, folder), folder.parent
    ten = [(_after_ten(part), len(_one_click(part))) for part in parts]
    pooled = sum(dice * cases for dice, cases in ten) / sum(cases for _, cases in ten)
    hippocampus, phantom = (root / name for name in ELSEWHERE)
    below = mean_dice(hippocampus / WITHOUT_CLICKS / "metrics.json") - mean_dice(
        hippocampus / BOTH.name / "metrics.json"
    )
    lookalikes = mean_dice(phantom / CLICKS_AS_CHANNELS / "metrics.json") - mean_dice(
        phantom / WITHOUT_CLICKS / "metrics.json"
    )
    use = load_json(folder / PROMISE / "encoder_use.json")["mean"]
    lost = use["as_it_is"] - use["levels_of_another"]
    sentences = (
        f"**One click on sarcomas:** the Dice of the default differs by {_test(parts).mean_difference:+.3f} from that"
        " of dynunet without clicks, over all test cases of three folds.",
        f"**Ten clicks on sarcomas:** with clicks on its errors the default reaches {pooled:.3f} Dice.",
        f"**One click on the hippocampus:** the default stays {below:.3f} Dice below dynunet without clicks.",
        f"**Ten clicks on the hippocampus:** the default reaches {_after_ten(hippocampus):.3f} Dice.",
        f"**Look-alikes:** on phantoms a click adds {lookalikes:.3f} to the Dice of dynunet.",
        "**Transformer:** in the published design, using the transformer features of another patient changes the Dice"
        f" by {abs(lost):.3f}. The default does use these features.",
    )
    return [f"> {number}. {sentence}" for number, sentence in enumerate(sentences, 1)]


def uncertainty(matrix: Matrix, folder: Path) -> list[str]:
    """Return interval and p-value of the gain with one click, for all folds together and for the last fold alone."""
    parts = _parts(matrix, folder)
    everything, last = _test(parts), _test(parts[-1:])
    return [
        f"* The gain with one click over all folds has the 95 % interval {span(everything.interval)}"
        f" (p = {everything.t_p:.2g}, {everything.n} cases, one training per fold).",
        f"* Fold {len(parts) - 1} alone shows nothing significant: {last.mean_difference:+.3f}, 95 % interval"
        f" {span(last.interval)} (p = {last.t_p:.2g}, {last.n} cases).",
    ]


def _parts(matrix: Matrix, folder: Path) -> list[Path]:
    return [folder, *(folder.parent / name for name in matrix.other_folds)]


def _one_click(part: Path) -> dict[str, float]:
    """Return the default's Dice of each case, as the mean over five single clicks."""
    return of_cases(part / BOTH.name / "draws.json")


def _test(parts: list[Path]) -> MetricComparison:
    """Compare the default's single clicks with dynunet's last epoch without clicks, case by case."""
    ours, theirs = [], []
    for part in parts:
        without = dice_by_case(part / LAST_WITHOUT_CLICKS / "metrics.json")
        for case_id, dice in _one_click(part).items():
            ours.append(dice)
            theirs.append(without[case_id])
    return compare_pairs(ours, theirs)


def _after_ten(part: Path) -> float:
    return float(after_corrections(part / BOTH.name / FOLLOWED, (10,))[0])
