"""Find and name the channels of a dataset's scans, and find files whose names differ from those in dataset.json."""

import re
from itertools import product
from pathlib import Path

from promise_cli.errors import DatasetError
from promise_cli.volume import SUFFIXES, case_id, channel_path, further_channels


def describe_channel(number: int, name: str) -> str:
    """Return a channel as messages name it, such as `channel 2 (T2)`.

    Args:
        number: Number of the channel, counted from 1.
        name: Its name in dataset.json or in the plan; may be empty.
    """
    return f"channel {number} ({name or 'without a name'})"


def is_ct(modality: str) -> bool:
    """Whether a channel of this name is CT, whose intensities are HU."""
    return re.search(r"\bCT\b", modality, re.IGNORECASE) is not None


def first_channel(image: Path) -> Path:
    """Return the file of a listed image's first channel, which nnU-Net's lists name without `_0000`.

    The path itself is returned if there is no such file.
    """
    first = existing(channel_path(image, 0))
    return first if first.exists() else image


def refuse_second_channel(image: Path) -> None:
    """Refuse a scan whose second channel lies next to the first one although no list names it.

    Raises:
        DatasetError: There is a file of the second channel.
    """
    second = existing(channel_path(image, 1))
    if second.exists():
        raise DatasetError(_second_channel(second, 2, case_id(image)))


def take_channels(
    images: dict[str, Path], labels: dict[str, Path], num_channels: int
) -> dict[str, tuple[Path, ...]]:
    """Remove further channels from the images, and return them by case.

    `case_0001` next to `case_0000` is a second channel, unless it has a label of its own.

    Raises:
        DatasetError: A case has more than one channel, but dataset.json declares only one.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for name, (case, channel) in further_channels(images).items():
        if name in labels:
            continue
        if num_channels == 1:
            raise DatasetError(_second_channel(images[name], channel, case))
        path = images.pop(name)
        before = found.get(case, ())
        if channel == len(before) + 2:  # after a gap, reading names the missing channel
            found[case] = (*before, path)
    return found


def _second_channel(path: Path, number: int, case: str) -> str:
    return (
        f"{path}: channel {number} of case {case}, but dataset.json declares one channel; declare all of them, or keep"
        " one file per case"
    )


def existing(path: Path) -> Path:
    """Return the path, or the same file with another suffix if only that exists.

    Decompressing or converting a dataset changes the suffixes of its files, but not dataset.json.
    """
    if not path.exists():
        name = path.name[: len(path.name) - len(_suffix(path))]
        for stem, suffix in product(dict.fromkeys((name, case_id(path))), ("", *SUFFIXES)):
            other = path.with_name(stem + suffix)
            if other.exists():
                return other
    return path


def _suffix(path: Path) -> str:
    """Return the ending of a scan's file name, as written; an empty string for any other name."""
    ending = next((end for end in SUFFIXES if path.name.lower().endswith(end)), "")
    return path.name[len(path.name) - len(ending) :]
