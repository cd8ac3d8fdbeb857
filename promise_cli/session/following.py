"""Follows a lesion that is larger than its window into neighbouring windows."""

import numpy as np
from numpy.typing import NDArray

from promise_cli.geometry.patch import Patch
from promise_cli.prompts import FOREGROUND
from promise_cli.session.answers import Answers
from promise_cli.session.fusion import Canvas, Volume32
from promise_cli.session.neighbours import Mask, deepest_voxel, next_window, part_of_clicks


def follow(
    canvas: Canvas,
    answers: Answers,
    clicks: NDArray[np.int64],
    signs: NDArray[np.int64],
    max_windows: int,
) -> tuple[Volume32, bool]:
    """Add neighbouring windows until the lesion under the clicks is closed, that is, ends inside the windows.

    In each further window the networks get one more click. It lies on the deepest voxel of the part of the lesion that
    is already known in this window.

    Args:
        canvas: Probabilities in the clicks' own windows. The further windows are added to it.
        answers: Source of the probabilities in further windows.
        clicks: `(N, 3)`, voxels of the plan's grid.
        signs: `(N,)`, foreground or background.
        max_windows: Largest number of windows, including those of the clicks. With 1 the lesion is not followed and
            counts as closed.

    Returns:
        Foreground probability on the canvas' block, and whether the lesion is closed.
    """
    own = tuple(canvas.windows)
    fused = canvas.fused()
    if max_windows == 1:
        return fused, True
    spacing = answers.grid.spacing
    face_mm2 = (spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1])
    while True:
        assert canvas.block is not None
        corner = np.array(canvas.block.origin)
        lesion = part_of_clicks(fused > 0.5, clicks[signs == FOREGROUND] - corner)
        window = next_window(canvas, lesion, answers.grid.shape, answers.is_tissue, face_mm2)
        if window is None or len(canvas.windows) >= max_windows:
            break
        prompts, kinds = clicks, signs
        if (found := _deepest_within(window, lesion, canvas)) is not None:
            prompts, kinds = np.vstack([clicks, found]), np.append(signs, FOREGROUND)
        canvas.add(window, answers.ask(window, prompts, kinds))
        fused = canvas.fused()
    if len(canvas.windows) > len(own):
        # Outside the clicks' own windows, only the part that is connected to the clicks belongs to the lesion.
        fused[(fused > 0.5) & ~lesion & ~_covered_by(own, canvas)] = 0
    return fused, window is None


def _deepest_within(window: Patch, lesion: Mask, canvas: Canvas) -> NDArray[np.int64] | None:
    """Return the voxel of the plan's grid that lies deepest in the part of the lesion inside a window.

    None means that no part of the lesion lies in the window.
    """
    overlap = lesion[canvas.place_within(window)]
    if not overlap.any():
        return None
    assert canvas.block is not None
    corner = np.maximum(window.origin, canvas.block.origin).astype(np.int64)
    return corner + np.array(deepest_voxel(overlap), dtype=np.int64)


def _covered_by(windows: tuple[Patch, ...], canvas: Canvas) -> Mask:
    """Return which voxels of the canvas' block lie in one of these windows."""
    asked = np.zeros(canvas.covered.shape, dtype=bool)
    for window in windows:
        asked[canvas.place(window)] = True
    return asked
