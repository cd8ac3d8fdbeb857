"""Segments one scan by clicks: places windows, runs the networks in them, follows lesions and fuses the results.

This package exports nothing. Code that needs only a limit or the test for tissue must not import torch.
"""
