"""Write the same array and affine as NRRD, MetaImage or DICOM slices, for tests."""

import locale
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from promise_cli.geometry.grid import LPS_FROM_RAS

SERIES = "1.2.826.0.1.3680043.2.1125.1.1"


def itk_image(array: NDArray, affine: NDArray[np.float64]) -> sitk.Image:
    """Return an ITK image of an array (I, J, K) with an affine to RAS millimetres."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((LPS_FROM_RAS[:, None] * affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin((LPS_FROM_RAS * affine[:3, 3]).tolist())
    return image


def write_itk(path: Path, array: NDArray, affine: NDArray[np.float64]) -> Path:
    """Write a `.nrrd`, `.mha` or `.mhd` file, and return `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(itk_image(array, affine), str(path), useCompression=path.suffix == ".nrrd")
    return path


def write_dicom(
    folder: Path,
    array: NDArray[np.int16],
    affine: NDArray[np.float64],
    *,
    series: str = SERIES,
    description: str = "thorax",
    rescale: Sequence[tuple[float, float]] = ((1.0, 0.0),),
    names: Mapping[int, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> Path:
    """Write one file per slice; the order of the file names is not that of the slices' positions.

    Args:
        folder: Folder for the files, which is made if it is missing.
        array: Numbers as stored in the files, before rescaling, (I, J, K).
        affine: Affine from voxels to RAS millimetres; its third column may be oblique to the slices, as for a tilted
            gantry.
        series: SeriesInstanceUID.
        description: SeriesDescription.
        rescale: Pairs of slope and intercept, which the slices use in turn.
        names: File name by slice; slices without a name are not written.
        tags: More DICOM tags.
    """
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(array.shape[2])
    names = names or {k: f"IM{order[k]:04d}.dcm" for k in range(array.shape[2])}
    columns = affine[:3, :3] * LPS_FROM_RAS[:, None]
    spacing = np.linalg.norm(columns, axis=0)
    frame = columns / spacing
    before = locale.setlocale(locale.LC_ALL)
    for k, name in names.items():
        place = LPS_FROM_RAS * (affine[:3, :3] @ [0, 0, k] + affine[:3, 3])
        image = sitk.GetImageFromArray(np.ascontiguousarray(array[:, :, k].T)[None])
        image.SetSpacing([float(spacing[0]), float(spacing[1]), float(spacing[2])])
        slope, intercept = rescale[k % len(rescale)]
        header = {
            "0008|0060": "CT",
            "0008|0008": "DERIVED\\SECONDARY\\AXIAL",
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{series}.{k + 1}",
            "0008|103e": description,
            "0020|000d": f"{SERIES}.9",
            "0020|000e": series,
            "0020|0013": str(int(order[k]) + 1),
            "0020|0032": "\\".join(f"{value:.9g}" for value in place),
            "0020|0037": "\\".join(f"{value:.9g}" for value in frame[:, :2].T.ravel()),
            "0028|1052": "0",
            "0028|1053": "1",
            **(tags or {}),
        }
        for tag, value in header.items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetImageIO("GDCMImageIO")
        writer.SetFileName(str(folder / name))
        before = locale.setlocale(locale.LC_ALL)
        writer.Execute(image)
        # GDCM's writer sets the locale of the whole process to C, in which all text is ASCII.
        locale.setlocale(locale.LC_ALL, before)
        _rescale(folder / name, slope, intercept)
    locale.setlocale(locale.LC_ALL, before)
    return folder


def _rescale(path: Path, slope: float, intercept: float) -> None:
    """Set the slope and intercept in a DICOM file, without changing the stored numbers.

    They are set in the file's bytes, because SimpleITK's writer would change the stored numbers to match them.
    """
    content = path.read_bytes()
    for element, number in ((b"\x52\x10", intercept), (b"\x53\x10", slope)):
        text = f"{number:g}".encode()
        text += b" " * (len(text) % 2)
        start = content.index(b"\x28\x00" + element) + 4  # implicit VR: tag, length, value
        length = int.from_bytes(content[start : start + 4], "little")
        rest = content[start + 4 + length :]
        content = content[:start] + len(text).to_bytes(4, "little") + text + rest
    path.write_bytes(content)
