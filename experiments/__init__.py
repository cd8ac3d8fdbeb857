"""The experiments behind docs/results.md: matrices of trainings that differ in one thing each.

`python -m experiments sarcoma --data FOLDER --work FOLDER` trains, predicts and scores every row that is not done yet,
with the commands that a user types. It keeps their small result files under `experiments/results/`. It may be stopped
at any time and continues in the next call.
"""
