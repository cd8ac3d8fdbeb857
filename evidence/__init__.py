"""The experiments behind docs/results.md: matrices of trainings that differ in one thing each.

`python -m evidence sarcoma --data FOLDER --work FOLDER` trains, predicts and scores every row that is not yet done,
with the commands that a user types, and keeps what they wrote under `docs/results/`. It may be stopped at any time and
goes on.
"""
