"""Segments one scan by clicks: places windows, runs the networks in them, follows lesions and fuses the results.

This package exports nothing, because most of its modules import torch. Code that needs only `neighbours` or `tissue`
must not wait for torch.
"""
