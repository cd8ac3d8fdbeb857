"""A lesion wider than its window, followed into neighbouring windows until it is closed."""

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
    """Look into neighbouring windows until the lesion under the clicks is closed.

    Each further window is asked with one more click, on the deepest voxel of what is known there of the lesion.

    Args:
        canvas: Holds the answers in the clicks' own windows; grows.
        answers: Answers of the networks.
        clicks: (N, 3), voxels of the plan's grid.
        signs: (N,), foreground or background.
        max_windows: Most windows, including those of the clicks.

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
        # beyond the clicks' own windows only what hangs together with the clicks counts
        fused[(fused > 0.5) & ~lesion & ~_covered_by(own, canvas)] = 0
    return fused, window is None


def _deepest_within(window: Patch, lesion: Mask, canvas: Canvas) -> NDArray[np.int64] | None:
    """The voxel of the plan's grid that lies deepest in what a window holds of the lesion; None where it holds none."""
    overlap = lesion[canvas.place_within(window)]
    if not overlap.any():
        return None
    assert canvas.block is not None
    corner = np.maximum(window.origin, canvas.block.origin).astype(np.int64)
    return corner + np.array(deepest_voxel(overlap), dtype=np.int64)


def _covered_by(windows: tuple[Patch, ...], canvas: Canvas) -> Mask:
    """Voxels of the block that lie in one of these windows."""
    asked = np.zeros(canvas.covered.shape, dtype=bool)
    for window in windows:
        asked[canvas.place(window)] = True
    return asked
