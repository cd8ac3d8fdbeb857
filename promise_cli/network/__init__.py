"""The networks: ProMISe and those that it is compared with, their recipes, weights and checkpoints.

Nothing is exported here: the registry loads torch, which `--help` and preprocessing must not.
"""
