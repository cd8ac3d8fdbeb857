"""Find targets that lie in air: below -900 HU in CT, and in the background of other scans."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.channels import describe_channel, is_ct

AIR_HU = -900
"""A CT scan in HU has lower intensities than this if it shows any air."""
BACKGROUND_SHARE = 0.05
"""Part of the range from the least intensity to the 99.5th percentile that is background, except in CT."""
IN_AIR = "of the target lies in air"
"""Words by which warnings about a target in air are recognised."""


def background_below(array: NDArray[Any]) -> float:
    """Return the intensity below which a channel other than CT, (I, J, K), shows the scan's background.

    Up to a million voxels at even distances are looked at.
    """
    step = max(1, round((array.size / 1e6) ** (1 / 3)))
    low, high = np.percentile(array[::step, ::step, ::step], [0, 99.5]).tolist()
    return float(low + BACKGROUND_SHARE * (high - low))


def check_air(
    channels: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]], names: Sequence[str]
) -> list[str]:
    """Return a warning about a target that lies mostly in air.

    If there are CT channels, only they are judged, and air in one of them is enough. Other intensities have no unit,
    and a target may be as dark as the background in some channels. Without CT, the target is therefore questioned only
    if it lies in the background of every channel with any contrast.

    Args:
        channels: Intensities of the scan in each channel, (I, J, K).
        targets: Intensities of the target's voxels in each channel, (N,), at least one.
        names: Names of the channels in dataset.json.
    """
    cts = [number for number, name in enumerate(names) if is_ct(name)]
    several = len(names) > 1
    if cts:
        shares = {number: _share_below(targets[number], AIR_HU) for number in cts}
        worst = max(cts, key=lambda number: shares[number])
        share, what = shares[worst], f"below {AIR_HU:g} HU"
        if several:
            what += f" in {describe_channel(worst + 1, names[worst])}"
    else:
        judged = [n for n, one in enumerate(channels) if not several or one.min() < one.max()]
        limits = {number: background_below(channels[number]) for number in judged}
        share = min((_share_below(targets[n], limit) for n, limit in limits.items()), default=0.0)
        what = "the background of every channel"
        if not several:
            what = f"below {limits[0]:.3g}, the scan's background"
    return [f"{share:.0%} {IN_AIR} ({what}): is this the scan's label?"] if share > 0.5 else []


def _share_below(target: NDArray[Any], limit: float) -> float:
    return float(np.count_nonzero(target < limit) / target.size)
