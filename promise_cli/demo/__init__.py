"""The demo: it makes a phantom dataset and runs the four commands on it."""
