"""Read scans and labels of every file format as arrays on a grid, and write masks on the scan's own grid.

A file may store the axes of a scan in any order and direction. `read_volume` brings them to the closest RAS+ order:
axes (i, j, k), with k through-plane for an axial scan. It records the change, so that `write_mask` can undo it exactly.
The same scan gives the same array and affine as NIfTI (`nifti`), NRRD or MetaImage (`itk`), or DICOM (`dicom`).
"""

from promise_cli.volume.arrays import scan_of_array
from promise_cli.volume.channels import read_channel, read_scan
from promise_cli.volume.image import is_image, scan_of_image
from promise_cli.volume.mistaken import nested_slices
from promise_cli.volume.names import (
    FORMATS,
    SUFFIXES,
    case_id,
    channel_files,
    channel_number,
    channel_path,
    file_stamps,
    find_volumes,
    further_channels,
    is_dicom_folder,
    is_volume_file,
    name_hint,
    volume_files,
)
from promise_cli.volume.read import (
    Orientation,
    Volume,
    is_oriented,
    open_stored,
    ras_axes,
    read_grid,
    read_label,
    read_volume,
)
from promise_cli.volume.reorder import REORDERED, describe_turn
from promise_cli.volume.stored import SPACING_MM, Stored
from promise_cli.volume.units import size_question
from promise_cli.volume.write import as_stored, write_mask, write_probabilities

__all__ = [
    "FORMATS",
    "REORDERED",
    "SPACING_MM",
    "SUFFIXES",
    "Orientation",
    "Stored",
    "Volume",
    "as_stored",
    "case_id",
    "channel_files",
    "channel_number",
    "channel_path",
    "describe_turn",
    "file_stamps",
    "find_volumes",
    "further_channels",
    "is_dicom_folder",
    "is_image",
    "is_oriented",
    "is_volume_file",
    "name_hint",
    "nested_slices",
    "open_stored",
    "ras_axes",
    "read_channel",
    "read_grid",
    "read_label",
    "read_scan",
    "read_volume",
    "scan_of_array",
    "scan_of_image",
    "size_question",
    "volume_files",
    "write_mask",
    "write_probabilities",
]
