"""Make the authors' checkpoint and image by the rules that ../shared/parity describes."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"
POSITIONS = ("rel_pos_h", "rel_pos_w", "rel_pos_d", "pos_embed", "depth_embed")


def layout():
    """Return the shape of every entry that is a weight, by `section.key`."""
    shapes = json.loads((PARITY / "reference_checkpoint_layout.json").read_text())
    return {name: shape for name, shape in shapes.items() if not name.endswith("attn_mask")}


def entry(name, shape, seed):
    """Return the values of one entry in float32."""
    random = np.random.RandomState(zlib.crc32(f"{seed}:{name}".encode()))
    values = random.standard_normal(shape or (1,)).reshape(shape)
    last = name.split(".")[-1]
    if last in POSITIONS:
        values = values * 0.1
    elif last in ("global_query", "positional_encoding_gaussian_matrix"):
        pass
    elif last == "lr" or (len(shape) == 1 and last == "weight"):
        values = 1 + 0.1 * values
    elif len(shape) == 1:
        values = 0.1 * values
    else:
        gain = 2 if ".transformer." in name else 1
        values = values * gain / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def checkpoint(make=entry, seed=1):
    """Return a whole checkpoint in the authors' layout; `make(name, shape, seed)` gives each entry."""
    prompts = [{}, {}, {}, {}]
    sections = {f"prompt{n}": prompt for n, prompt in enumerate(prompts)}
    sections |= {"encoder": {}, "decoder": {}}
    for name, shape in layout().items():
        section, key = name.split(".", 1)
        sections[section][key] = make(name, shape, seed)
    return {
        "epoch": 7,
        "best_val_loss": np.float64(0.25),
        "encoder_dict": sections["encoder"],
        "feature_dict": prompts,
        "decoder_dict": sections["decoder"],
    }


def image(seed=1):
    """Return the image on axes (d, h, w)."""
    random = np.random.RandomState(seed)
    a = np.arange(128) / 128
    volume = np.zeros((128, 128, 128))
    for _ in range(12):
        f, p = random.uniform(-6, 6, 3), random.uniform(0, 2 * np.pi)
        amplitude = random.uniform(0.3, 1)
        along = f[0] * a[:, None, None] + f[1] * a[None, :, None] + f[2] * a[None, None, :]
        volume += amplitude * np.sin(2 * np.pi * along + p)
    return torch.from_numpy(volume.astype(np.float32))
