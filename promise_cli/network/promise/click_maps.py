"""Maps of the clicks, that is, images with a Gaussian at each click, so that convolutions can use the clicks."""

import torch
from torch import Tensor

from promise_cli.errors import PromptError
from promise_cli.prompts.click import BACKGROUND, FOREGROUND

MAP_SIGMAS = (4.0, 8.0, 16.0)
"""Standard deviations of the Gaussians around a click, in voxels. The widest one covers much of the patch."""


def click_maps(clicks: Tensor, signs: Tensor, edge: int, sigma: float) -> Tensor:
    """Return a map of the foreground clicks and a map of the background clicks.

    A map is 1 at its clicks and falls off as a Gaussian. Where two Gaussians overlap, the nearer click counts. A map
    without clicks is 0 everywhere.

    Args:
        clicks: `(B, N, 3)`, ijk in voxels of the patch. Fractions are allowed.
        signs: `(B, N)` integers: 1 foreground, 0 background, -1 padding. Padding clicks are ignored.
        edge: Edge of the cubic patch in voxels.
        sigma: Standard deviation of the Gaussians in voxels.

    Returns:
        `(B, 2, I, J, K)` float32, the map of foreground clicks first.

    Raises:
        ValueError: The shapes of clicks and signs do not fit.
        PromptError: A click lies outside the patch.
    """
    if clicks.ndim != 3 or clicks.shape[2] != 3 or clicks.shape[:2] != signs.shape:
        raise ValueError(
            f"clicks have shape {tuple(clicks.shape)} and signs {tuple(signs.shape)}; give (B, N, 3) and (B, N)"
        )
    check_clicks(clicks, signs, edge)
    return gaussian_maps(clicks, signs, edge, sigma)


def gaussian_maps(clicks: Tensor, signs: Tensor, edge: int, sigma: float) -> Tensor:
    """Return `click_maps` for clicks that were already checked. Arguments and result are the same."""
    places = torch.arange(edge, device=clicks.device, dtype=torch.float32)
    # A 3D Gaussian is the product of three 1D Gaussians, one for each axis: (B, N, 3, edge).
    lines = torch.exp(-0.5 * ((places - clicks.float()[..., None]) / sigma) ** 2)
    maps = []
    for kind in (FOREGROUND, BACKGROUND):
        found = lines.new_zeros(len(clicks), edge, edge, edge)
        of_kind = (signs == kind).to(lines.dtype)
        # Clicks are added one after the other, because all at once would need the memory of N patches.
        for number in range(clicks.shape[1]):
            i, j, k = (lines[:, number, axis] for axis in range(3))
            i = i * of_kind[:, number, None]
            one = i[:, :, None, None] * j[:, None, :, None] * k[:, None, None, :]
            found = torch.maximum(found, one)
        maps.append(found)
    return torch.stack(maps, dim=1)


def coarse_maps(clicks: Tensor, signs: Tensor, edge: int, stride: int) -> Tensor:
    """Return maps of the clicks with all widths of `MAP_SIGMAS`, on a grid that is coarser than the patch.

    Args:
        clicks: `(B, N, 3)` in voxels of the patch, in the axis order of the grid. They must have been checked.
        signs: `(B, N)`: 1 foreground, 0 background, -1 padding.
        edge: Number of grid points along each axis.
        stride: Distance between neighbouring grid points, in voxels of the patch.

    Returns:
        `(B, 2 * len(MAP_SIGMAS), edge, edge, edge)` float32: for each width, the maps of foreground and background
        clicks.
    """
    places = (clicks.float() + 0.5) / stride - 0.5
    maps = [gaussian_maps(places, signs, edge, sigma / stride) for sigma in MAP_SIGMAS]
    return torch.cat(maps, dim=1)


def check_clicks(clicks: Tensor, signs: Tensor, edge: int) -> None:
    """Refuse clicks outside a patch of `edge` voxels. Clicks with a sign below 0 are padding and may lie anywhere.

    Nothing is checked while the network is compiled, or where the clicks are not on the CPU: to look at them there
    would make the host wait for all work of the device. Whoever moves clicks to a device checks them before.

    Raises:
        PromptError: A click lies outside the patch.
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
