"""Read damaged scans, and datasets' lists, of every kind.

Each must give voxels on a possible grid, or an error of one line that names the file and says what is wrong.

    .venv/bin/python -m tests.fuzz_volumes [NUMBER] [SEED]

prints JSON: how many files were read, how many were refused, and the most common errors. Any other exception ends it
with a traceback.
"""

import collections
import gzip
import json
import random
import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from promise_cli.dataset.folder import read_dataset
from promise_cli.errors import PromiseError
from promise_cli.volume import find_volumes, read_volume, size_question, write_mask
from tests.conftest import affine_of, write_nifti
from tests.fuzz_prompts import damage, damage_json, report
from tests.scans import itk_image, write_dicom, write_itk

ARRAY = np.random.default_rng(0).integers(-1000, 1000, (12, 10, 4)).astype(np.int16)
AFFINE = affine_of("LPS", (2.0, 2.5, 9.0), (-101.25, 33.5, 7.125))
HEADS = {".nii": 352, ".gz": 352, ".nrrd": 420, ".mha": 420, ".mhd": 420, ".dcm": 1200}
"""Bytes at the start of a file that are its header, by suffix. Most damage is done there."""
LINES = (
    b'space units: "um" "um" "um"', b'space units: "m" "m" "m"', b'space units: "cm" "mm" ""', b'units: "cm" "cm" "cm"',
    b"space units: ", b"spacings: 0,7 0,8 2,5", b"spacings: 1 nan 2", b"space: left-posterior-superior-time",
    b"data file: ..\\scan.raw", b"data file: LIST", b"byte skip: -1", b"line skip: 99999999", b"encoding: hex",
    b"encoding: bzip2", b"endian: big", b"DistanceUnits = um", b"DistanceUnits = ?", b"DistanceUnits = m",
    b"Offset = 1,5 2 3", b"ElementSpacing = 1e-3 1e-3 1e-3", b"ElementSpacing = 1e30 1 1", b"NDims = 4",
    b"DimSize = 12 10 4 1", b"DimSize = 99999 99999 99999", b"ElementType = MET_DOUBLE", b"BinaryData = False",
    b"ElementNumberOfChannels = 2", b"ElementDataFile = LIST", b"ElementDataFile = a\\b.raw", b"HeaderSize = -1",
    b"CompressedData = True", b"TransformMatrix = nan 0 0 0 1 0 0 0 1", b"sizes: 12 10 4 2", b"dimension: 2",
    b"kinds: domain domain vector", b"type: block", b"type: double", b"content: " + b"x" * 5000,
)  # fmt: skip
"""Lines that replace a line of a text header, or are added to it."""


def write_corpus(folder: Path) -> dict[str, list[Path]]:
    """Write valid scans of every kind, each in a folder of its own; return the files of each that are damaged."""
    for name in ("plain.nii", "packed.nii.gz", "packed.nrrd", "scan.mha", "scan.mhd"):
        path = folder / name / name
        if ".nii" in name:
            write_nifti(path, ARRAY, AFFINE)
        else:
            write_itk(path, ARRAY, AFFINE)
    raw = folder / "raw.nrrd" / "raw.nrrd"
    raw.parent.mkdir()
    sitk.WriteImage(itk_image(ARRAY, AFFINE), str(raw), useCompression=False)
    squeezed = folder / "squeezed.mha" / "squeezed.mha"
    squeezed.parent.mkdir()
    sitk.WriteImage(itk_image(ARRAY, AFFINE), str(squeezed), useCompression=True)
    write_dicom(folder / "slices.dcm" / "scan", ARRAY, AFFINE)
    return {
        kind.name: [path for path in sorted(kind.rglob("*")) if path.is_file()]
        for kind in sorted(folder.iterdir())
    }


def damage_scan(path: Path, rng: random.Random) -> None:
    """Damage one file of a scan: its header, its voxels, or all of it."""
    content = path.read_bytes()
    packed = path.name.endswith(".nii.gz") and rng.random() < 0.8
    if packed:  # damage behind the checksum, which would otherwise be all that is found
        content = gzip.decompress(content)
    if rng.random() < 0.05:
        content = rng.choice((b"", b"\0", content[: rng.randrange(len(content))], content * 2))
    head = HEADS.get(path.suffix, 0)
    if path.suffix in (".nrrd", ".mha", ".mhd") and rng.random() < 0.6:
        content = _damage_line(content, rng)
    elif path.suffix in (".nii", ".gz") and rng.random() < 0.5:
        content = _overwrite(content, head, rng)
    elif head and rng.random() < 0.8:
        content = damage(content[:head], rng, [content]) + content[head:]
    else:
        content = damage(content, rng, [content])
    path.write_bytes(gzip.compress(content, 1) if packed else content)


def _damage_line(content: bytes, rng: random.Random) -> bytes:
    """Replace, repeat, remove or add a line of a text header, or write its numbers or line ends in another way."""
    lines = content.split(b"\n", 14)
    at = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        lines[at] = rng.choice(LINES)
    elif kind == 1:
        lines.insert(at, rng.choice(LINES))
    elif kind == 2:
        del lines[at]
    elif kind == 3:
        lines[at] = lines[at].replace(b".", b",")
    elif kind == 4:
        lines[:-1] = [line + b"\r" for line in lines[:-1]]
    else:
        lines.insert(rng.randrange(len(lines)), lines[at])
    return b"\n".join(lines)


