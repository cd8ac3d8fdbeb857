"""A study of clicks replaces an earlier study of its dataset in the folder of its results, and nothing else."""

from pathlib import Path

import pytest

from tests.test_click_study.test_command import CLICKS, run, study


@pytest.mark.usefixtures("balls")
def test_a_study_replaces_an_earlier_one_only_when_asked_and_says_so():
    assert "replaced" not in run("--clicks", 1, "--tolerance", 0.25).stdout
    first = study()["created"]
    text = (CLICKS / "clicks.md").read_text()
    assert "protocol promise: NSD at 0.25 mm" in text
    assert "NSD 0.25 mm" in (CLICKS / "report.html").read_text()
    assert (CLICKS / "clicks.csv").read_text().splitlines()[1].endswith(",promise")
    refused = run("--clicks", 1, 2)
    assert f"clicks.json: a study of {first} exists already; " in refused.stderr
    assert study()["created"] == first
    done = run("--clicks", 1, 2, "--overwrite")
    assert f"{CLICKS}: replaced the study of {first}" in done.stdout
    assert study()["num_clicks"] == [1, 2]


@pytest.mark.usefixtures("balls")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "clicks.json",
            '{"tool": "promise_cli 1.0", "dataset": "Task10_Colon"}',
            "is a study of Task10_Colon, but this is one of Task98_Balls",
        ),
        ("clicks.json", "{}", "exists already, and was not written by promise-evaluate --clicks"),
        ("clicks.csv", "mine", "exists already, and was not written by promise-evaluate --clicks"),
        (
            "report.html",
            '<meta name="generator" content="promise-evaluate">',
            "exists already, and was not written by promise-evaluate --clicks",
        ),
    ],
)
def test_a_study_refuses_to_replace_other_files_before_it_begins(name, content, message):
    Path("there").mkdir()
    Path("there", name).write_text(content)
    done = run("--clicks", 1, "-o", "there")
    assert done.stderr == f"error: there/{name}: {message}; name another folder with -o\n"
    assert [path.name for path in Path("there").iterdir()] == [name]


@pytest.mark.usefixtures("balls")
def test_one_case_and_one_trial_give_no_columns_without_numbers():
    done = run("--clicks", 1)
    assert "1 test case, 1 trial each" in " ".join(done.stdout.split())
    text, page = ((CLICKS / name).read_text() for name in ("clicks.md", "report.html"))
    assert "| strategy | clicks | Dice | NSD 5 mm |" in text
    assert "1 test case of fold 0 of Task98\\_Balls, 1 trial each" in text
    assert " - to -" not in done.stdout + text + page
    assert "±" not in text
    assert "<td>-</td>" not in page
    assert "within" not in page
    assert "interval" not in text + page
    run("--clicks", 1, "--trials", 2, "--overwrite")
    assert "NSD 5 mm within" in (CLICKS / "clicks.md").read_text()
    assert "<th>within cases</th>" in (CLICKS / "report.html").read_text()
