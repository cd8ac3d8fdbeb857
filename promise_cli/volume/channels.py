"""Read scans of several channels: from one file with a further axis, or from one file for each channel."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.console import counted
from promise_cli.errors import VolumeError, listed
from promise_cli.geometry.grid import format_shape
from promise_cli.volume.names import case_id, channel_path
from promise_cli.volume.read import (
    Orientation,
    Volume,
    load_finite,
    open_stored,
    oriented,
    read_volume,
)
from promise_cli.volume.reorder import describe_turn, reorder
from promise_cli.volume.stored import Stored


def read_scan(
    files: Sequence[Path],
    names: Sequence[str],
    orientation: Orientation = "RAS",
    *,
    keep_integers: bool = False,
) -> Volume:
    """Read the channels of a scan.

    Args:
        files: One file or DICOM folder for each channel, or a single file that holds all channels.
        names: Names of the channels, in their order. A name may be empty.
        orientation: Axis order of the array.
        keep_integers: Whether whole numbers keep the type that the files store, if all channels hold whole numbers.

    Returns:
        The scan. Its array is (I, J, K) for one channel, and (C, I, J, K) for several.

    Raises:
        VolumeError: A file cannot be read, there is another number of channels, or the channels have different grids.
    """
    first, wanted = files[0], len(names)
    if wanted == 1 and len(files) == 1:
        return read_volume(first, orientation, keep_integers=keep_integers)
    stored = open_stored(first, several=True)
    if stored.channels > 1 and len(files) > 1:
        raise VolumeError(
            f"{first}: holds {stored.channels} channels, but {files[1].name} is another channel of the same scan; keep"
            " one of the two"
        )
    if stored.channels != wanted if len(files) == 1 else len(files) != wanted:
        raise _wrong_number(files, stored.channels, names)
    if len(files) == 1:
        return oriented(load_finite(stored, keep_integers=keep_integers), stored, orientation)
    all_stored = [stored, *map(open_stored, files[1:])]
    return oriented(_stack(all_stored, keep_integers), stored, orientation)


def read_channel(path: Path, number: int = 0, *, keep_integers: bool = False) -> Volume:
    """Read one channel of a scan for pictures, in RAS order.

    Args:
        path: The scan's file. It holds all channels, or it is the first one of several files.
        number: Number of the channel, counted from 0.
        keep_integers: Whether whole numbers keep the type that the file stores.

    Raises:
        VolumeError: The file cannot be read, or the scan has no such channel.
    """
    stored = open_stored(path, several=True)
    if number and stored.channels == 1 and (other := channel_path(path, number)).exists():
        stored, number = open_stored(other), 0
    if number >= stored.channels:
        raise VolumeError(
            f"{path}: a scan of {counted(stored.channels, 'channel')}, so channel {number + 1} cannot be shown; give"
            " another --picture-channel"
        )
    array = load_finite(stored, keep_integers=keep_integers)
    return oriented(array[number] if array.ndim == 4 else array, stored, "RAS")


def _wrong_number(files: Sequence[Path], in_first: int, names: Sequence[str]) -> VolumeError:
    """Return the error of a scan with another number of channels than is needed."""
    found = in_first if len(files) == 1 else len(files)
    needed = f"{counted(len(names), 'channel', 'are')} needed"
    if any(names):
        needed += f" ({listed(name or 'without a name' for name in names)})"
    advice = "give one file with exactly these channels"
    if found < len(names) and in_first == 1:
        missing = channel_path(files[0], found).name
        advice = f"add {missing}, or give one file with all channels"
    elif found > len(names) and in_first == 1:
        advice = f"remove {files[len(names)].name}"
    return VolumeError(f"{files[0]}: a scan of {counted(found, 'channel')}, but {needed}; {advice}")


def _check_grid(stored: Stored, first: Stored, number: int) -> None:
    """Refuse a channel on another grid than the first one.

    Raises:
        VolumeError: Its shape differs, or its corners lie elsewhere.
    """
    if stored.grid.is_that_of(first.grid):
        return
    turn = describe_turn(stored.grid, first.grid)
    what = f"{stored.path}: channel {number} of case {case_id(first.path)}"
    if stored.grid.shape != first.grid.shape:
        raise VolumeError(
            f"{what} has {format_shape(stored.grid.shape)} voxels, but channel 1 has"
            f" {format_shape(first.grid.shape)}{f' ({turn})' if turn else ''}; resample it to the grid of channel 1"
        )
    apart = first.grid.distance_mm(stored.grid)
    raise VolumeError(
        f"{what}: its corners lie up to {apart:.3g} mm from those of channel 1"
        f" ({turn or 'spacing or affine differ'}); resample it to the grid of channel 1"
    )


def _stack(all_stored: Sequence[Stored], keep_integers: bool) -> NDArray[Any]:
    """Load the channels one after another into one array, (C, I, J, K), with the axes of the first channel's file."""
    first, *others = all_stored
    types = [stored.dtype for stored in all_stored]
    common = np.result_type(*types)
    whole = keep_integers and common.kind in "iu"
    i, j, k = first.grid.shape
    # Each channel has the memory order of NIfTI, in which i changes fastest.
    stacked = np.empty((len(types), k, j, i), common if whole else np.float32).transpose(0, 3, 2, 1)
    stacked[0] = load_finite(first, keep_integers=whole)
    for number, one in enumerate(others, 1):
        array, turned = reorder(load_finite(one, keep_integers=whole), one, first.grid)
        _check_grid(turned, first, number + 1)
        stacked[number] = array
    return stacked
