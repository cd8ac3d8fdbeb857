"""Read a folder of DICOM slices as one scan, through SimpleITK.

The slices are sorted by their position in the patient, never by file name or instance number. The affine is computed
from these positions. A scan with a tilted gantry, whose slices are shifted against each other, keeps its geometry.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from promise_cli.console import counted
from promise_cli.errors import MOST_LISTED, VolumeError, listed, shorten
from promise_cli.geometry.grid import LPS_FROM_RAS, Grid, Shape, format_shape
from promise_cli.volume.dicom_deflated import check_deflated
from promise_cli.volume.dicom_kind import holds_tag
from promise_cli.volume.itk import in_brackets, itk_reason, ras_affine, refuse_memory
from promise_cli.volume.limits import check_memory
from promise_cli.volume.names import dicom_files, dicom_pictures
from promise_cli.volume.stored import Stored, header_for, shear_note, spatial_shape, stored_grid

POSITION_TOLERANCE = 0.02
"""Largest allowed distance of a slice from its place in an even lattice, as a share of the distance between slices."""

_PLACE = {
    "ImagePositionPatient (0020,0032)": ("0020|0032",),
    "ImageOrientationPatient (0020,0037)": ("0020|0037",),
    "PixelSpacing (0028,0030)": ("0028|0030", "0018|1164", "0018|2010"),
}
"""Names of the tags that place a slice in the patient, each with the keys of all tags that can give this value."""
_FRAMES = "0028|0008"


@dataclass(frozen=True, eq=False)
class _Slice:
    """The header of one DICOM file."""

    path: Path
    series: str
    description: str
    size: tuple[int, ...]
    frame: NDArray[np.float64]
    """Steps from one column to the next and from one row to the next, (3, 2), LPS millimetres."""
    position: NDArray[np.float64]
    """Position of the first voxel, (3,), LPS millimetres."""
    missing: tuple[str, ...]
    """Names of the missing tags that would place the slice in the patient."""
    reader: Any

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector perpendicular to the slice, (3,), LPS."""
        normal = np.cross(self.frame[:, 0], self.frame[:, 1])
        return normal / np.linalg.norm(normal)


def open_dicom(folder: Path) -> Stored:
    """Read the headers of all DICOM slices in a folder.

    Raises:
        VolumeError: The folder holds no series or more than one, or its slices are unreadable, missing, present twice,
            unevenly spaced, or of different sizes or directions.
    """
    files = dicom_files(folder)
    pictures = _describe_pictures(folder)
    if not files:
        only = f", only {pictures}" if pictures else ""
        raise VolumeError(
            f"{folder}: no DICOM slices in this folder{only}; give a scan file or a folder of slices"
        )
    slices = [_read_slice(path) for path in files]
    _check_series(folder, slices)
    _check_places(folder, slices)
    first = slices[0]
    if len(slices) == 1:
        channels = first.reader.GetNumberOfComponents()
        shape = spatial_shape((*first.size, *([channels] if channels > 1 else [])), folder)
        grid = stored_grid(shape, ras_affine(first.reader, first.reader.GetSpacing()), folder)
    else:
        slices.sort(key=lambda one: float(one.position @ first.normal))
        grid = _lattice(folder, slices)
    paths = [str(one.path) for one in slices]
    return Stored(
        folder,
        grid,
        header_for(grid),
        np.dtype(np.float32),
        lambda dtype: _load(folder, paths, grid.shape, dtype).reshape(grid.shape),
        (
            *shear_note(grid),
            *([f"files that are not slices of a scan are skipped: {pictures}"] if pictures else []),
        ),
    )


def _describe_pictures(folder: Path) -> str:
    """Name the segmentations, doses and treatment images in a folder; an empty text if there are none."""
    return listed((f"{name} ({kind})" for name, kind in dicom_pictures(folder).items()), 3)


def _read_slice(path: Path) -> _Slice:
    check_deflated(path)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        frame = np.array(reader.GetDirection()).reshape(3, 3)[:, :2] * reader.GetSpacing()[:2]
    except (RuntimeError, ValueError) as error:
        refuse_memory(error)
        reason = itk_reason(error)
        raise VolumeError(
            f"{path}: not readable as a DICOM slice{in_brackets(reason)}; export the series again or remove the file"
        ) from None

    def tag(key: str) -> str:
        return reader.GetMetaData(key).strip() if reader.HasMetaDataKey(key) else ""

    size = reader.GetSize()
    return _Slice(
        path,
        tag("0020|000e"),
        tag("0008|103e"),
        size,
        frame,
        np.array(reader.GetOrigin()[:3], dtype=np.float64),
        _missing_tags(reader, path),
        reader,
    )


def _missing_tags(reader: Any, path: Path) -> tuple[str, ...]:
    """Return the names of the missing tags that would place a slice in the patient.

    Where they are missing, ITK assumes the position (0, 0, 0), the patient's axes as directions, and pixels of 1 mm. A
    file of several frames may have these tags anywhere.
    """
    if reader.HasMetaDataKey(_FRAMES):
        return tuple(name for name, keys in _PLACE.items() if not holds_tag(path, keys))
    return tuple(
        name
        for name, keys in _PLACE.items()
        if not any(reader.HasMetaDataKey(key) and reader.GetMetaData(key).strip() for key in keys)
    )


