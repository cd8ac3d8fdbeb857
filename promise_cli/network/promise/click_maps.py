"""Clicks as images: a Gaussian at each, so that convolutions see them."""

import torch
from torch import Tensor

from promise_cli.errors import PromptError
from promise_cli.prompts.click import BACKGROUND, FOREGROUND

MAP_SIGMAS = (4.0, 8.0, 16.0)
"""Standard deviations of the Gaussians around a click in voxels, from narrow to much of the patch."""


def click_maps(clicks: Tensor, signs: Tensor, edge: int, sigma: float) -> Tensor:
    """A map of foreground clicks and one of background clicks.

    A map is 1 at its clicks and falls off as a Gaussian; where two overlap, the nearer one counts. It is 0 everywhere
    without a click.

    Args:
        clicks: `(B, N, 3)` ijk in voxels of the patch, fractions allowed.
        signs: `(B, N)` integers: 1 foreground, 0 background, -1 padding, ignored entirely.
        edge: Edge of the cubic patch in voxels.
        sigma: Standard deviation in voxels.

    Returns:
        `(B, 2, I, J, K)` float32.

    Raises:
        ValueError: Clicks and signs do not fit.
        PromptError: A click lies outside the patch.
    """
    if clicks.ndim != 3 or clicks.shape[2] != 3 or clicks.shape[:2] != signs.shape:
        raise ValueError(
            f"clicks {tuple(clicks.shape)} and signs {tuple(signs.shape)}; they must be (B, N, 3) and (B, N)"
        )
    check_clicks(clicks, signs, edge)
    return gaussian_maps(clicks, signs, edge, sigma)


def gaussian_maps(clicks: Tensor, signs: Tensor, edge: int, sigma: float) -> Tensor:
    """`click_maps` of clicks that were checked before; arguments and result as there."""
    places = torch.arange(edge, device=clicks.device, dtype=torch.float32)
    # A Gaussian of three axes is the product of three lines: (B, N, 3, edge)
    lines = torch.exp(-0.5 * ((places - clicks.float()[..., None]) / sigma) ** 2)
    maps = []
    for kind in (FOREGROUND, BACKGROUND):
        found = lines.new_zeros(len(clicks), edge, edge, edge)
        of_kind = (signs == kind).to(lines.dtype)
        for number in range(
            clicks.shape[1]
        ):  # one after the other: all at once would need N patches of memory
            i, j, k = (lines[:, number, axis] for axis in range(3))
            i = i * of_kind[:, number, None]
            one = i[:, :, None, None] * j[:, None, :, None] * k[:, None, None, :]
            found = torch.maximum(found, one)
        maps.append(found)
    return torch.stack(maps, dim=1)


def coarse_maps(clicks: Tensor, signs: Tensor, edge: int, stride: int) -> Tensor:
    """Gaussians of all widths on a grid of `edge` places that are `stride` voxels apart.

    Args:
        clicks: `(B, N, 3)` in voxels of the patch, in the order of the grid's axes; they were checked before.
        signs: `(B, N)`: 1 foreground, 0 background, -1 padding.
        edge: Places along an axis of the grid.
        stride: Voxels of the patch between two of them.

    Returns:
        `(B, 2 * widths, edge, edge, edge)` float32: foreground and background of each of `MAP_SIGMAS`.
    """
    places = (clicks.float() + 0.5) / stride - 0.5
    maps = [gaussian_maps(places, signs, edge, sigma / stride) for sigma in MAP_SIGMAS]
    return torch.cat(maps, dim=1)


def check_clicks(clicks: Tensor, signs: Tensor, edge: int) -> None:
    """Refuse clicks outside a patch of `edge` voxels; `signs` below 0 are padding, which may lie anywhere.

    Nothing is checked while the network is compiled, or where the clicks are not on the CPU: to look at them there
    would make the host wait for all work of the device. Whoever moves clicks to a device checks them before.

    Raises:
        PromptError: One lies outside.
    """
    if torch.compiler.is_compiling() or clicks.device.type != "cpu":
        return
    outside = ((clicks < -0.5) | ~(clicks < edge - 0.5)).any(dim=-1) & (signs >= 0)
    if outside.any():
        place = ", ".join(f"{value:g}" for value in clicks[outside][0].tolist())
        raise PromptError(
            f"click ({place}) lies outside the patch of {edge} x {edge} x {edge} voxels;"
            " give voxel indices (i, j, k) of the patch"
        )
