"""Decides which masks of earlier calls are finished, and which of them this call may replace."""

import hashlib
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from promise_cli.console import counted, warn
from promise_cli.disk.records import load_record, record_to_json
from promise_cli.errors import PlanError, PromiseError, PromptError
from promise_cli.predict.inputs import Inputs, mask_name
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.record import RECORD, PredictedCase, Predictions, is_as_written
from promise_cli.prompts import Click
from promise_cli.volume import file_stamps, read_label, volume_files


@dataclass(frozen=True)
class Maker:
    """Networks and settings that are the same for all masks of a folder."""

    checkpoints: tuple[Path, ...]
    max_windows: int
    tta: bool

    def has_same_networks(self, record: Predictions) -> bool:
        """Whether a record was made with these checkpoints, and after they were written."""
        created = datetime.fromisoformat(record.created).timestamp()
        return self._has_same_files(record) and created > max(
            path.stat().st_mtime for path in self.checkpoints
        )

    def has_made(self, record: Predictions) -> bool:
        """Whether a record was made with these networks and settings."""
        same_settings = (record.max_windows, record.tta) == (self.max_windows, self.tta)
        return same_settings and self.has_same_networks(record)

    def contrast(self, record: Predictions) -> str:
        """Say in words with what the masks of a record were made, and what is different in this call."""
        theirs = ", ".join(record.checkpoints)
        if not self._has_same_files(record):
            return f"holds masks of {theirs}, but this call uses {', '.join(map(str, self.checkpoints))}"
        if not self.has_same_networks(record):
            return f"holds masks that were made before {theirs} was last written"
        made, asked = (
            _settings(record.max_windows, tta=record.tta),
            _settings(self.max_windows, tta=self.tta),
        )
        return f"holds masks that were made with {made}, but this call has {asked}"

    def _has_same_files(self, record: Predictions) -> bool:
        theirs = tuple(Path(path).resolve() for path in record.checkpoints)
        return theirs == tuple(path.resolve() for path in self.checkpoints)


def maker_of(request: PredictRequest, checkpoints: Sequence[Path]) -> Maker:
    """Return the networks and settings of a call."""
    return Maker(tuple(checkpoints), request.max_windows, request.tta)


