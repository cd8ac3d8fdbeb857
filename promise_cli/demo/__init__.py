"""The demo: a phantom dataset, and the four commands on it."""
