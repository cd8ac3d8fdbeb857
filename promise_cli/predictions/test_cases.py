"""Find the scans and labels of the test cases on which a network may be tested."""

from pathlib import Path

from promise_cli.dataset.folder import CaseFiles, read_dataset
from promise_cli.dataset.splits import Split, splits_of_dataset
from promise_cli.disk.workspace import ALL, Fold, Workspace
from promise_cli.errors import EvaluationError
from promise_cli.predictions.record import labels_dir


def find_test_cases(
    workspace: Workspace, dataset: str, split: Split, fold: Fold, path: Path
) -> list[CaseFiles]:
    """Return the scans and labels of a fold's test cases, sorted by case id.

    Args:
        workspace: Workspace that holds the dataset.
        dataset: Name of the dataset.
        split: Cases of the fold, as the network's checkpoint holds them. A checkpoint of the paper's authors holds
            none, and the folds of the dataset then decide.
        fold: The fold.
        path: The checkpoint, for messages.

    Raises:
        EvaluationError: The fold has no test case, or the files of one are missing.
        WorkspaceError: There is no such dataset.
    """
    if fold == ALL:
        raise EvaluationError(
            f"{path}: fold {ALL} trains on every case, so it has no test cases; choose another run or fold"
        )
    labels = labels_dir(workspace, dataset)
    folder = (
        workspace.find_raw_dataset(dataset) if labels is None else (workspace.root / labels).parent
    )
    described = read_dataset(folder, keep_broken=True, with_regions=True)
    files = {case.case_id: case for case in described.cases}
    wanted = split.test
    if not wanted and not split.train:
        wanted = splits_of_dataset(dataset, sorted(files)).folds[fold].test
    if not wanted:
        raise EvaluationError(f"{path}: its fold has no test case; choose another run or fold")
    gone = [case for case in wanted if case not in files]
    if gone:
        raise EvaluationError(
            f"{folder}: test case {gone[0]} of {path} is missing; add its scan and label"
        )
    return [files[case] for case in sorted(wanted)]
