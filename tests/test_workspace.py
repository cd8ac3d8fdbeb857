"""A name may be left out if only one thing fits; otherwise the error lists what fits and where it was searched."""

from pathlib import Path

import pytest

from promise_cli.disk.workspace import BEST, FINAL, LAST, Workspace, open_workspace
from promise_cli.errors import WorkspaceError


def _folders(root: Path, *names: str, file: str = "dataset.json") -> None:
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / file).write_text("{}")


@pytest.mark.parametrize(
    "task",
    ["Task07_Pancreas", "Task07", "task07", "7", "07", "007", "Dataset007", "Task07_Pancreas/"],
)
def test_a_task_is_found_by_any_of_its_names(in_folder: Path, task: str) -> None:
    _folders(in_folder, "Task07_Pancreas", "Task10_Colon", "Task70_Other")
    assert Workspace(in_folder).find_raw_dataset(task).name == "Task07_Pancreas"


def test_nnunets_names_and_the_raw_folder_are_searched_too(in_folder: Path) -> None:
    _folders(in_folder, "raw/Dataset012_Liver")
    for task in ("12", "Dataset012_Liver", "Task12"):
        assert Workspace(in_folder).find_raw_dataset(task).name == "Dataset012_Liver"


def test_a_dataset_that_the_workspace_lacks_is_read_from_nnunets_folder(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, workspace = in_folder / "nnUNet_raw", Workspace(in_folder / "own")
    _folders(raw, "Dataset007_Pancreas", "Dataset012_Liver")
    _folders(workspace.root, "Task07_Pancreas")
    monkeypatch.setenv("nnUNet_raw", f'"{raw}"')
    assert workspace.find_raw_dataset("7") == workspace.root / "Task07_Pancreas"
    for task in ("12", "Dataset012_Liver"):
        assert workspace.find_raw_dataset(task) == raw / "Dataset012_Liver"
    with pytest.raises(WorkspaceError, match=f"'9': unknown task; searched .*/own and {raw}; "):
        workspace.find_raw_dataset("9")
    monkeypatch.setenv("nnUNet_raw", str(in_folder / "none"))
    with pytest.raises(WorkspaceError, match="'12': unknown task"):
        workspace.find_raw_dataset("12")


def test_a_path_is_used_as_it_is(in_folder: Path) -> None:
    _folders(in_folder, "far/away/Task07_Pancreas")
    assert Workspace(in_folder / "else").find_raw_dataset("far/away/Task07_Pancreas") == Path(
        "far/away/Task07_Pancreas"
    )
    with pytest.raises(
        WorkspaceError, match=r"far/none: no such folder; give an MSD folder with dataset\.json"
    ):
        Workspace(in_folder).find_raw_dataset("far/none")


def test_an_unknown_task_is_refused_with_the_existing_ones(in_folder: Path) -> None:
    _folders(in_folder, "Task07_Pancreas", "Task10_Colon")
    with pytest.raises(WorkspaceError) as caught:
        Workspace(in_folder).find_raw_dataset("Task08")
    assert str(caught.value) == (
        f"'Task08': unknown task; searched {in_folder}; datasets there: Task07_Pancreas, Task10_Colon;"
        " give the dataset's path, or --root"
    )


@pytest.mark.parametrize(
    ("task", "meant"),
    [
        ("Pancreas", "Task07_Pancreas"),
        ("Task07_Pankreas", "Task07_Pancreas"),
        ("tsk10", "Task10"),
        ("Task08", None),
    ],
)
def test_a_misspelt_task_is_refused_with_the_name_that_was_meant(
    in_folder: Path, task: str, meant: str | None
) -> None:
    workspace = Workspace(in_folder)
    _folders(in_folder, "Task07_Pancreas", "Task10_Colon")
    _folders(workspace.preprocessed, "Task07_Pancreas", "Task10_Colon", file="plans.json")
    for find in (workspace.find_raw_dataset, workspace.find_preprocessed):
        with pytest.raises(WorkspaceError) as caught:
            find(task)
        assert str(caught.value).partition("did you mean ")[2] == (f"{meant}?" if meant else "")


def test_a_task_that_is_not_preprocessed_names_the_command_that_does_it(in_folder: Path) -> None:
    workspace = Workspace(Path())
    _folders(Path(), "Task07_Pancreas")
    with pytest.raises(
        WorkspaceError, match=r"^preprocessed: no .* run promise-preprocess Task07 first$"
    ):
        workspace.find_preprocessed("Task07")
    _folders(workspace.preprocessed, "Task10_Colon", file="plans.json")
    with pytest.raises(WorkspaceError) as caught:
        workspace.find_preprocessed("Task07")
    assert str(caught.value) == (
        f"'Task07': not preprocessed yet in {in_folder}/preprocessed, which holds Task10_Colon; run promise-preprocess"
        " Task07 first"
    )


def test_the_raw_datasets_folder_stands_for_its_preprocessed_cases(in_folder: Path) -> None:
    workspace = Workspace(in_folder)
    _folders(in_folder, "far/Task07_Pancreas")
    for name in ("Task07_Pancreas", "Task10_Colon"):
        _folders(workspace.preprocessed, name, file="plans.json")
    assert workspace.find_preprocessed("far/Task07_Pancreas").parent == workspace.preprocessed


def test_a_task_number_that_fits_two_datasets_is_refused(in_folder: Path) -> None:
    _folders(in_folder, "Task07_Pancreas", "Dataset007_Pancreas")
    with pytest.raises(
        WorkspaceError,
        match=r"several datasets fit .*Dataset007_Pancreas, Task07_Pancreas; name one",
    ):
        Workspace(in_folder).find_raw_dataset("7")
    assert Workspace(in_folder).find_raw_dataset("Task07_Pancreas").name == "Task07_Pancreas"


def test_the_only_preprocessed_dataset_needs_no_name(in_folder: Path) -> None:
    workspace = Workspace(in_folder)
    with pytest.raises(
        WorkspaceError, match="no preprocessed dataset; run promise-preprocess TASK first"
    ):
        workspace.find_preprocessed(None)
    _folders(workspace.preprocessed, "Task07_Pancreas", file="plans.json")
    assert workspace.find_preprocessed(None).name == "Task07_Pancreas"
    _folders(workspace.preprocessed, "Task10_Colon", file="plans.json")
    with pytest.raises(WorkspaceError, match="no task named, and several datasets fit"):
        workspace.find_preprocessed(None)
    assert workspace.find_preprocessed("10").name == "Task10_Colon"


def test_runs_are_found_by_file_folder_dataset_and_fold(in_folder: Path) -> None:
    workspace = Workspace(in_folder)
    with pytest.raises(WorkspaceError, match="no such run or checkpoint"):
        workspace.find_runs(None, ())
    run = workspace.results / "Task07_Pancreas"
    _folders(run, "fold_0", file="checkpoint_last.pt")
    last = run / "fold_0" / "checkpoint_last.pt"
    assert workspace.find_runs(None, ()) == (last,)
    with pytest.raises(
        WorkspaceError,
        match=r"^fold0: no such run or checkpoint; trained so far: \S*Task07_Pancreas/fold_0$",
    ):
        workspace.find_runs(Path("fold0"), ())
    _folders(run, "fold_0", file="checkpoint_best.pt")
    best = last.with_name("checkpoint_best.pt")
    assert workspace.find_runs(None, ()) == (best,)
    assert workspace.find_runs(last, ()) == (last,)
    assert workspace.find_runs(run / "fold_0", ()) == (best,)
    _folders(run, "fold_0", file="checkpoint_final.pt")
    assert workspace.find_runs(run / "fold_0", ()) == (last.with_name("checkpoint_final.pt"),)
    _folders(run, "fold_1", file="checkpoint_best.pt")
    with pytest.raises(WorkspaceError, match=r"several runs fit .*choose with -m RUN or -f FOLD"):
        workspace.find_runs(None, ())
    assert len(workspace.find_runs(None, (0, 1))) == 2
    with pytest.raises(
        WorkspaceError, match="no checkpoint of fold 3; trained so far: fold_0, fold_1"
    ):
        workspace.find_runs(run, (3,))


def test_folds_of_two_datasets_are_not_mixed(in_folder: Path) -> None:
    workspace = Workspace(in_folder)
    for dataset in ("Task07_Pancreas", "Task10_Colon"):
        _folders(workspace.results / dataset, "fold_0", file="checkpoint_best.pt")
    with pytest.raises(
        WorkspaceError, match=r"runs of several datasets fit \(Task07_Pancreas, Task10_Colon\)"
    ):
        workspace.find_runs(None, (0,))
    with pytest.raises(WorkspaceError, match=r"choose with -m RUN, such as -m \S*/fold_0$"):
        workspace.find_runs(None, ())


def test_runs_of_several_networks_are_not_mixed(in_folder: Path) -> None:
    workspace = Workspace(in_folder)
    dataset = workspace.results / "Task07_Pancreas"
    for network in ("dynunet", "ux_net"):
        _folders(dataset / network, "fold_0", file="checkpoint_best.pt")
    with pytest.raises(
        WorkspaceError,
        match=r"runs of several datasets or networks fit \(Task07_Pancreas/dynunet, Task07_Pancreas/ux_net\)",
    ):
        workspace.find_runs(None, (0,))
    best = dataset / "ux_net" / "fold_0" / "checkpoint_best.pt"
    assert workspace.find_runs(dataset / "ux_net", (0,)) == (best,)
    _folders(dataset, "fold_0", file="checkpoint_best.pt")
    own = dataset / "fold_0" / "checkpoint_best.pt"
    assert workspace.find_runs(dataset, ()) == (
        own,
    )  # folds directly below a dataset are ProMISe's


def test_the_root_is_the_option_or_the_variable_or_the_current_folder(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_workspace(None).root == Path()
    monkeypatch.setenv("PROMISE_ROOT", '"/data/promise"')
    assert open_workspace(None).root == Path("/data/promise")
    assert open_workspace(in_folder).root == in_folder
    (in_folder / "file").write_text("")
    with pytest.raises(WorkspaceError, match="the root must be a folder, found a file"):
        open_workspace(in_folder / "file")


def test_a_missing_checkpoint_is_refused_with_those_of_its_folder(tmp_path: Path) -> None:
    run = tmp_path / "results" / "Task07_Pancreas" / "fold_0"
    run.mkdir(parents=True)
    for name in (BEST, LAST):
        (run / name).touch()
    with pytest.raises(
        WorkspaceError, match=f"no such run or checkpoint; its folder holds {BEST}, {LAST}$"
    ):
        Workspace(tmp_path).find_runs(run / FINAL, ())