def _overwrite(content: bytes, head: int, rng: random.Random) -> bytes:
    """Overwrite one to four numbers of a binary header with numbers that mean something there."""
    raw = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind, size = rng.choice((("<f4", 4), ("<i2", 2), ("<i4", 4), ("u1", 1)))
        values = (0, 1, -1, 2, 3, 7, 255, 1e-3, 1e3, 1e30, float("nan"), float("inf"), 32767)
        with np.errstate(all="ignore"):
            value = np.array(rng.choice(values)).astype(np.float64)
            number = np.nan_to_num(value, posinf=9e9) if kind != "<f4" else value
            limits = np.iinfo(kind) if kind != "<f4" else None
            number = np.clip(number, limits.min, limits.max) if limits else number
            packed = np.array(number).astype(kind).tobytes()
        at = rng.randrange(0, head - size, size)
        raw[at : at + size] = packed
    return bytes(raw)


def try_scan(folder: Path) -> str:
    """Read the scan in a folder; return `read` or the first five words of its error without the path."""
    try:
        return next(map(_read, find_volumes(folder).values()), "no scan")
    except PromiseError as error:
        reason = str(error)
    assert reason.startswith(str(folder)), reason
    assert "\n" not in reason, reason
    assert len(reason) < 2000, reason
    return " ".join(reason.partition(": ")[2].split()[:5])


def _read(path: Path) -> str:
    """Read one scan and write a mask of it; return whether there is a note."""
    volume = read_volume(path)
    low, high = min(volume.grid.spacing), max(volume.grid.spacing)
    assert 1e-3 <= low <= high <= 100, volume.grid.spacing
    assert volume.array.shape == volume.grid.shape
    assert np.isfinite(volume.grid.affine).all()
    notes = (*volume.notes, *size_question(volume.stored_grid))
    assert all(note and "\n" not in note for note in notes), notes
    target = path.parent / "mask.nii.gz"
    write_mask(np.zeros(volume.grid.shape, bool), volume, target)
    assert read_volume(target).grid.is_that_of(volume.grid)
    target.unlink()
    return "read with a note" if notes else "read"


def try_list(folder: Path, content: bytes) -> str:
    """Read a dataset.json; return `read` or the first five words of its error without the path."""
    (folder / "dataset.json").write_bytes(content)
    try:
        found = read_dataset(folder, keep_broken=True)
        reasons = list(found.broken.values())
    except PromiseError as error:
        reasons = [str(error)]
    for reason in reasons:
        assert "\n" not in reason, reason
        assert len(reason) < 2000, reason
    return "read" if not reasons else " ".join(reasons[0].partition(": ")[2].split()[:5])


def write_dataset(folder: Path) -> list[bytes]:
    """Write a dataset's empty files; return its dataset.json as MSD, nnU-Net and nnU-Net's first version write it."""
    for name in (
        "imagesTr/a_0000.nii.gz",
        "imagesTr/b.nii.gz",
        "labelsTr/a.nii.gz",
        "labelsTr/b.nii.gz",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    pairs = [{"image": f"./imagesTr/{n}.nii.gz", "label": f".\\labelsTr\\{n}.nii.gz"} for n in "ab"]
    old = {"labels": {"0": "background", "1": "tumour"}, "modality": {"0": "CT"}, "training": pairs}
    new = {
        "labels": {"background": 0, "tumour": 1},
        "channel_names": {"0": "CT"},
        "file_ending": ".nii.gz",
    }
    listed = {
        "dataset": {"a": {"images": ["imagesTr/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}}
    }
    return [json.dumps(content).encode() for content in (old, new, new | listed)]


def fuzz(number: int, seed: int, folder: Path) -> collections.Counter[str]:
    """Read `number` damaged scans and lists; return how often each result occurred.

    Raises:
        Exception: What a reader raised besides its own errors.
    """
    rng = random.Random(seed)
    kinds = write_corpus(folder / "whole")
    lists = write_dataset(folder / "dataset")
    counts: collections.Counter[str] = collections.Counter()
    for count in range(number):
        if rng.random() < 0.15:
            content = rng.choice(lists)
            content = (
                damage_json(content, rng) if rng.random() < 0.7 else damage(content, rng, lists)
            )
            counts[try_list(folder / "dataset", content)] += 1
            continue
        kind = rng.choice(list(kinds))
        place = folder / "damaged"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder / "whole" / kind, place)
        source = rng.choice(kinds[kind])
        path = place / source.relative_to(folder / "whole" / kind)
        damage_scan(path, rng)
        try:
            counts[try_scan(place)] += 1
        except BaseException:
            sys.stderr.write(f"file {count} of seed {seed}, {path}: {path.read_bytes()[:1500]!r}\n")
            raise
    return counts


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))  # a header may promise any size
    report(fuzz, 10_000, 40, {})