def _check_places(folder: Path, slices: list[_Slice]) -> None:
    """Refuse slices whose place in the patient is unknown.

    Raises:
        VolumeError: The position, the direction or the pixel size of a slice is missing.
    """
    lacking = [one for one in slices if one.missing]
    if not lacking:
        return
    first = lacking[0]
    tags = " and no ".join(first.missing)
    if len(lacking) == len(slices):
        raise VolumeError(
            f"{folder}: the slices have no {tags}, so where they lie is unknown; export the series again with its"
            " geometry, or convert the original series"
        )
    raise VolumeError(
        f"{folder}: {len(lacking)} of {len(slices)} files have no {tags}, the first {first.path.name}; remove them if"
        " they are not slices of this scan, otherwise export the series again"
    )


def _check_series(folder: Path, slices: list[_Slice]) -> None:
    series = Counter(one.series for one in slices)
    if len(series) > 1:
        names = {one.series: one.description for one in slices}
        found = [
            f"{shorten(uid)} '{shorten(names[uid])}' with {counted(count, 'slice')}"
            for uid, count in sorted(series.items())
        ]
        more = f"; and {len(found) - MOST_LISTED} more" if len(found) > MOST_LISTED else ""
        shown = "; ".join(found[:MOST_LISTED]) + more
        raise VolumeError(
            f"{folder}: holds {len(series)} DICOM series ({shown}); keep one of them in the folder"
        )
    first = slices[0]
    for one in slices[1:]:
        if one.size != first.size:
            raise VolumeError(
                f"{folder}: slices of different size ({first.path.name} of {format_shape(first.size[:2])},"
                f" {one.path.name} of {format_shape(one.size[:2])}); keep those of one kind"
            )
        if not np.allclose(one.frame, first.frame, rtol=0, atol=1e-3 * np.abs(first.frame).max()):
            raise VolumeError(
                f"{folder}: slices of different spacing or direction ({first.path.name}, {one.path.name};"
                " a scout view?); keep those of one kind"
            )
    if len(slices) > 1 and first.size[2:] != (1,):
        raise VolumeError(
            f"{folder}: {len(slices)} files of {first.size[2]} frames each; keep one of them"
        )


def _lattice(folder: Path, slices: list[_Slice]) -> Grid:
    """Return the grid of slices that are sorted by position.

    Raises:
        VolumeError: Two slices lie at the same place, slices are missing, or the slices do not lie at even distances
            along one line.
    """
    first = slices[0]
    positions = np.array([one.position for one in slices])
    steps = np.diff(positions @ first.normal)
    if (steps < 1e-3).any():
        raise VolumeError(f"{folder}: {_same_places(slices, steps < 1e-3)}")
    step = float(np.median(steps))
    gaps = np.flatnonzero(steps > 1.5 * step)
    if gaps.size:
        missing = int(np.rint(steps[gaps] / step - 1).sum())
        before, after = (slices[gaps[0] + n].path.name for n in (0, 1))
        raise VolumeError(
            f"{folder}: {missing} of {len(slices) + missing} slices are missing (the first between {before} and"
            f" {after}, {steps[gaps[0]]:.4g} mm apart instead of {step:.4g}); export the series again"
        )
    across = (positions[-1] - positions[0]) / (len(slices) - 1)
    place = positions[0] + np.arange(len(slices))[:, None] * across
    away = float(np.linalg.norm(positions - place, axis=1).max())
    if away > max(POSITION_TOLERANCE * step, 0.01):
        raise VolumeError(
            f"{folder}: the slices are unevenly spaced, up to {away:.3g} mm away from even steps of {step:.4g} mm;"
            " resample the scan to even steps"
        )
    channels = first.reader.GetNumberOfComponents()
    shape = spatial_shape(
        (*first.size[:2], len(slices), *([channels] if channels > 1 else [])), folder
    )
    affine = np.eye(4)
    affine[:3, :3] = LPS_FROM_RAS[:, None] * np.column_stack([first.frame, across])
    affine[:3, 3] = LPS_FROM_RAS * positions[0]
    return stored_grid(shape, affine, folder)


def _same_places(slices: list[_Slice], same: NDArray[np.bool_]) -> str:
    """Say which slices lie at the same place and what to do.

    Args:
        slices: All slices, sorted by position.
        same: (N - 1,), for each slice after the first, whether it lies at the same place as the slice before it.
    """
    number = int(np.flatnonzero(same)[0])
    pair = f"{slices[number].path.name} and {slices[number + 1].path.name}"
    ends = np.flatnonzero(np.append(~same, True))
    counts = np.diff(ends, prepend=-1)  # number of slices at each place
    if len(counts) == 1 and len(slices) > 2:
        return (
            f"all {len(slices)} slices have the same position (ImagePositionPatient), such as {pair}; export the series"
            " again with the position of each slice"
        )
    if counts.min() > 1 and len(slices) > 2:
        times = f"{counts.min()}" if counts.min() == counts.max() else "several"
        return (
            f"{times} slices lie at each of {len(counts)} places, such as {pair} (several phases, echoes or time points"
            " in one series?); keep the slices of one of them"
        )
    more = f" ({int(same.sum())} such pairs)" if same.sum() > 1 else ""
    return f"{pair} lie at the same place{more}; keep one of the two"


def _load(
    folder: Path, paths: list[str], shape: Shape, dtype: type[np.float32] | None
) -> NDArray[Any]:
    check_memory(folder, shape, np.dtype(np.float32))
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames(paths)
    reader.SetOutputPixelType(sitk.sitkFloat32)  # each slice may have its own rescale slope
    try:
        image = reader.Execute()
    except RuntimeError as error:
        refuse_memory(error)
        raise VolumeError(
            f"{folder}: truncated or damaged{in_brackets(itk_reason(error))}; export the series again"
        ) from None
    array = sitk.GetArrayFromImage(image).T
    return array if dtype is None else array.astype(dtype, copy=False)
