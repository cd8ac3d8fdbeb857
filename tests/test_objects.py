"""One plan holds several objects: they are chosen from dataset.json, written into cases, checked, and drawn."""

import shutil
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from promise_cli.cli import preprocess_app
from promise_cli.dataset.case import check_voxels, is_current, load_case, made_with
from promise_cli.dataset.case_objects import draw_target, held_targets
from promise_cli.dataset.folder import read_dataset
from promise_cli.dataset.objects import (
    TargetObject,
    check_objects,
    choose_objects,
    find_object,
    mask_values_of,
)
from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError, PlanError, PromiseError
from promise_cli.network.recipe import AugmentConfig, TrainConfig
from promise_cli.preprocess.command import preprocess
from promise_cli.train.samples import TrainingSamples, ValidationSamples
from tests.conftest import edit_json, made_once
from tests.shapes import NESTED, SHAPES, values_of, write_nested, write_shapes


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with plans of all objects and a plan of `Ball` alone; tests may only read it."""

    def make(root: Path) -> None:
        write_shapes(root / SHAPES)
        write_nested(root / NESTED)
        for task in (SHAPES, NESTED):
            preprocess(task, root=root, objects="each", workers=0)
        preprocess(SHAPES, root=root, target_label="Ball", plan="ball", workers=0)

    return made_once(tmp_path_factory, "preprocessed_shapes", make)


@pytest.fixture
def workspace(shapes: Path, tmp_path: Path) -> Path:
    return shutil.copytree(shapes, tmp_path / "workspace")


def _plan(root: Path, name: str) -> Plan:
    return load_record(Plan, root / "preprocessed" / name / "plans.json")


def _objects(*named: tuple[str, tuple[int, ...], int]) -> tuple[TargetObject, ...]:
    return tuple(TargetObject(name=name, values=of, mask_value=own) for name, of, own in named)


REGIONS = _objects(("whole", (1, 2, 3), 1), ("core", (2, 3), 2), ("active", (3,), 3))


def test_each_label_or_region_of_dataset_json_is_an_object(shapes: Path) -> None:
    assert _plan(shapes, SHAPES).objects == _objects(("Ball", (1,), 1), ("Box", (2,), 2))
    assert _plan(shapes, NESTED).objects == REGIONS
    assert _plan(shapes, f"{SHAPES}@ball").objects == ()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["box"], [("Box", (2,), 2)]),
        (["2", "Ball"], [("Ball", (1,), 1), ("Box", (2,), 2)]),
        (["both=1,2", "Box"], [("both", (1, 2), 1), ("Box", (2,), 2)]),
        (
            ["all=2,1", "Ball", "Box"],
            [("Ball", (1,), 1), ("all", (1, 2), 3), ("Box", (2,), 2)],  # 3 is no label
        ),
    ],
)
def test_objects_may_be_named_and_regions_made(shapes: Path, asked: list, expected: list) -> None:
    found = read_dataset(shapes / SHAPES, with_regions=True)
    assert choose_objects(found, asked) == _objects(*expected)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["Cone"], "no object 'Cone'; --objects takes each, NAME=VALUE,VALUE with values of data"),
        (["a=1,9"], "no object 'a=1,9'"),
        (["a=1,2", "b=1,2"], r"objects 'a' \(1\+2\) and 'b' \(1\+2\) are the same"),
        (["ball", "BALL=2"], "have the same name"),
    ],
)
def test_objects_that_cannot_be_planned_are_named(shapes: Path, asked: list, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        choose_objects(read_dataset(shapes / SHAPES, with_regions=True), asked)


def test_objects_that_overlap_must_lie_within_each_other() -> None:
    check_objects(REGIONS)
    with pytest.raises(ValueError, match="overlap, but neither lies within the other"):
        check_objects(_objects(("a", (1, 2), 1), ("b", (2, 3), 2)))
    assert [mask_values_of(one, REGIONS) for one in REGIONS] == [(1, 2, 3), (2, 3), (3,)]


def test_an_object_is_found_by_name_label_or_mask_value() -> None:
    found = [find_object(REGIONS, asked) for asked in ("WHOLE", "1+2+3", "1", "3", "4")]
    assert found == [REGIONS[0], REGIONS[0], REGIONS[0], REGIONS[2], None]


def test_an_object_of_a_case_equals_the_target_of_a_plan_for_it_alone(shapes: Path) -> None:
    both, alone = (
        load_case(shapes / "preprocessed" / name / "cases", "c_1")
        for name in (SHAPES, f"{SHAPES}@ball")
    )
    ball, box = held_targets(both, _plan(shapes, SHAPES).objects)
    np.testing.assert_array_equal(ball.mask, np.asarray(alone.target) > 0)
    assert not (ball.mask & box.mask).any()
    assert (ball.num_voxels, box.num_voxels) == (ball.mask.sum(), box.mask.sum())


def test_a_case_of_one_target_has_the_files_that_it_always_had(shapes: Path) -> None:
    folder = shapes / "preprocessed" / f"{SHAPES}@ball" / "cases" / "c_1"
    names = {path.name for path in folder.iterdir()}
    assert names == {"case.json", "image.npy", "target.npy", "foreground.npy"}
    assert "objects" not in (folder / "case.json").read_text()


def test_a_region_holds_the_voxels_of_the_regions_within_it(shapes: Path) -> None:
    case = load_case(shapes / "preprocessed" / NESTED / "cases", "c_1")
    whole, core, active = (target.mask for target in held_targets(case, REGIONS))
    assert active.any()
    assert (whole & core == core).all()
    assert (core & active == active).all()
    assert whole.sum() > core.sum() > active.sum()
    assert case.target.max() == 3  # the voxels that nobody annotated are background


def test_a_case_may_have_no_voxel_of_an_object(shapes: Path) -> None:
    plan = _plan(shapes, SHAPES)
    case = load_case(shapes / "preprocessed" / SHAPES / "cases", "c_6")
    assert [target.wanted for target in held_targets(case, plan.objects)] == [plan.objects[0]]


def test_voxels_are_drawn_evenly_over_objects_and_over_their_voxels(shapes: Path) -> None:
    plan, rng = _plan(shapes, NESTED), np.random.default_rng(0)
    case = load_case(shapes / "preprocessed" / NESTED / "cases", "c_1")
    drawn: Counter[str] = Counter()
    inner = 0
    for _ in range(3000):
        target = draw_target(case, plan.objects, rng)
        voxel = target.draw_voxel(rng)
        assert target.mask[voxel]
        drawn[target.wanted.name] += 1
        inner += target.wanted.name == "whole" and case.target[voxel] > 1
    assert all(900 < number < 1100 for number in drawn.values())
    whole, core, _ = held_targets(case, REGIONS)
    assert inner / drawn["whole"] == pytest.approx(core.num_voxels / whole.num_voxels, abs=0.05)


def test_a_sample_holds_the_object_on_which_its_clicks_lie(shapes: Path) -> None:
    cases, plan = shapes / "preprocessed" / SHAPES / "cases", _plan(shapes, SHAPES)
    plain = AugmentConfig(
        flip_chance=0, rotate_chance=0, quarter_turn_chance=0, zoom_chance=0, shift_chance=0
    )
    config = TrainConfig(augment=plain, foreground_share=1.0, centre_jitter=0.0)
    samples = TrainingSamples(cases, ("c_1",), 48, config, 1, 10.0, objects=plan.objects)
    sizes = set()
    for index in range(8):
        sample = samples[index]
        for click, sign in zip(sample.clicks.int().tolist(), sample.signs.tolist(), strict=True):
            assert sign < 0 or bool(sample.target[(0, *click)]) == (sign == 1)
        sizes.add(int(sample.target.sum()))
    held = held_targets(load_case(cases, "c_1"), plan.objects)
    assert sizes == {target.num_voxels for target in held}


def test_validation_has_a_patch_for_each_object_that_a_case_holds(shapes: Path) -> None:
    cases, plan = shapes / "preprocessed" / SHAPES / "cases", _plan(shapes, SHAPES)
    fixed = ValidationSamples(cases, ("c_5", "c_6"), 24, 2, 0, objects=plan.objects)
    names = [fixed.object_of(index).name for index in range(len(fixed))]
    assert names == ["Ball", "Box", "Ball"] * 2
    assert fixed[1].case_ids == ("c_5",)
    assert fixed[2].case_ids == ("c_6",)


def _change(path: Path, change) -> None:
    array = np.load(path)
    np.save(path, change(array))


def _swap_groups(array: np.ndarray) -> np.ndarray:
    return array[::-1].copy()


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("target.npy", lambda it: it * 2, "target.npy holds values that are not those"),
        ("target.npy", lambda it: np.where(it == 2, 1, it).astype(np.uint8), "numbers of voxels"),
        ("foreground.npy", _swap_groups, "foreground.npy does not list the voxels"),
        ("objects.npy", lambda it: it[:, :1], "objects.npy holds no mask values"),
        ("objects.npy", lambda it: it + 300, "objects.npy holds no mask values"),
    ],
)
def test_a_damaged_case_of_objects_is_found_and_made_anew(
    workspace: Path, name: str, change, reason: str
) -> None:
    cases = workspace / "preprocessed" / SHAPES / "cases"
    before = (cases / "c_1" / name).read_bytes()
    _change(cases / "c_1" / name, change)
    with pytest.raises(DatasetError, match=reason):
        check_voxels(cases, "c_1")
    assert preprocess(SHAPES, root=workspace, workers=0).num_new == 1
    assert (cases / "c_1" / name).read_bytes() == before


def test_a_case_without_its_table_is_not_current(workspace: Path) -> None:
    cases = workspace / "preprocessed" / SHAPES / "cases"
    (cases / "c_1" / "objects.npy").unlink()
    assert not made_with(_plan(workspace, SHAPES), cases / "c_1")
    files = read_dataset(workspace / SHAPES).cases[0]
    assert not is_current(files, _plan(workspace, SHAPES), cases, voxels=False)


def test_a_plan_keeps_its_objects_until_it_is_overwritten(workspace: Path) -> None:
    path = "plans.json: planned for objects Ball \\(1\\), Box \\(2\\), asked for"
    assert preprocess(SHAPES, root=workspace, workers=0).num_new == 0
    assert preprocess(SHAPES, root=workspace, objects="each", workers=0).num_new == 0
    with pytest.raises(PlanError, match=f"{path} Ball; add --plan NAME"):
        preprocess(SHAPES, root=workspace, target_label="Ball", workers=0)
    with pytest.raises(PlanError, match=f"{path} --objects Box; add --plan NAME"):
        preprocess(SHAPES, root=workspace, objects=["Box"], workers=0)
    with pytest.raises(PlanError, match=r"target 1 \(Ball\), asked for --objects each; add --plan"):
        preprocess(SHAPES, root=workspace, objects="each", plan="ball", workers=0)
    with pytest.raises(PlanError, match="give only one of them"):
        preprocess(SHAPES, root=workspace, objects="each", target_label="1", workers=0)
    edit_json(workspace / SHAPES / "dataset.json", lambda it: it["labels"].update({"2": "Cube"}))
    with pytest.raises(PlanError, match=r"dataset\.json now describes as Ball \(1\), Cube \(2\)"):
        preprocess(SHAPES, root=workspace, workers=0)


def test_a_plan_of_labels_with_empty_names_is_kept(tmp_path: Path) -> None:
    write_shapes(tmp_path / SHAPES)
    edit_json(tmp_path / SHAPES / "dataset.json", lambda it: it.update(labels={"1": "", "2": ""}))
    made = preprocess(SHAPES, root=tmp_path, objects="each", workers=0)
    assert made.plan.objects == _objects(("1", (1,), 1), ("2", (2,), 2))
    again = preprocess(SHAPES, root=tmp_path, workers=0)
    assert (again.plan, again.num_new) == (made.plan, 0)


def test_the_fit_of_a_plan_of_objects_is_that_of_its_largest_object(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ball and box have edges of at most 9 mm, and lie in a box of more than 16 mm."""
    preprocess(SHAPES, root=workspace, workers=0, patch_size=16)
    shown = " ".join(capsys.readouterr().out.split())
    assert "it holds every lesion in 6 of 6 cases, and every object as a whole in 6 " in shown


