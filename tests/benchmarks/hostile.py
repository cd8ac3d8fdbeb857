"""Measure the peak memory of reading hostile files, compared with that of ordinary ("honest") files of the same kind.

    .venv/bin/python -m tests.benchmarks.hostile [KIND ...]

Each file is read in a process of its own. Prints JSON: for each kind the size of the hostile file, the peak resident
memory of reading it and of reading the honest one, both in MB, and what the reader said. Most bombs unpack to 1 GB.
"""

import bz2
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BOMB = 1_000_000_000
"""Number of bytes to which a bomb unpacks."""
SIDE = 96
"""Voxels along each axis of the scans."""
PICTURE = 30_000
"""Pixels along each side of a hostile JPEG picture."""
READ = {
    "scan": "from promise_cli.volume import read_volume; print(read_volume(path).array.shape)",
    "clicks": "from promise_cli.prompts import read_prompts; print(len(read_prompts(path)))",
    "record": "from promise_cli.disk.records import load_json; print(len(load_json(path)))",
    "checkpoint": "from promise_cli.network.checkpoint import load_checkpoint; print(load_checkpoint(path))",
    "weights": "from promise_cli.network.promise.weights import read_tensors; print(len(read_tensors(path)))",
    "case": "from promise_cli.dataset.case import check_voxels; print(check_voxels(path.parent, path.name))",
    "measurement": (
        "from promise_cli.dataset.fingerprint import Measurements;"
        " from promise_cli.dataset.folder import CaseFiles, Dataset;"
        " read = Dataset('a', path, 'CT', {1: 'a'}, ());"
        " print(Measurements(path, read, 1)._load(CaseFiles('a', path, path)))"
    ),
}
"""Code that reads the file `path`, by kind of reader."""
Pair = tuple[str, Path, Path]
"""Kind of reader, hostile path, and honest path."""


def scan() -> np.ndarray:
    """Return voxels that hardly compress, (SIDE, SIDE, SIDE)."""
    return np.random.default_rng(0).integers(-1000, 1000, (SIDE,) * 3).astype(np.int16)


