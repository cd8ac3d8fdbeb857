"""Damage files of every kind: their bytes, the values of their fields, or entries of their arrays and tensors."""

import copy
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.fuzz_prompts import damage

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 7, 1e300, -0.5, float("nan"), float("inf"), 10**30, 10**9, "", "x", "0", "../..",
    "\ud800", "\x1b[2J\n\u202e", [], [0, 0], [1, [2]], ["a", "a"], {}, {"a": 1}, [None] * 3, {"": {}}, "9" * 5000,
    [[[[[[[[]]]]]]]], "2026-01-01T00:00:00", -(2**63), 2**31, 5e-324,
)  # fmt: skip
"""Values that take the place of each field in turn."""


def places_of(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each value within a JSON value: all fields, and the first entry of each list."""
    if place:
        yield place
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value[:1])
        if isinstance(value, list)
        else ()
    )
    for key, item in list(entries)[:40]:
        yield from places_of(item, (*place, key))


def changed(content: Any, place: tuple[Any, ...], value: Any, *, drop: bool = False) -> Any:
    """Return a copy in which the value at a place is another one, or is missing."""
    top = copy.deepcopy(content)
    inner = top
    for key in place[:-1]:
        inner = inner[key]
    if drop:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return top


def mutate(content: Any, rng: random.Random) -> Any:
    """Return a copy of a JSON value with one to three damaged values."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(places_of(content))
        if places:
            drop = rng.random() < 0.15
            content = changed(content, rng.choice(places), rng.choice(ODD), drop=drop)
    return rng.choice(ODD) if rng.random() < 0.02 else content


def damage_bytes(content: bytes, rng: random.Random) -> bytes:
    """Truncate, double, empty or zero a file, or damage parts of it. A long file is damaged at both ends."""
    kind = rng.randrange(8)
    if kind == 0:
        return content[: rng.randrange(len(content) + 1)]
    if kind == 1:
        return rng.choice((b"", b"\0", content * 2, bytes(len(content)), content + b"\0" * 5000))
    if kind == 2:
        at = rng.randrange(len(content))
        return content[:at] + bytes(len(content[at : at + 64])) + content[at + 64 :]
    if kind == 3:
        raw = bytearray(content)
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        return bytes(raw)
    if len(content) < 50_000:
        return damage(content, rng, [content])
    head, body, tail = content[:4000], content[4000:-8000], content[-8000:]
    if rng.random() < 0.5:
        return damage(head, rng, [tail]) + body + tail
    return head + body + damage(tail, rng, [head])


@dataclass(frozen=True)
class Kind:
    """A kind of file: a valid one, what reads it, and how its values are damaged."""

    path: Path
    read: Callable[[Path], object]
    change: Callable[[bytes, random.Random], bytes]


def change_json(content: bytes, rng: random.Random) -> bytes:
    """Damage values of a JSON file."""
    return json.dumps(mutate(json.loads(content), rng)).encode()


def change_table(content: bytes, rng: random.Random) -> bytes:
    """Replace cells of a table."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(rng.choice((1, 1, 3))):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = str(rng.choice(ODD)).encode(errors="replace").decode()
    if rng.random() < 0.1:
        rng.choice(rows).pop()
    return "\n".join(map(",".join, rows)).encode()


def change_array(content: bytes, rng: random.Random) -> bytes:
    """Replace type, shape or values of an array."""
    array = np.load(io.BytesIO(content))
    kind = rng.randrange(4)
    if kind == 0:
        array = array.astype(rng.choice(("f2", "f8", "u1", "i8", "c8", "?", "S3", "U2", "M8[s]")))
    elif kind == 1:
        array = array.reshape(-1)[: rng.randrange(array.size + 1)]
    elif kind == 2:
        array = np.array(rng.choice((0, 1.5, np.nan, -1, 2**62)))
    else:
        array = array.copy()
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice((0, 1, 2, 9))
    file = io.BytesIO()
    np.save(file, array)
    raw = file.getvalue()
    if rng.random() < 0.3:  # a header that promises any size
        sizes = (b"(9999999999,)", b"(-1, 2, 3)", b"(0, 0, 0)", b"()", b"(1" + b"0" * 30 + b",)")
        start, comma, rest = raw.partition(b"'shape': ")
        raw = start + comma + rng.choice(sizes) + rest[rest.find(b")") + 1 :]
    return raw


def change_entries(content: bytes, rng: random.Random) -> bytes:
    """Replace entries of a torch file, or values in the records within it."""
    whole = torch.load(io.BytesIO(content), weights_only=True)
    if rng.random() < 0.7:
        records = {name: value for name, value in whole.items() if not _is_large(value)}
        whole = {
            **{k: v for k, v in whole.items() if _is_large(v)},
            **_as_dict(mutate(records, rng)),
        }
    else:
        odd = (
            *ODD,
            torch.ones(2),
            torch.ones(()),
            torch.ones(2, dtype=torch.complex64),
            {1: 2},
            {"a": torch.ones(1)},
        )
        place = rng.choice(list(whole))
        inside = whole[place]
        if isinstance(inside, dict) and inside and rng.random() < 0.7:
            whole[place] = {**inside, rng.choice(list(inside)): rng.choice(odd)}
        else:
            whole[place] = rng.choice(odd)
    file = io.BytesIO()
    torch.save(whole, file)
    return file.getvalue()


def change_measurement(content: bytes, rng: random.Random) -> bytes:
    """Damage the record, the values or the counts of a measurement."""
    with np.load(io.BytesIO(content)) as file:
        parts = {name: file[name] for name in file.files}
    if rng.random() < 0.5:
        parts["record"] = np.array(json.dumps(mutate(json.loads(str(parts["record"])), rng)))
    else:
        name = rng.choice(sorted(parts))
        parts[name] = rng.choice(
            (np.ones(3), np.array("x"), np.zeros((2, 2)), np.array([]), np.array([np.nan]))
        )
    out = io.BytesIO()
    np.savez(out, **parts)
    return out.getvalue()


def _is_large(value: object) -> bool:
    return isinstance(value, dict) and any(
        isinstance(item, torch.Tensor) for item in value.values()
    )


def _as_dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {"format": value}