def test_the_numbers_of_the_plan_are_those_of_all_objects_together(shapes: Path) -> None:
    plan, alone = _plan(shapes, SHAPES), _plan(shapes, f"{SHAPES}@ball")
    assert (plan.labels, plan.label, plan.target_name) == ((1, 2), "1+2", "Ball, Box")
    voxels = [
        values_of(shapes / SHAPES / "imagesTr" / f"c_{n}.nii.gz")[
            values_of(shapes / SHAPES / "labelsTr" / f"c_{n}.nii.gz") > 0
        ]
        for n in range(1, 7)
    ]
    assert plan.normalisation.mean == pytest.approx(np.concatenate(voxels).mean(), abs=1e-3)
    assert plan.normalisation.mean != alone.normalisation.mean


def test_a_case_without_any_object_is_an_error(workspace: Path) -> None:
    path = workspace / SHAPES / "labelsTr" / "c_6.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros_like(values_of(path)), nib.load(path).affine), path)
    with pytest.raises(PromiseError, match="1 of 6 cases cannot be used"):
        preprocess(SHAPES, root=workspace, workers=0)


@pytest.mark.parametrize("line", [["96", "--objects", "each"], ["--objects", "Ball", "2", "96"]])
def test_objects_are_typed_like_target_labels(in_folder: Path, line: list[str]) -> None:
    write_shapes(in_folder / SHAPES)
    done = CliRunner().invoke(preprocess_app, ["--workers", "0", *line])
    assert done.exit_code == 0, done.output
    assert "2 objects: Ball (1), Box (2)" in done.output
    assert len(_plan(in_folder, SHAPES).objects) == 2
