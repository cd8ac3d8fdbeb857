"""Find the folder or file of masks that a path means: the predictions, or the labels that belong to them."""

import dataclasses
from pathlib import Path

from promise_cli.disk.workspace import Workspace
from promise_cli.errors import EvaluationError, WorkspaceError
from promise_cli.predictions.manifest import Manifest, newest_manifest, read_manifest
from promise_cli.predictions.record import RECORD
from promise_cli.predictions.targets import LABEL_FOLDERS
from promise_cli.volume import find_volumes, is_volume_file

_EXPECTED = "expected a folder of .nii.gz masks, one such file, or an MSD folder with labelsTr"


def newest_predictions(workspace: Workspace) -> Path:
    """Find the folder of the newest predictions.

    Raises:
        WorkspaceError: There are no predictions.
        PromiseError: All their predictions.json are broken.
    """
    found = sorted(workspace.predictions.glob(f"*/{RECORD}"))
    if not found:
        raise WorkspaceError(
            f"{workspace.predictions}: no predictions; run promise-predict first, or give"
            " PREDICTIONS LABELS"
        )
    return newest_manifest(found).parent


def masks_of(path: Path) -> Path:
    """Find the folder or file of masks that a path means: the path itself, or the `labelsTr` of a dataset.

    Raises:
        WorkspaceError: The path does not exist.
        EvaluationError: The folder holds no mask, or the file is not a mask.
    """
    if not path.exists():
        raise WorkspaceError(f"{path}: no such file or folder; {_EXPECTED}")
    if path.is_file():
        if not is_volume_file(path):
            raise EvaluationError(f"{path}: not a mask; {_EXPECTED}")
        return path
    if find_volumes(path) or (path / RECORD).exists():
        return path
    if (path / "labelsTr").is_dir():
        return masks_of(path / "labelsTr")
    raise EvaluationError(f"{path}: no mask in it; {_EXPECTED}")


def is_bare(path: Path) -> bool:
    """Whether a path is a folder without any mask, predictions.json or `labelsTr`."""
    return (
        path.is_dir()
        and not find_volumes(path)
        and not (path / RECORD).exists()
        and not (path / "labelsTr").is_dir()
    )


def refuse_swapped(predictions: Path, labels: Path) -> None:
    """Refuse a dataset's labels in the place of the predictions.

    Raises:
        EvaluationError: The first path is a dataset or is named like a dataset's labels, and the second is not.
    """
    if _holds_labels(predictions) and not _holds_labels(labels):
        raise EvaluationError(
            f"{predictions}: these are a dataset's labels; the order is PREDICTIONS LABELS"
        )


def _holds_labels(path: Path) -> bool:
    folder = path if path.is_dir() else path.parent
    names = {folder.absolute().name, folder.resolve().name}
    return bool(names & LABEL_FOLDERS) or (path.is_dir() and (path / "labelsTr").is_dir())


def manifest_of(predictions: Path) -> Manifest | None:
    """Read the predictions.json that lists these masks. Return None if there is none.

    If `predictions` is a single mask, only its case is kept.

    Raises:
        EvaluationError: The predictions.json is damaged.
    """
    if predictions.is_dir():
        path = predictions / RECORD
        return read_manifest(path) if path.exists() else None
    path = predictions.parent / RECORD
    if not path.exists():
        return None
    manifest = read_manifest(path)
    masks = {case: mask for case, mask in manifest.masks.items() if mask == predictions.name}
    if not masks:
        return None
    return dataclasses.replace(manifest, masks=masks)


def labels_of(predictions: Path, manifest: Manifest | None, workspace: Workspace) -> Path:
    """Find the labels that predictions.json names.

    Raises:
        EvaluationError: There is no predictions.json, it names no labels, or they do not exist.
    """
    if manifest is None:
        raise EvaluationError(
            f"{predictions}: there is no {RECORD} that names its labels; give PREDICTIONS LABELS"
        )
    if manifest.labels is None:
        raise EvaluationError(
            f"{manifest.path}: names no labels; give them: promise-evaluate {predictions} LABELS"
        )
    path = workspace.root / manifest.labels
    if not path.exists():
        raise EvaluationError(
            f"{manifest.path}: its labels {path} do not exist; give them: promise-evaluate"
            f" {predictions} LABELS"
        )
    return path
