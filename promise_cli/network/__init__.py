"""The networks: ProMISe and its rivals, with their recipes, weights and checkpoints.

This package exports nothing. Its registry imports torch, and `--help` and preprocessing must not wait for that.
"""
