"""Compare the demo folders that two versions of this tool wrote, file by file.

    python -m tests.compare_demos BEFORE AFTER

Masks and cases must have the same bytes, checkpoints the same bits in each tensor, and JSON and CSV files the same
fields. Times, versions, paths, memory and removed options may differ; these differences are listed. Pictures and pages
are not compared. The result is printed as JSON, and the exit status is 1 if something differs that must not.
"""

import csv
import gzip
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

MAY_DIFFER = re.compile(
    r"(^|\.)(created|seconds|started|ended|finished|promise_cli|tool|command|commit|versions|host|folder|"
    r"memory_gib|peak_memory_gib|waiting_seconds|waiting_share|seconds_per_step|git|reference|source|scan|key|stamps?|mtime\w*|python|platform|torch|"
    r"checkpoints|predictions|click_position|label_embedding|adapter_update)(\.|\[|$)"
)
"""Names of fields that may differ: times, versions, paths, properties of the computer, and removed options."""
NOT_COMPARED = (".png", ".html", ".jpg", ".lock", ".svg")
TIMES = re.compile(r"second|time|memory", re.IGNORECASE)
"""Columns of log.csv that may differ, since they hold times or memory."""


def differences(before: Any, after: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields that differ, each with both values; tensors must have the same bits."""
    if isinstance(before, torch.Tensor) and isinstance(after, torch.Tensor):
        if before.dtype != after.dtype or not torch.equal(before, after):
            yield where, "tensors differ"
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}, key=str):
            place = f"{where}.{name}" if where else str(name)
            if name not in before or name not in after:
                yield place, f"only {'after' if name in after else 'before'}"
            else:
                yield from differences(before[name], after[name], place)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        if len(before) != len(after):
            yield where, f"{len(before)} and {len(after)} entries"
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(one, other, f"{where}[{number}]")
    elif before != after and not (_is_nan(before) and _is_nan(after)):
        yield where, f"{str(before)[:60]} and {str(after)[:60]}"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def content(path: Path) -> Any:
    """Return the content of a file to compare: parsed, decompressed, or its bytes."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".pt":
        return torch.load(path, map_location="cpu", weights_only=True)
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
        return [{name: row[name] for name in row if not TIMES.search(name)} for row in rows]
    return path.read_bytes()


def compare(before: Path, after: Path) -> dict[str, Any]:
    """Return everything that differs between two folders; differences that are allowed are in `expected`."""
    files = [
        {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        for folder in (before, after)
    ]
    found: dict[str, Any] = {
        "only_before": sorted(files[0] - files[1]),
        "only_after": sorted(files[1] - files[0]),
        "equal": 0,
        "expected": {},
        "different": {},
    }
    for name in sorted(files[0] & files[1]):
        # The folder .preprocessing holds times of files.
        if name.endswith(NOT_COMPARED) or name.startswith(".preprocessing/"):
            continue
        changes = dict(differences(content(before / name), content(after / name)))
        expected = {place for place in changes if MAY_DIFFER.search(place)}
        found["equal"] += not set(changes) - expected
        if expected:
            found["expected"][name] = sorted(
                {re.sub(r"\[\d+\]", "[]", place) for place in expected}
            )
        if set(changes) - expected:
            found["different"][name] = {
                place: changes[place] for place in sorted(set(changes) - expected)
            }
    return found


if __name__ == "__main__":
    result = compare(Path(sys.argv[1]), Path(sys.argv[2]))
    print(json.dumps(result, indent=2))  # noqa: T201
    sys.exit(bool(result["different"] or result["only_before"] or result["only_after"]))
