"""Match predictions with label files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from promise_cli.console import counted
from promise_cli.disk.workspace import Workspace
from promise_cli.errors import EvaluationError, listed
from promise_cli.predictions.folders import (
    is_bare,
    labels_of,
    manifest_of,
    masks_of,
    newest_predictions,
    refuse_swapped,
)
from promise_cli.predictions.manifest import Manifest
from promise_cli.predictions.record import FAILURES, RECORD
from promise_cli.predictions.targets import (
    Target,
    dataset_name,
    find_dataset_json,
    read_ignored,
    read_targets,
)
from promise_cli.volume import SUFFIXES, case_id, find_volumes, name_hint


@dataclass(frozen=True)
class Pair:
    """Predicted mask and label file of a case."""

    case_id: str
    prediction: Path | None
    """Predicted mask; None if there is none."""
    label: Path
    scan: Path | None = None
    """Scan of the case; None if it is unknown. It is needed only for pictures."""
    clicks: tuple[tuple[float, float, float], ...] = ()
    """Foreground clicks that the mask was predicted from, in RAS millimetres; empty if they are unknown."""


@dataclass(frozen=True)
class Pairing:
    """Cases to score, and the targets for which they are scored."""

    predictions: Path
    """Folder or file of the predicted masks."""
    labels: Path
    """Folder or file of the labels."""
    pairs: tuple[Pair, ...]
    """All cases, sorted by case id."""
    targets: tuple[Target, ...] | None
    """Targets to score; None: every value that the label files hold."""
    whole_label: bool
    """Whether a label file is refused if it holds values other than 0 and those of the targets."""
    dataset: str | None
    """Name of the dataset, such as `Task07_Pancreas`; None if it is unknown."""
    notes: tuple[str, ...] = ()
    """Notes for the user about the choice of cases."""
    ignored: int | None = None
    """Value of voxels that are not scored because nobody annotated them; None if there is none."""
    is_named: bool = True
    """Whether a dataset.json next to the labels names the targets' values."""

    @property
    def folder(self) -> Path:
        """Folder that holds the predictions."""
        return self.predictions if self.predictions.is_dir() else self.predictions.parent


def pair_cases(
    predictions: Path | None, labels: Path | None, workspace: Workspace, *, may_lack: bool = False
) -> Pairing:
    """Match predictions with labels by case id.

    Args:
        predictions: A folder of masks, one mask, or an MSD folder; None: the newest predictions of the workspace.
        labels: A folder of label files, one such file, or an MSD folder; None: the labels that predictions.json names.
        workspace: Workspace in which predictions and labels are searched if they are None.
        may_lack: Whether predictions may be missing. A folder without any mask is then accepted as one in which all
            predictions are missing.

    Raises:
        EvaluationError: A prediction has no label, the folders are swapped, or predictions.json is damaged.
        WorkspaceError: There is nothing to evaluate.
    """
    if predictions is None:
        predictions = newest_predictions(workspace)
    asked = predictions
    if not (may_lack and is_bare(predictions)):
        predictions = masks_of(predictions)
    manifest = manifest_of(predictions)
    if labels is None:
        labels = labels_of(predictions, manifest, workspace)
    asked_labels, labels = labels, masks_of(labels)
    if manifest is None and labels.is_dir() and (labels / RECORD).exists():
        raise EvaluationError(
            f"{labels}: holds {RECORD}, so these are predictions; the order is PREDICTIONS LABELS"
        )
    refuse_swapped(asked, asked_labels)
    if predictions.resolve() == labels.resolve():
        raise EvaluationError(
            f"{labels}: predictions and labels are the same; give PREDICTIONS LABELS"
        )
    if manifest is not None:
        return _pair_listed(predictions, labels, manifest)
    return _pair_folders(predictions, labels)


