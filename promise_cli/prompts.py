"""Clicks: read from a file, carried from the scan's voxels to the network's, and drawn for training."""

import difflib
import math
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.errors import PlanError, PromptError
from promise_cli.grid import Grid, format_shape
from promise_cli.records import load_json
from promise_cli.volume import SUFFIXES, case_id

FOREGROUND, BACKGROUND, PADDING = 1, 0, -1
"""Labels of clicks; a padding click fills a batch up and counts as absent."""


@dataclass(frozen=True)
class Click:
    """One point that a person set."""

    ijk: tuple[float, float, float]
    """Voxel index in the file as it is stored, counted from 0."""
    label: int = FOREGROUND


def read_prompts(path: Path) -> dict[str, tuple[Click, ...]]:
    """Read `{"case": [i, j, k]}` or `{"case": [[i, j, k], ...]}`; a case may be named with its file's suffix.

    Raises:
        PromptError: The file is missing or no JSON, or a case holds no click or something else than three numbers.
    """
    try:
        content = load_json(path)
    except PlanError as error:
        raise PromptError(str(error)) from None
    if not isinstance(content, dict) or not content:
        raise PromptError(
            f'{path}: expected clicks by case, such as {{"case_001": [256, 301, 42]}}'
        )
    if "markups" in content:
        raise PromptError(
            f'{path}: a file of 3D Slicer, which is not read yet; give voxel indices as {{"case": [i, j, k]}}'
        )
    prompts: dict[str, tuple[Click, ...]] = {}
    for key, value in content.items():
        case = case_id(Path(key)) if key.lower().endswith(SUFFIXES) else key.removesuffix("_0000")
        if case in prompts:
            raise PromptError(f"{path}: case {case} is listed twice; give its clicks as one list")
        prompts[case] = _clicks(path, case, value)
    return prompts


def locate_clicks(
    clicks: Iterable[Click], stored: Grid, grid: Grid, where: str
) -> NDArray[np.int64]:
    """Voxel indices `(N, 3)` on `grid` of clicks given on the scan's stored grid.

    Raises:
        PromptError: A click lies outside the scan.
    """
    found = []
    for click in clicks:
        if not stored.contains(click.ijk):
            shown = ", ".join(f"{value:g}" for value in click.ijk)
            raise PromptError(
                f"{where}: click ({shown}) lies outside the scan of {format_shape(stored.shape)} voxels;"
                " give voxel indices (i, j, k) of the file, counted from 0"
            )
        nearest = np.floor(np.array(click.ijk) + 0.5)  # a half rounds up, as people do
        ijk = np.floor(grid.ijk(stored.world(nearest)) + 0.5).astype(np.int64)
        found.append(np.clip(ijk, 0, np.array(grid.shape) - 1))
    return np.stack(found)


def unknown_case(path: Path, case: str, known: Iterable[str], folder: Path) -> str:
    """What to tell about a case of the prompt file that has no scan."""
    near = difflib.get_close_matches(case, list(known), n=3, cutoff=0.3)
    hint = f"; nearest names: {', '.join(near)}" if near else ""
    return f"{path}: case {case} has no scan in {folder}{hint}; correct the name or add the scan"


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
        target: (I, J, K), 0 or 1, after augmentation.
        rng: The patch's own generator.
        num_foreground: Drawn without repetition where the target has as many voxels; none where it is empty.
        num_background: Likewise from label 0.
        anywhere: Draw the background clicks from the whole patch, as the authors' code does.
        repeat: Draw with repetition, as the authors' code does.

    Returns:
        Clicks `(N, 3)` in voxels of the patch, and their labels `(N,)`; N is always the sum of the two numbers, filled
        up with padding clicks.
    """
    clicks = np.zeros((num_foreground + num_background, 3), dtype=np.float32)
    labels = np.full(num_foreground + num_background, PADDING, dtype=np.int64)
    background = np.arange(target.size) if anywhere else np.flatnonzero(target == 0)
    filled = 0
    for label, voxels, number in (
        (FOREGROUND, np.flatnonzero(target), num_foreground),
        (BACKGROUND, background, num_background),
    ):
        if voxels.size and number:
            chosen = rng.choice(voxels, size=number, replace=repeat or voxels.size < number)
            clicks[filled : filled + number] = np.stack(
                np.unravel_index(chosen, target.shape), axis=1
            )
            labels[filled : filled + number] = label
            filled += number
    return clicks, labels


def _clicks(path: Path, case: str, value: Any) -> tuple[Click, ...]:
    points = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
    clicks = []
    for point in points:
        if not isinstance(point, list) or len(point) != 3 or not all(map(_is_number, point)):
            raise PromptError(
                f"{path}: case {case}: expected a click [i, j, k] of three numbers, found"
                f" {reprlib.repr(point)}"
            )
        clicks.append(Click((float(point[0]), float(point[1]), float(point[2]))))
    return tuple(clicks)


def _is_number(value: Any) -> bool:
    """A finite number of moderate size, which no voxel index exceeds."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 10**12
