"""Draw clicks at random from a target, for training."""

import numpy as np
from numpy.typing import NDArray

from promise_cli.prompts.click import BACKGROUND, FOREGROUND, PADDING


def draw_clicks(
    target: NDArray[np.uint8],
    rng: np.random.Generator,
    num_foreground: int,
    num_background: int,
    *,
    anywhere: bool = False,
    repeat: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw clicks uniformly from the target and from its background (paper, section 3).

    Args:
        target: Mask of the target in the patch, after augmentation, (I, J, K), values 0 or 1.
        rng: Random generator of this patch.
        num_foreground: Number of foreground clicks. They lie on different voxels if the target has enough. If the
            target is empty, none is drawn.
        num_background: Number of background clicks, drawn from the background in the same way.
        anywhere: Whether background clicks may lie on the target too, as in the authors' code.
        repeat: Whether a voxel may be drawn more than once, as in the authors' code.

    Returns:
        Clicks `(N, 3)` in voxels of the patch, and their signs `(N,)`. N is always `num_foreground + num_background`.
        Padding clicks take the place of clicks that could not be drawn.
    """
    clicks = np.zeros((num_foreground + num_background, 3), dtype=np.float32)
    signs = np.full(num_foreground + num_background, PADDING, dtype=np.int64)
    background = np.arange(target.size) if anywhere else np.flatnonzero(target == 0)
    filled = 0
    for sign, voxels, number in (
        (FOREGROUND, np.flatnonzero(target), num_foreground),
        (BACKGROUND, background, num_background),
    ):
        if voxels.size and number:
            chosen = rng.choice(voxels, size=number, replace=repeat or voxels.size < number)
            clicks[filled : filled + number] = np.stack(
                np.unravel_index(chosen, target.shape), axis=1
            )
            signs[filled : filled + number] = sign
            filled += number
    return clicks, signs
