"""An evaluation replaces only files of earlier evaluations in the folder of its results."""

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import evaluate_app
from promise_cli.report import evaluation
from tests.conftest import write_nifti

PREDICTED = '<html><meta name="generator" content="promise-predict">clicks</html>'


@pytest.fixture(autouse=True)
def folders(in_folder):
    array = np.zeros((12, 12, 12), dtype=np.uint8)
    array[3:8, 3:8, 3:8] = 1
    for folder in ("masks", "labels"):
        write_nifti(in_folder / folder / "a.nii.gz", array, np.eye(4))


def run(*arguments):
    result = CliRunner().invoke(evaluate_app, ["masks", "labels", "--workers", "0", *arguments])
    assert result.exit_code == 0, result.stderr


def there():
    return sorted(path.name for path in Path("masks").iterdir() if path.suffix != ".gz")


def listed():
    return sorted(json.loads(Path("masks/metrics.json").read_text())["files"])


def test_files_of_an_earlier_call_do_not_stay_next_to_newer_scores():
    run("--format", "nnunet")
    assert there() == ["metrics.csv", "metrics.json", "metrics.md", "report.html", "summary.json"]
    run()
    assert there() == listed() == ["metrics.csv", "metrics.json", "metrics.md", "report.html"]
    run("--no-report")
    assert there() == listed() == ["metrics.csv", "metrics.json", "metrics.md"]


def test_a_page_that_cannot_be_drawn_removes_the_page_of_an_earlier_call(monkeypatch):
    run()
    monkeypatch.setattr(evaluation, "render_evaluation", lambda *_: 1 / 0)
    result = CliRunner().invoke(evaluate_app, ["masks", "labels", "--workers", "0"])
    assert isinstance(result.exception, ZeroDivisionError)
    assert there() == ["metrics.csv", "metrics.json", "metrics.md"]


def test_a_mask_that_is_deleted_after_scoring_only_loses_its_slices(monkeypatch, capsys):
    from promise_cli.evaluate.command import evaluate, picture_cases

    def late(pairing, *rest):
        pairing.pairs[0].prediction.unlink()
        return picture_cases(pairing, *rest)

    monkeypatch.setattr("promise_cli.evaluate.command.picture_cases", late)
    evaluate(Path("masks"), Path("labels"), workers=0)
    assert "warning: case a: no slices in the page (" in capsys.readouterr().err
    assert "<figure>" not in Path("masks/report.html").read_text()


def test_files_of_others_stay_if_they_are_not_in_the_way():
    Path("masks/report.html").write_text("<html>mine</html>")
    Path("masks/summary.json").write_text("{}")
    run("--no-report")
    assert Path("masks/report.html").read_text() == "<html>mine</html>"
    assert Path("masks/summary.json").read_text() == "{}"


def test_the_newest_page_of_promise_predict_is_kept_under_another_name():
    page, kept = Path("masks/report.html"), Path("masks/prediction.html")
    page.write_text(PREDICTED)
    run()
    assert kept.read_text() == PREDICTED
    assert 'content="promise-evaluate"' in page.read_text()
    run()
    assert kept.read_text() == PREDICTED
    newer = PREDICTED.replace("clicks", "newer clicks")
    page.write_text(newer)
    run()
    assert kept.read_text() == newer


def test_a_page_of_a_study_of_clicks_is_not_replaced_by_one_of_scores():
    Path("masks/report.html").write_text(
        '<meta name="generator" content="promise-evaluate --clicks">'
    )
    result = CliRunner().invoke(evaluate_app, ["masks", "labels"])
    assert result.stderr.startswith(
        "error: masks/report.html: exists already, and was written neither by "
    )


def test_a_failed_evaluation_makes_no_output_folder():
    write_nifti(Path("masks/a.nii.gz"), np.zeros((3, 3, 3), np.uint8), np.eye(4))
    result = CliRunner().invoke(evaluate_app, ["masks", "labels", "-o", "new/scores"])
    assert result.exit_code == 1
    assert not Path("new").exists()


def test_a_full_disk_is_reported_with_the_file():
    code = (
        "import resource, sys; from promise_cli.cli import evaluate_app;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (350, {resource.RLIM_INFINITY}));"
        "sys.argv[1:] = ['masks', 'labels', '--workers', '0', '--no-report']; evaluate_app()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: masks/metrics.md: cannot be written to (File too large); name another folder with -o\n"
    )
    assert there() == ["metrics.csv"]


def test_the_command_is_recorded_with_shell_quotes(monkeypatch):
    words = ["/bin/promise-evaluate", "my masks", "labels", "--workers", "0"]
    monkeypatch.setattr(sys, "argv", words)
    Path("masks").rename("my masks")
    result = CliRunner().invoke(evaluate_app, words[1:])
    assert result.exit_code == 0, result.stderr
    found = json.loads(Path("my masks/metrics.json").read_text())
    assert found["command"] == "promise-evaluate 'my masks' labels --workers 0"


def test_a_file_name_that_is_no_utf8_is_refused_before_reading():
    for folder in ("masks", "labels"):
        path = Path(folder, "caf\udce9.nii.gz")
        path.write_bytes(b"never read")
    result = CliRunner().invoke(evaluate_app, ["masks", "labels"])
    assert result.stderr == (
        "error: 'masks/caf\\udce9.nii.gz': is not valid UTF-8, so results cannot name it; rename it\n"
    )
    assert there() == []


def test_one_case_gives_no_intervals_and_no_columns_without_numbers():
    result = CliRunner().invoke(evaluate_app, ["masks", "labels", "--workers", "0"])
    text, page = (Path("masks", name).read_text() for name in ("metrics.md", "report.html"))
    assert " - to -" not in result.stdout + text + page
    assert "applied to 0 of 1 score\n" in result.stdout
    assert "(--empty nan): 0 of 1." in page
    for shown in (result.stdout, text, page):
        assert "interval" not in shown
        assert re.search(r"\bSD\b", shown) is None
        assert "quartiles" not in shown
        assert "range" not in shown.partition("<style>")[0]
    assert "| label | metric | n | mean |\n" in text


def test_a_comparison_of_one_case_shows_no_tests():
    shutil.copytree("masks", "other")
    result = CliRunner().invoke(
        evaluate_app, ["masks", "labels", "--workers", "0", "--compare", "other"]
    )
    text, page = (Path("masks", name).read_text() for name in ("metrics.md", "report.html"))
    for shown in (result.stdout, text, page):
        assert "this set minus the other. A single case cannot be tested." in shown
        assert "Holm" not in shown
        assert "Wilcoxon" not in shown
        assert "(-;" not in shown.partition("<style>")[0]
    assert "| label | metric | n | mean | other | difference |\n" in text
