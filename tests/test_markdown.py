"""metrics.md is fit for a paper: names appear as they are, tests name their method, worst cases are listed."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.scores.markdown import escape
from tests.conftest import write_nifti

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


def box(start=(5, 5, 4), value=1):
    array = np.zeros((24, 20, 16), dtype=np.uint8)
    i, j, k = start
    array[i : i + 4, j : j + 4, k : k + 4] = value
    return array


@pytest.fixture
def scored(in_folder):
    """Score three cases, two of whose labels share a name, compared with another set.

    Returns:
        The text of metrics.md, of the screen and of report.html.
    """
    names = {"1": "lump_*a*|b", "2": "lump_*a*|b", "3": "<i>[x]`"}
    Path("labels").mkdir()
    Path("labels/dataset.json").write_text(json.dumps({"labels": names}))
    for number, case in enumerate(("c_1", "c_2", "c_3")):
        rest = box((14, 5, 4), 2) + box((14, 12, 4), 3)
        write_nifti(Path(f"labels/{case}.nii.gz"), box() + rest, AFFINE)
        write_nifti(Path(f"masks/{case}.nii.gz"), box((5 + number, 5, 4)) + rest, AFFINE)
        write_nifti(Path(f"other/{case}.nii.gz"), box((5, 5, 4 + number)) + rest, AFFINE)
    arguments = ["masks", "labels", "--compare", "other", "--workers", "0", "--tolerance", "1"]
    result = CliRunner().invoke(evaluate_app, arguments)
    assert result.exit_code == 0, result.stderr
    assert in_folder == Path.cwd()
    return (
        Path("masks/metrics.md").read_text(),
        result.stdout,
        Path("masks/report.html").read_text(),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("colon_001", r"colon\_001"),
        ("a|b*c*", r"a\|b\*c\*"),
        ("[x](y)`<b>", r"\[x\](y)\`\<b\>"),
        ("back\\slash\n# two  lines", r"back\\slash # two lines"),
        ("&lt;", r"\&lt;"),
    ],
)
def test_a_name_is_not_read_as_markdown(name, expected):
    assert escape(name) == expected


def test_two_labels_with_the_same_name_are_distinguished_by_their_value(scored):
    text, shown, page = scored
    assert r"| lump\_\*a\*\|b (1) | Dice | 3 |" in text
    assert r"| lump\_\*a\*\|b (2) | Dice | 3 |" in text
    assert r"| \<i\>\[x\]\` | Dice | 3 |" in text
    assert "Summary: lump_*a*|b (2)" in shown
    for name in ("lump_*a*|b (1)", "lump_*a*|b (2)"):
        assert page.count(name) > 5


def test_the_worst_cases_are_named_for_each_label(scored):
    (line,) = [line for line in scored[0].splitlines() if line.startswith("Lowest Dice: ")]
    assert line.startswith(
        r"Lowest Dice: lump\_\*a\*\|b (1): c\_3, c\_2, c\_1; lump\_\*a\*\|b (2): "
    )


def test_every_test_names_the_method_of_wilcoxon_in_its_row(scored):
    text, shown, page = scored
    table = text.split("## Compared with other")[1].splitlines()
    rows = [line.split(" | ") for line in table if line.startswith("| ")]
    assert rows[0][8] == "Wilcoxon method"
    methods = [
        test["wilcoxon_method"]
        for label in json.loads(Path("masks/metrics.json").read_text())["comparison"]["labels"]
        for test in label["metrics"].values()
    ]
    assert [row[8] for row in rows[2:]] == methods
    assert len(set(methods)) > 1
    compared = shown.split("Compared with other")[1]
    assert [method for method in methods if method not in compared] == []
    section = page.split('id="comparison"')[1].split("</section>")[0]
    assert section.count("all sign changes") >= methods.count("all sign changes")
