"""A small network that tests can afford, with patches and clicks for it."""

import dataclasses

import torch
from torch import nn

from promise_cli.network.promise import ProMISe, model_config

SMALL = dataclasses.replace(
    model_config("tiny"),
    patch_size=32,
    click_map=False,
    slice_embedding="random",
    neck_norm="channels",
)
"""The paper's design at a small size."""
RECOMMENDED = {
    "click_map": True,
    "click_map_in_head": True,
    "slice_embedding": "average",
    "neck_norm": "patch",
}


def network(**changes):
    model = start(**changes)
    if model.mask_decoder.click_head is not None:  # its weights start at zero
        nn.init.normal_(model.mask_decoder.click_head.weight, std=0.05)
    return model


def start(**changes):
    torch.manual_seed(0)
    return ProMISe(dataclasses.replace(SMALL, **changes)).eval()


def patches(batch=1, edge=32):
    return torch.randn(batch, 1, edge, edge, edge, generator=torch.Generator().manual_seed(1))


def clicks(*places):
    return torch.tensor([places], dtype=torch.float32)


ONE = torch.ones(1, 1, dtype=torch.long)
