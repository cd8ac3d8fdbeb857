"""Read damaged click files of every kind.

Each must give clicks on the scan, or an error of one line that says what is wrong.

    .venv/bin/python -m tests.fuzz_prompts [NUMBER] [SEED]

prints JSON: how many files were read, how many were refused, and the most common errors. Any other exception ends it
with a traceback.
"""

import collections
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from promise_cli.errors import PromptError, shorten
from promise_cli.geometry.grid import Grid
from promise_cli.prompts import Click, gather_prompts, locate_clicks, write_markups, write_points
from tests.test_click_files.formats import write_everywhere
from tests.test_click_files.test_points import FULL, VALUES, change_at_random

AFFINE = np.diag([-0.7, 0.8, 2.5, 1.0])
AFFINE[:3, 3] = (100.0, -150.0, -400.0)
STORED = Grid((400, 400, 300), AFFINE)
FILES = Path(__file__).parent / "test_click_files" / "files"
TOKENS = (
    b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\n", b"\r", b",", b";", b"\t", b'"', b"[", b"]", b"{", b"}", b"<", b">",
    b"&", b"nan", b"inf", b"-1e999", b"1e308", b"99999999999999999999", b"null", b"true", b"0x10", b"1_0", b"LPS",
    b"RAS", b"voxel", b"label", b"case", b"#", b"CoordinateSystem", b"<!DOCTYPE x>", b"<!ENTITY a 'b'>", b"&a;",
    b"markups", b"defined", b"-", b"1,5", b"-0,25,", b"visibility", b"markup", b"markupsType", b"controlPoints",
    b"shape-type", b"vertex-index", b"polygon", b"um", b"cm", b"\\",
    "\u00e9\u2028\U0001f600".encode(), b"[" * 3000, b"9" * 6000,
)  # fmt: skip


def corpus(folder: Path) -> dict[str, bytes]:
    """Return the content of valid files of every kind, by file name with its suffix."""
    files = [path for path in FILES.iterdir() if path.suffix != ".md"]
    files += write_everywhere(folder, np.array((20, 30, 10)), AFFINE)
    write_points(folder / "all.json", {"scan": (Click((1, 2, 3)),)}, {"scan": STORED})
    write_markups(folder / "scan.mrk.json", (Click((1, 2, 3)),), STORED)
    (folder / "full.json").write_text(json.dumps(FULL))
    point = {
        "label": "F-1",
        "position": [80.5, -120.25, -380.0],
        "positionStatus": "defined",
        "visibility": False,
    }
    early = {
        "markupsType": "Fiducial",
        "coordinateSystem": "LPS",
        "controlPoints": [point, {"positionStatus": "preview"}],
    }
    (folder / "early.mrk.json").write_text(json.dumps(early))
    (folder / "nested.mrk.json").write_text(json.dumps({"markups": [{"markup": early}]}))
    (folder / "shapes.csv").write_text(
        "index,shape-type,vertex-index,axis-0,axis-1,axis-2\n0,path,0,4.5,4,6\n"
    )
    files += [folder / name for name in ("early.mrk.json", "nested.mrk.json", "shapes.csv")]
    files += [folder / "all.json", folder / "scan.mrk.json", folder / "full.json"]
    return {path.name: path.read_bytes() for path in files}


def damage(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Damage bytes one to eight times: cut, delete, repeat, overwrite, or insert parts of another file or a token."""
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(content) + 1)
        to = min(len(content), at + rng.choice((0, 1, 1, 2, 5, 20, 200)))
        kind = rng.randrange(6)
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content = content[:at] + content[to:]
        elif kind == 2:
            content = content[:to] + content[at:to] * rng.choice((1, 2, 9)) + content[to:]
        elif kind == 3:
            content = (
                content[:at] + bytes(rng.randrange(256) for _ in range(to - at)) + content[to:]
            )
        elif kind == 4:
            other = rng.choice(others)
            content = content[:at] + other[rng.randrange(len(other) + 1) :][:300] + content[to:]
        else:
            content = content[:at] + rng.choice(TOKENS) + content[to:]
    return content


def damage_json(content: bytes, rng: random.Random) -> bytes:
    """Change values of a JSON document at random; it stays valid JSON."""
    document = json.loads(content)
    for _ in range(rng.choice((1, 2, 4))):
        change_at_random(document, rng)
    return json.dumps(document).encode()


def try_file(path: Path, space: str | None) -> str:
    """Read one file, and return `read` or the first six words of its error without the path."""
    try:
        gathered = gather_prompts(path, space=space, scans=("scan",))  # type: ignore[arg-type]
        reasons = list(gathered.broken.values())
        for case, clicks in gathered.clicks.items():
            located = locate_clicks(clicks, STORED, STORED, f"{path}: case {shorten(case)}")
            assert located.shape == (len(clicks), 3)
            assert (located >= 0).all()
            assert (located < STORED.shape).all()
    except PromptError as error:
        reasons = [str(error)]
    for reason in reasons:
        assert "\n" not in reason, reason
        assert 10 < len(reason.replace(str(path), "")) < 2000, reason
    return "read" if not reasons else " ".join(reasons[0].replace(str(path), "").split()[:6])


def fuzz(number: int, seed: int, folder: Path) -> collections.Counter[str]:
    """Read `number` damaged files, and return how often each result of `try_file` occurred.

    Raises:
        Exception: What a reader raised besides its own errors.
    """
    rng = random.Random(seed)
    files = corpus(folder)
    names, others = sorted(files), list(files.values())
    counts: collections.Counter[str] = collections.Counter()
    for count in range(number):
        name = rng.choice(names)
        content = files[name]
        if name.endswith(".json") and rng.random() < 0.5:
            content = damage_json(content, rng)
        else:
            content = damage(content, rng, others)
        path = folder / f"damaged_{name}"
        path.write_bytes(content)
        asked = rng.choice((None, None, None, "voxel", "voxel_zyx", "LPS", "RAS"))
        try:
            counts[try_file(path, asked)] += 1
        except Exception:
            sys.stderr.write(f"file {count} of seed {seed}, {name}: {content[:2000]!r}\n")
            raise
    return counts


def report(
    fuzz: Callable[[int, int, Path], collections.Counter[str]],
    number: int,
    most: int,
    further: Mapping[str, int],
) -> None:
    """Read damaged files, and print how many were read and refused.

    Args:
        fuzz: Function that takes the number of files, the seed and a folder, and counts the results.
        number: Number of files, unless the command line names another one, and a seed after it.
        most: Number of results that are shown, the most frequent ones first.
        further: Numbers that are shown, too.
    """
    number = int(sys.argv[1]) if len(sys.argv) > 1 else number
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = fuzz(number, seed, Path(folder))
    files = sum(counts.values())
    read = sum(n for name, n in counts.items() if name.rpartition(": ")[2].startswith("read"))
    answer = {
        "files": files,
        "seed": seed,
        "read": read,
        "refused": files - read,
        "seconds": round(time.monotonic() - began, 1),
        **further,
        "commonest": dict(counts.most_common(most)),
    }
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")


if __name__ == "__main__":
    report(fuzz, 100_000, 15, {"kinds_of_change": len(VALUES) + len(TOKENS)})
