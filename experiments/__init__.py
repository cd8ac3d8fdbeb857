"""The experiments behind docs/results.md: matrices of trainings that differ in one thing each.

`python -m experiments sarcoma --data FOLDER --work FOLDER` trains, predicts and scores every row that is not done yet,
with the commands that a user types. It keeps what they wrote under `experiments/results/`, may be stopped at any time,
and then goes on where it was.
"""