def _pair_listed(predictions: Path, labels: Path, manifest: Manifest) -> Pairing:
    """Pair the cases that predictions.json lists."""
    folder = manifest.path.parent
    single = labels.is_file() and len(manifest.masks) == 1
    there = dict.fromkeys(manifest.masks, labels) if single else _files(labels)
    pairs = []
    for case, mask in sorted(manifest.masks.items()):
        prediction = folder / mask
        if case not in there:
            predicted = {name: folder / mask for name, mask in manifest.masks.items()}
            raise _without_label(prediction, case, predicted, labels)
        scan = _find_scan(case, there[case], manifest.scans.get(case))
        pairs.append(Pair(case, prediction if prediction.exists() else None, there[case], scan))
    notes = []
    if len(there) > len(pairs):
        notes.append(
            f"only the {counted(len(pairs), 'case')} of {manifest.path} {'is' if len(pairs) == 1 else 'are'} scored,"
            f" but {labels} holds {len(there)} labels"
        )
    extra = {path.name for path in find_volumes(folder).values()} - set(manifest.masks.values())
    if extra and predictions.is_dir():
        notes.append(f"not scored, because {RECORD} does not list them: {listed(sorted(extra), 5)}")
    if (folder / FAILURES).exists():
        notes.append(f"not scored: the scans that {folder / FAILURES} lists as failed")
    described = find_dataset_json(labels if labels.is_dir() else labels.parent)
    known = set() if described is None else {target.label for target in read_targets(described)}
    return Pairing(
        predictions,
        labels,
        tuple(pairs),
        manifest.targets,
        False,
        manifest.dataset,
        tuple(notes),
        ignored=None if described is None else read_ignored(described),
        is_named=all(
            target.label in known or known.issuperset(target.reference_values)
            for target in manifest.targets
        ),
    )


def _pair_folders(predictions: Path, labels: Path) -> Pairing:
    """Pair all predictions and labels of two folders or files."""
    predicted, there = _files(predictions), _files(labels)
    if predictions.is_file():
        case = next(iter(predicted))
        if labels.is_file():
            there = {case: labels}
        there = {name: path for name, path in there.items() if name == case}
    for case, path in predicted.items():
        if case not in there:
            raise _without_label(path, case, predicted, labels)
    pairs = tuple(
        Pair(case, predicted.get(case), path, _find_scan(case, path, None))
        for case, path in sorted(there.items())
    )
    folder = labels if labels.is_dir() else labels.parent
    described = find_dataset_json(folder)
    targets = None if described is None else read_targets(described)
    dataset = None if described is None else dataset_name(described)
    return Pairing(
        predictions,
        labels,
        pairs,
        targets,
        targets is not None,
        dataset,
        ignored=None if described is None else read_ignored(described),
    )


def _find_scan(case: str, label: Path, listed: Path | None) -> Path | None:
    """Find the scan that predictions.json names, or the one in `imagesTr` next to `labelsTr`."""
    candidates = [listed, scan_next_to(case, label)]
    return next((path for path in candidates if path and path.is_file()), None)


def scan_next_to(case: str, label: Path) -> Path | None:
    """Find the scan of a case in `imagesTr` next to the `labelsTr` that holds its label; None if there is none."""
    folder = label.parent.resolve()
    images = folder.parent / folder.name.replace("labels", "images", 1)
    names = [f"{case}{channel}{suffix}" for suffix in SUFFIXES for channel in ("", "_0000")]
    candidates = [images / name for name in names] if images != folder else []
    return next((path for path in candidates if path.is_file()), None)


def _files(path: Path) -> dict[str, Path]:
    return {case_id(path): path} if path.is_file() else find_volumes(path)


def _without_label(
    path: Path, case: str, predicted: Mapping[str, Path], labels: Path
) -> EvaluationError:
    """Return the error for a prediction without a label.

    Its message says whether the files are named differently, no prediction has a label, or only this label is missing.

    Args:
        path: The predicted mask.
        case: Its case id.
        predicted: All predictions by case id.
        labels: Folder or file of the labels.
    """
    there = _files(labels)
    found = f"{path}: this prediction has no label in {labels}"
    if (hint := name_hint(case, there)) is not None:
        return EvaluationError(f"{found}; {hint}")
    if not predicted.keys() & there.keys():
        others = (
            f", nor has any other of the {len(predicted)} predictions" if len(predicted) > 1 else ""
        )
        return EvaluationError(
            f"{found}{others}; a set without labels, such as imagesTs, cannot be scored; otherwise give the folder of"
            " its labels: promise-evaluate PREDICTIONS LABELS"
        )
    return EvaluationError(f"{found}; add the label or remove the prediction")


def missing_error(pairing: Pairing) -> EvaluationError | None:
    """Return the error for cases without a prediction; None if all cases have one."""
    missing = [pair.case_id for pair in pairing.pairs if pair.prediction is None]
    if not missing:
        return None
    return EvaluationError(
        f"{pairing.predictions}: no prediction for {len(missing)} of {len(pairing.pairs)} cases:"
        f" {listed(missing, 5)}; predict them, or use --missing zero or --missing skip"
    )
