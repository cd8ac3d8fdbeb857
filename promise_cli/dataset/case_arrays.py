"""Files that hold the arrays of a case: plain `.npy` files, or compressed `.b2nd` files with the same elements."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promise_cli.dataset.case_record import RECORD
from promise_cli.dataset.compressed import (
    CompressedArray,
    library,
    open_compressed,
    save_compressed,
)
from promise_cli.dataset.plan import CasesFormat, Plan
from promise_cli.errors import DatasetError, format_bytes
from promise_cli.jobs import free_memory

SUFFIXES: dict[CasesFormat, str] = {"npy": ".npy", "blosc2": ".b2nd"}
"""Suffix of the arrays in each format."""
OBJECTS = "objects.npy"
"""Name of the table of objects. It is small, so it is a plain array in both formats."""
CASE_FILES = (
    RECORD,
    *(f"{name}{suffix}" for suffix in SUFFIXES.values() for name in ("image", "target", "foreground")),
    OBJECTS,
)  # fmt: skip
"""Names of all files that the folder of a case may have. The table exists only if the plan has objects."""
StoredArray = NDArray[Any] | CompressedArray


def save_array(folder: Path, name: str, array: NDArray[Any], plan: Plan) -> dict[str, int]:
    """Write an array in the format of the plan.

    Returns:
        The checksum of the file by its name, if it is compressed; otherwise nothing.
    """
    path = folder / f"{name}{SUFFIXES[plan.cases_format]}"
    if plan.cases_format == "npy":
        np.save(path, np.ascontiguousarray(array))
        return {}
    packed = save_compressed(path, array, plan.patch_size)
    return {path.name: zlib.crc32(packed)}


def check_format(cases_format: CasesFormat | None) -> None:
    """Check that cases can be stored in a format.

    Raises:
        PackageError: The format is `blosc2`, and the package is missing or too old.
    """
    if cases_format == "blosc2":
        library()


def format_in(folder: Path) -> CasesFormat | None:
    """Return the format of a case's image; None if it has none, or one in each format."""
    found = [form for form, suffix in SUFFIXES.items() if (folder / f"image{suffix}").exists()]
    return found[0] if len(found) == 1 else None


def open_array(path: Path, dtype: np.dtype[Any], *axes: int) -> StoredArray:
    """Open an array without reading its elements: map it into memory if it is plain.

    Raises:
        ValueError: The file is not an array of this type and one of these numbers of axes, or it is truncated.
        OSError: The file cannot be opened.
        PackageError: The file is compressed, and the package blosc2 is missing.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is not a file")
    compressed = path.suffix == SUFFIXES["blosc2"]
    array: StoredArray = (
        open_compressed(path) if compressed else np.lib.format.open_memmap(path, mode="r")
    )
    if array.dtype != dtype or array.ndim not in axes:
        raise ValueError(
            f"{path.name} holds {array.dtype} along {array.ndim} axes instead of {dtype} along {axes[0]}"
        )
    return array


def pieces(array: StoredArray) -> Iterator[NDArray[Any]]:
    """Read an array piece by piece. A plain array is one piece, since the system reads it piece by piece."""
    if isinstance(array, CompressedArray):
        yield from array.pieces()
    else:
        yield array


def whole(array: StoredArray, where: str) -> NDArray[Any]:
    """Return all elements of an array. Those of a plain array are not read yet.

    Args:
        array: The array.
        where: Name of the case in the message.

    Raises:
        DatasetError: The file is damaged, or unpacks to more than the free memory.
    """
    if not isinstance(array, CompressedArray):
        return array
    needed, free = array.size * array.dtype.itemsize, free_memory()
    if needed > free:
        raise DatasetError(
            f"{where}: an array unpacks to {format_bytes(needed)}, and {format_bytes(free)} of memory are free; run"
            " promise-preprocess again if the case is damaged, or use a machine with more memory"
        )
    return np.asarray(array)
