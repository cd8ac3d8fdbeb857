"""Content of `case.json`, the record of a preprocessed case."""

from dataclasses import dataclass, field

FORMAT_VERSION = 1
RECORD = "case.json"


@dataclass(frozen=True, kw_only=True)
class CaseRecord:
    """Content of `case.json`, which describes the arrays next to it."""

    format_version: int = FORMAT_VERSION
    case_id: str
    plan_key: str
    """`case_key` of the plan that the arrays were made with."""
    source_key: str
    """SHA-256 sums of image and label when they were read."""
    shape: tuple[int, int, int]
    """Voxels of the arrays along each spatial axis, (I, J, K)."""
    channels: int = 1
    """Number of channels. If there are several, they are the first axis of the image."""
    scan_shape: tuple[int, int, int]
    """Voxels of the scan along each axis, in the plan's orientation."""
    scan_affine: tuple[tuple[float, float, float, float], ...]
    """Rows of the scan's affine (4, 4) in the plan's orientation."""
    num_foreground: int
    """Number of voxels of the target on the plan's grid."""
    checksums: dict[str, int] = field(default_factory=dict)
    """CRC-32 of each compressed file, by its name. Empty for plain arrays."""