def zeros(compress: Any, head: bytes = b"") -> bytes:
    """Return `head` and `BOMB` zeros, compressed by an object with `compress` and `flush`."""
    pieces = [compress.compress(head)]
    block = bytes(20_000_000)
    pieces += [compress.compress(block) for _ in range(BOMB // len(block))]
    return b"".join([*pieces, compress.flush()])


def gzipped(head: bytes = b"") -> bytes:
    """Return `head` and `BOMB` zeros as gzip data."""
    return zeros(zlib.compressobj(9, zlib.DEFLATED, 31), head)


def nifti(folder: Path) -> Pair:
    """Return a NIfTI file whose gzip data continue behind the voxels."""
    import nibabel as nib

    raw = nib.Nifti1Image(scan(), np.eye(4)).to_bytes()
    (folder / "honest.nii.gz").write_bytes(gzip.compress(raw, 1))
    (folder / "hostile.nii.gz").write_bytes(gzipped(raw))
    return "scan", folder / "hostile.nii.gz", folder / "honest.nii.gz"


def nifti_claim(folder: Path) -> Pair:
    """Return a NIfTI file whose header promises 30000 x 30000 x 30000 voxels."""
    _, hostile, honest = nifti(folder)
    raw = bytearray(gzip.decompress(honest.read_bytes()))
    raw[42:48] = struct.pack("<3h", 30000, 30000, 30000)
    hostile.write_bytes(gzip.compress(bytes(raw), 1))
    return "scan", hostile, honest


def nrrd(folder: Path, encoding: str, data: bytes, *, detached: bool = False) -> Pair:
    """Return NRRD files of an encoding; the hostile one has these data."""
    head = f"NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {SIDE} {SIDE} {SIDE}\n"
    head += f"space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: {encoding}\nendian: little\n"
    pack = {"gzip": gzip.compress, "bzip2": bz2.compress, "raw": bytes}[encoding]
    for name, content in (("hostile", data), ("honest", pack(scan().tobytes()))):
        if detached:
            (folder / f"{name}.gz").write_bytes(content)
            (folder / f"{name}.nrrd").write_text(f"{head}data file: {name}.gz\n\n")
        else:
            (folder / f"{name}.nrrd").write_bytes(head.encode() + b"\n" + content)
    return "scan", folder / "hostile.nrrd", folder / "honest.nrrd"


def meta(folder: Path, data: bytes, size: int | None = None) -> Pair:
    """Return compressed MetaImage files; the hostile one has these data, or names this compressed size."""
    for name, content in (("hostile", data), ("honest", zlib.compress(scan().tobytes()))):
        written = size if size and name == "hostile" else len(content)
        head = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        head += "CompressedData = True\n"
        head += (
            f"CompressedDataSize = {written}\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\n"
        )
        head += f"ElementSpacing = 1 1 1\nDimSize = {SIDE} {SIDE} {SIDE}\n"
        head += "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        (folder / f"{name}.mha").write_bytes(head.encode() + content)
    return "scan", folder / "hostile.mha", folder / "honest.mha"


def element(group: int, number: int, kind: str, value: bytes, length: int | None = None) -> bytes:
    """Return a DICOM element with an explicit value representation, little endian."""
    value += b"\0" * (len(value) % 2) if kind in ("UI", "OB", "OW") else b" " * (len(value) % 2)
    length = len(value) if length is None else length
    start = struct.pack("<HH", group, number) + kind.encode()
    long = kind in ("OB", "OW", "UN", "SQ")
    return (
        start + (b"\0\0" + struct.pack("<I", length) if long else struct.pack("<H", length)) + value
    )


def dicom(
    syntax: str, pixels: bytes, k: int, *, extra: bytes = b"", bits: int = 16
) -> tuple[bytes, bytes]:
    """Return the beginning of a DICOM file and its data set, of slice `k`."""
    meta_elements = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", b"1.2.840.10008.5.1.4.1.1.2")
    meta_elements += element(2, 3, "UI", f"1.2.3.{k}".encode()) + element(
        2, 16, "UI", syntax.encode()
    )
    start = (
        bytes(128)
        + b"DICM"
        + element(2, 0, "UL", struct.pack("<I", len(meta_elements)))
        + meta_elements
    )
    texts = [
        (8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2"), (8, 0x18, "UI", f"1.2.3.{k}"), (8, 0x60, "CS", "CT"),
    ]  # fmt: skip
    more = [
        (0x20, 0xD, "UI", "1.2.9"), (0x20, 0xE, "UI", "1.2.8"), (0x20, 0x32, "DS", f"0\\0\\{k}"),
        (0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0"),
    ]  # fmt: skip
    body = b"".join(element(*one[:3], one[3].encode()) for one in texts) + extra
    body += b"".join(element(*one[:3], one[3].encode()) for one in more)
    body += element(0x28, 2, "US", struct.pack("<H", 1)) + element(0x28, 4, "CS", b"MONOCHROME2")
    body += element(0x28, 0x10, "US", struct.pack("<H", SIDE)) + element(
        0x28, 0x11, "US", struct.pack("<H", SIDE)
    )
    body += element(0x28, 0x30, "DS", b"1\\1") + element(0x28, 0x100, "US", struct.pack("<H", bits))
    body += element(0x28, 0x101, "US", struct.pack("<H", bits)) + element(
        0x28, 0x102, "US", struct.pack("<H", bits - 1)
    )
    body += element(0x28, 0x103, "US", struct.pack("<H", int(bits == 16)))
    return start, body + pixels


EXPLICIT, DEFLATED, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"


def write_slices(folder: Path, make: Callable[[int], bytes]) -> Path:
    """Write four slices into a folder."""
    folder.mkdir()
    for k in range(4):
        (folder / f"{k}.dcm").write_bytes(make(k))
    return folder


def plain(k: int, extra: bytes = b"") -> bytes:
    """Return an honest DICOM file, or one with another element."""
    pixels = element(0x7FE0, 0x10, "OW", scan()[..., k].tobytes())
    return b"".join(dicom(EXPLICIT, pixels, k, extra=extra))


def dicom_private(folder: Path) -> Pair:
    """Return DICOM slices with a private element that promises 1 GB."""
    extra = element(9, 0x10, "LO", b"X") + element(9, 0x1001, "OB", b"", BOMB)
    hostile = write_slices(folder / "hostile", lambda k: plain(k, extra))
    return "scan", hostile, write_slices(folder / "honest", plain)


def dicom_deflated(folder: Path, *, behind: bool) -> Pair:
    """Return deflated DICOM slices with 1 GB in a private element, or behind the pixels."""

    def make(k: int, hostile: bool) -> bytes:
        pixels = element(0x7FE0, 0x10, "OW", scan()[..., k].tobytes())
        start, body = dicom(DEFLATED, pixels, k)
        if hostile and behind:
            return start + zeros(zlib.compressobj(9, zlib.DEFLATED, -15), body)
        if hostile:
            extra = element(9, 0x10, "LO", b"X") + element(9, 0x1001, "OB", b"", BOMB)
            pieces = body.split(element(8, 0x60, "CS", b"CT"))
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            begun = packer.compress(pieces[0] + element(8, 0x60, "CS", b"CT") + extra)
            block = bytes(20_000_000)
            middle = b"".join(packer.compress(block) for _ in range(BOMB // len(block)))
            return start + begun + middle + packer.compress(pieces[1]) + packer.flush()
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return start + packer.compress(body) + packer.flush()

    kept = {}

    def once(k: int) -> bytes:  # one bomb is enough
        kept.setdefault(0, make(0, hostile=True))
        return kept[0] if k == 0 else make(k, hostile=False)

    return (
        "scan",
        write_slices(folder / "hostile", once),
        write_slices(folder / "honest", lambda k: make(k, hostile=False)),
    )


def dicom_jpeg(folder: Path) -> Pair:
    """Return JPEG-compressed DICOM slices, of which one holds a picture of `PICTURE` pixels along each side."""
    from PIL import Image

    def packed(side: int) -> bytes:
        file = io.BytesIO()
        Image.new("L", (side, side)).save(file, "JPEG", quality=1)
        content = file.getvalue() + b"\0" * (len(file.getvalue()) % 2)
        items = (
            struct.pack("<HHI", 0xFFFE, 0xE000, 0)
            + struct.pack("<HHI", 0xFFFE, 0xE000, len(content))
            + content
        )
        return (
            element(0x7FE0, 0x10, "OB", b"", 0xFFFFFFFF)
            + items
            + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        )

    def make(k: int, side: int) -> bytes:
        return b"".join(dicom(JPEG, packed(side), k, bits=8))

    return (
        "scan",
        write_slices(folder / "hostile", lambda k: make(k, SIDE if k else PICTURE)),
        write_slices(folder / "honest", lambda k: make(k, SIDE)),
    )


def zip_bomb(folder: Path, name: str, member: str) -> Pair:
    """Return a torch or numpy file of which a member is compressed and unpacks to 1 GB."""
    import torch

    honest, hostile = folder / "honest" / name, folder / "hostile" / name
    for path in (honest, hostile):
        path.parent.mkdir(parents=True)
    if name.endswith(".npz"):
        np.savez(honest, record=np.array("x"), values=np.ones(9), counts=np.ones(9))
    else:
        torch.save({"a": torch.ones(9)}, honest)
    with zipfile.ZipFile(honest) as old, zipfile.ZipFile(hostile, "w", zipfile.ZIP_DEFLATED) as new:
        for one in old.namelist():
            with new.open(one, "w", force_zip64=True) as file:
                file.write(old.read(one))
                block = bytes(20_000_000)
                for _ in range(BOMB // len(block) if one.endswith(member) else 0):
                    file.write(block)
    return "", hostile, honest


def checkpoint_bomb(folder: Path, member: str) -> Pair:
    """Return files of weights, of which one has a compressed member."""
    return "weights", *zip_bomb(folder, "a.pth", member)[1:]


def measurement_bomb(folder: Path) -> Pair:
    """Return folders of measurements, of which one has a compressed member."""
    for path in zip_bomb(folder, "measured/a.npz", "values.npy")[1:]:
        assert path.exists()
    return "measurement", folder / "hostile", folder / "honest"


def clicks(folder: Path, name: str, line: str) -> Pair:
    """Return click files of 100 MB and of one line."""
    for place, times in (("hostile", 100_000_000 // len(line)), ("honest", 1)):
        (folder / place).mkdir()
        start, end = ("[", "[1, 2, 3]]") if name.endswith(".json") else ("i,j,k\n", "")
        (folder / place / name).write_text(start + line * times + end)
    return "clicks", folder / "hostile" / name, folder / "honest" / name


def nested(folder: Path) -> Pair:
    """Return JSON that is 100,000 lists deep."""
    (folder / "hostile.json").write_text("[" * 100_000 + "]" * 100_000)
    (folder / "honest.json").write_text("[]")
    return "record", folder / "hostile.json", folder / "honest.json"


def array(folder: Path, shape: str) -> Pair:
    """Return preprocessed cases, of which one has an array whose header gives this shape."""
    for name in ("hostile", "honest"):
        place = folder / name
        place.mkdir()
        np.save(place / "image.npy", scan().astype(np.float16))
        np.save(place / "target.npy", np.ones(scan().shape, np.uint8))
        np.save(place / "foreground.npy", np.arange(SIDE**3))
    path = folder / "hostile" / "image.npy"
    content = path.read_bytes()
    size = 10 + int.from_bytes(content[8:10], "little")
    head = content[10:size].decode().strip().replace(str(scan().shape), shape)
    path.write_bytes(
        content[:10] + head.ljust(size - 11).encode()[: size - 11] + b"\n" + content[size:]
    )
    return "case", folder / "hostile", folder / "honest"


KINDS: dict[str, Callable[[Path], Pair]] = {
    "NIfTI, data behind the voxels": nifti,
    "NIfTI, size in the header": nifti_claim,
    "NRRD, gzip": lambda folder: nrrd(folder, "gzip", gzipped()),
    "NRRD, gzip behind the voxels": lambda folder: nrrd(folder, "gzip", gzipped(scan().tobytes())),
    "NRRD, gzip in another file": lambda folder: nrrd(folder, "gzip", gzipped(), detached=True),
    "NRRD, bzip2": lambda folder: nrrd(folder, "bzip2", zeros(bz2.BZ2Compressor(1))),
    "MetaImage, zlib": lambda folder: meta(folder, zeros(zlib.compressobj(9))),
    "MetaImage, CompressedDataSize": lambda folder: meta(folder, zlib.compress(scan().tobytes()), 10**11),
    "DICOM, length of an element": dicom_private,
    "DICOM, deflated element": lambda folder: dicom_deflated(folder, behind=False),
    "DICOM, deflated behind the pixels": lambda folder: dicom_deflated(folder, behind=True),
    "DICOM, JPEG": dicom_jpeg,
    "weights, compressed pickle": lambda folder: checkpoint_bomb(folder, "data.pkl"),
    "weights, compressed tensor": lambda folder: checkpoint_bomb(folder, "data/0"),
    "measurement, compressed array": measurement_bomb,
    "clicks, JSON of 100 MB": lambda folder: clicks(folder, "a.json", "[1, 2, 3], "),
    "clicks, table of 100 MB": lambda folder: clicks(folder, "a.csv", "1,2,3\n"),
    "JSON, nested": nested,
    "npy, size in the header": lambda folder: array(folder, "(90000, 90000, 90000)"),
}  # fmt: skip
"""Makers of the files by name."""


def peak(reader: str, path: Path) -> tuple[float, str]:
    """Read a file in a process of its own; return its peak memory in MB and the last line that it printed."""
    code = (
        "import re, sys; from pathlib import Path; path = Path(sys.argv[1])\n"
        f"from promise_cli.errors import PromiseError\ntry:\n    {READ[reader]}\n"
        "except (PromiseError, MemoryError) as error: print(' '.join(str(error).split())[:300])\n"
        "print(int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) / 1000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    *said, last = done.stdout.splitlines() or [f"status {done.returncode}: {done.stderr[-300:]}"]
    try:
        return round(float(last), 1), (said or [""])[-1].replace(str(path), path.name)
    except ValueError:
        return float("nan"), last


def measure(name: str) -> dict[str, Any]:
    """Return what reading the files of one kind takes."""
    with tempfile.TemporaryDirectory() as place:
        reader, hostile, honest = KINDS[name](Path(place))
        files = (
            [hostile] if hostile.is_file() else [one for one in hostile.rglob("*") if one.is_file()]
        )
        (memory, said), (usual, _) = peak(reader, hostile), peak(reader, honest)
        size = sum(one.stat().st_size for one in files)
    return {
        "file_mb": round(size / 1e6, 1),
        "hostile_mb": memory,
        "honest_mb": usual,
        "said": said,
    }


if __name__ == "__main__":
    asked = sys.argv[1:] or list(KINDS)
    json.dump({name: measure(name) for name in asked}, sys.stdout, indent=2)
    sys.stdout.write("\n")
