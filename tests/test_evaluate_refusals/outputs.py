"""Mistakes in the folder for the results."""

from pathlib import Path

from tests.test_evaluate_refusals.mistakes import refuses


@refuses(
    "notes.txt: results need a folder, found a file; give another -o",
    *("masks", "labels", "-o", "notes.txt"),
)
def output_that_is_a_file():
    Path("notes.txt").write_text("")


@refuses(
    "notes.txt/below: cannot be written to (Not a directory); name another folder with -o",
    *("masks", "labels", "-o", "notes.txt/below"),
)
def output_below_a_file():
    Path("notes.txt").write_text("")
    Path("masks/a.nii.gz").write_bytes(b"never read, as the output is looked at first")


@refuses(
    "masks/metrics.csv: exists already, and was not written by promise-evaluate; name another folder with -o"
)
def table_of_somebody_else():
    Path("masks/metrics.csv").write_text("case,dice\na,0.5\n")


@refuses(
    "masks/metrics.md: exists already, and was not written by promise-evaluate; name another folder with -o"
)
def notes_of_somebody_else():
    Path("masks/metrics.md").write_text("# My metrics\n")


@refuses(
    "masks/metrics.json: exists already, and was not written by promise-evaluate; name another folder with -o"
)
def scores_of_somebody_else():
    Path("masks/metrics.json").write_text('{"dice": 0.5}')


@refuses(
    "masks/report.html: exists already, and was written neither by promise-predict nor by an evaluation of masks;"
    " name another folder with -o, or use --no-report"
)
def page_of_somebody_else():
    Path("masks/report.html").write_text("<html>my page</html>")


@refuses(
    "masks/prediction.html: exists already, and was written neither by promise-predict nor by an evaluation of masks;"
    " name another folder with -o, or use --no-report"
)
def page_of_predictions_that_cannot_be_kept():
    Path("masks/prediction.html").write_text("<html>my page</html>")
    Path("masks/report.html").write_text('<meta name="generator" content="promise-predict">')


@refuses(
    "masks/summary.json: exists already, and was not written by promise-evaluate; name another folder with -o",
    *("masks", "labels", "--format", "nnunet"),
)
def summary_of_nnunet_itself():
    Path("masks/summary.json").write_text("{}")
