"""Which cases of an earlier call need not be predicted again."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from promise_cli.predict.inputs import mask_name
from promise_cli.predict.request import PredictRequest
from promise_cli.predictions import PredictedCase
from promise_cli.prompts import Click
from promise_cli.records import record_to_json
from promise_cli.volume import file_stamps, volume_files


def case_key(
    request: PredictRequest, checkpoints: Sequence[Path], scan: Path, clicks: Sequence[Click]
) -> str:
    """Changes whenever the case's mask might: with the scan's files, its clicks, the networks and the settings."""
    stats = file_stamps([*volume_files(scan), *checkpoints])
    settings = [request.max_windows, request.tta, request.precision]
    content = json.dumps([stats, settings, record_to_json(tuple(clicks))])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def is_finished(
    record: PredictedCase | None, key: str, scan: Path, folder: Path, request: PredictRequest
) -> bool:
    """Whether a case need not be done again."""
    if record is None or record.key != key or not (folder / record.mask).is_file():
        return False
    if (folder / record.mask).stat().st_size != record.mask_bytes:
        return False
    if record.mask != mask_name(record.case_id, scan, request.same_format):
        return False
    there = all((folder / name).exists() for name in record.probabilities)
    return there and (bool(record.probabilities) or not request.save_prob)