def load_earlier(folder: Path) -> Predictions | None:
    """Read the record of a folder. Return None if there is none.

    Raises:
        PromptError: The file is damaged or of another version.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = load_record(Predictions, path)
        datetime.fromisoformat(record.created)
    except (PlanError, ValueError) as error:
        raise PromptError(
            f"{error}; what its masks were made with is unknown, so give another folder with -o, or --overwrite to"
            " replace them"
        ) from None
    return record


def refuse_replacing(
    folder: Path,
    record: Predictions | None,
    request: PredictRequest,
    inputs: Inputs,
    maker: Maker,
    todo: Sequence[str],
) -> None:
    """Refuse a call that would replace masks that the user may want to keep.

    A mask of the same network for the same scan may be replaced, since the user gave new clicks. A mask of another
    network or another scan, and a mask that was edited, are replaced only with `--overwrite`.

    Args:
        folder: Folder of the masks.
        record: Record of the folder; None if there is none.
        request: The call.
        inputs: Its scans.
        maker: Its networks and settings.
        todo: Cases that this call would predict.

    Raises:
        PromptError: The call would replace such a mask, or mix masks of different networks or settings.
    """
    unlisted = record.unlisted if record else ()
    for name in (mask_name(case, inputs.scans[case], request.same_format) for case in todo):
        if name in unlisted and (folder / name).is_file():
            raise PromptError(
                f"{folder / name}: is a mask of another network or of other settings, which {RECORD} no longer lists;"
                f" give another folder, such as -o {_free(folder, maker)}, or --overwrite to replace it"
            )
    there = [case for case in record.cases if (folder / case.mask).is_file()] if record else []
    if record is None or not there:
        return
    if not maker.has_made(record):
        raise PromptError(
            f"{folder}: {maker.contrast(record)}; give another folder, such as -o {_free(folder, maker)}, or"
            " --overwrite to replace them"
        )
    for case in there:
        if case.case_id not in todo:
            continue
        mask, scan = folder / case.mask, inputs.scans[case.case_id]
        if is_another_scan(Path(case.scan), scan):
            raise PromptError(
                f"{mask}: is the mask of {case.scan}, not of {scan}; give another folder, such as"
                f" -o {_free(folder, maker)}, or --overwrite to replace it"
            )
        if is_edited(case, folder):
            raise PromptError(
                f"{mask}: was edited after promise-predict wrote it; move it to another folder to keep it, or add"
                " --overwrite to replace it"
            )


def is_another_scan(earlier: Path, scan: Path) -> bool:
    """Whether the scan of an earlier call still exists and is another file. A scan that was moved is the same."""
    return earlier.exists() and not earlier.samefile(scan)


def is_edited(case: PredictedCase, folder: Path) -> bool:
    """Whether a mask's file is readable and is not the one that promise-predict wrote.

    A damaged mask does not count as edited. Neither does a mask whose record, of an early version, holds no size.
    """
    path = folder / case.mask
    if not case.mask_bytes or not path.is_file() or is_as_written(case, folder):
        return False
    try:
        read_label(path)
    except (PromiseError, OSError):
        return False
    return True


def earlier_cases(
    folder: Path, record: Predictions | None, maker: Maker
) -> tuple[PredictedCase, ...]:
    """Return the cases that an earlier call with the same networks and settings listed, and whose masks still exist."""
    if record is None or not maker.has_made(record):
        return ()
    return tuple(case for case in record.cases if (folder / case.mask).exists())


def warn_of_unlisted(
    folder: Path, record: Predictions | None, maker: Maker, attempted: Set[str]
) -> None:
    """Warn of masks of other networks or settings that this call does not replace. They are no longer listed."""
    if record is None or maker.has_made(record):
        return
    left = [
        case
        for case in record.cases
        if case.case_id not in attempted and (folder / case.mask).exists()
    ]
    if left:
        which = "with other settings" if maker.has_same_networks(record) else "of another network"
        warn(
            f"{folder}: {counted(len(left), 'mask')} {which} will no longer be listed in predictions.json, such as"
            f" {left[0].mask}, which stays in the folder; use -o to keep predictions apart"
        )


def prediction_keys(
    request: PredictRequest,
    checkpoints: Sequence[Path],
    inputs: Inputs,
    *,
    for_objects: bool = False,
) -> dict[str, str]:
    """Return the keys of all cases that can be predicted, by case id.

    Args:
        request: The call.
        checkpoints: Its networks.
        inputs: Its scans and clicks, as they were given.
        for_objects: Whether the networks segment several objects, so that everything that names an object counts.
    """
    failed = {failure.case_id for failure in inputs.failures}
    return {
        case: _key(request, checkpoints, inputs.files(case), clicks, for_objects=for_objects)
        for case, clicks in inputs.clicks.items()
        if case not in failed
    }


def _key(
    request: PredictRequest,
    checkpoints: Sequence[Path],
    scan: Sequence[Path],
    clicks: Sequence[Click],
    *,
    for_objects: bool,
) -> str:
    """Hash everything that a case's mask depends on: the scan's files, its clicks, the networks and the settings."""
    files = [file for channel in scan for file in volume_files(channel)]
    stats = file_stamps([*files, *checkpoints])
    settings: list[Any] = [request.max_windows, request.tta, request.precision]
    if for_objects:
        settings.append(request.object)
    content = json.dumps(
        [stats, settings, [_as_keyed(click, with_said=for_objects) for click in clicks]]
    )
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _as_keyed(click: Click, *, with_said: bool) -> dict[str, Any]:
    """Convert a click to JSON for its key. The field `sign` keeps its former name `label`, so that old keys match."""
    fields: dict[str, Any] = record_to_json(click)
    if not with_said:
        del fields["lesion"]["said"]
    return {"label" if name == "sign" else name: value for name, value in fields.items()}


def finished_cases(
    earlier: Mapping[str, PredictedCase],
    keys: Mapping[str, str],
    inputs: Inputs,
    folder: Path,
    request: PredictRequest,
) -> list[str]:
    """Return the cases whose earlier masks are complete and up to date, so that they can be skipped.

    A mask that was edited counts as finished, and a warning names it.
    """
    finished = []
    for case, key in keys.items():
        record = earlier.get(case)
        if record is None or not _is_finished(record, key, inputs.scans[case], folder, request):
            continue
        if not is_as_written(record, folder):
            if not is_edited(record, folder):
                continue
            warn(
                f"{folder / record.mask}: was edited after promise-predict wrote it, and is kept; --overwrite predicts"
                " it again"
            )
        finished.append(case)
    return finished


def _is_finished(
    record: PredictedCase, key: str, scan: Path, folder: Path, request: PredictRequest
) -> bool:
    if record.key != key or not (folder / record.mask).is_file():
        return False
    if record.mask != mask_name(record.case_id, scan, request.same_format):
        return False
    there = all((folder / name).exists() for name in record.probabilities)
    return there and (bool(record.probabilities) or not request.save_prob)


def _settings(max_windows: int, *, tta: bool) -> str:
    windows = "--single-window" if max_windows == 1 else f"--max-windows {max_windows}"
    return f"{windows} and {'--tta' if tta else 'without --tta'}"


def _free(folder: Path, maker: Maker) -> Path:
    """Suggest a folder for the masks of a call, named after its networks, which does not exist yet."""
    runs = "_".join(dict.fromkeys(path.resolve().parent.name for path in maker.checkpoints))
    settings = ("_single_window" if maker.max_windows == 1 else "") + ("_tta" if maker.tta else "")
    name = f"{folder.name}_{runs}{settings}"
    names = [name, *(f"{name}_{number}" for number in range(2, 100))]
    return next((place for one in names if not (place := folder.with_name(one)).exists()), folder)
