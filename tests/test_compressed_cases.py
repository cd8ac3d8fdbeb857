"""Cases stored as compressed arrays hold the voxels of plain ones, and give the same samples and the same training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.cli import preprocess_app
from promise_cli.dataset.case import check_voxels, load_case
from promise_cli.dataset.case_arrays import format_in
from promise_cli.dataset.case_record import CaseRecord
from promise_cli.dataset.compressed import layout, library, open_compressed, save_compressed
from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.errors import DatasetError
from promise_cli.geometry.patch import Patch
from promise_cli.network.recipe import TrainConfig
from promise_cli.preprocess.command import preprocess
from promise_cli.train.samples import TrainingSamples, ValidationSamples
from tests.channels import write_channels
from tests.conftest import DATASET
from tests.shapes import SHAPES, write_shapes
from tests.test_cli import run
from tests.test_train.runs import copy_workspace, is_same_run, train_balls

IDS = tuple(f"ball_{number:03d}" for number in range(1, 7))


def equal_cases(one: Path, other: Path, case_id: str) -> bool:
    first, second = load_case(one, case_id), load_case(other, case_id)
    pairs = [
        (np.asarray(getattr(first, name)), np.asarray(getattr(second, name)))
        for name in ("image", "target", "foreground")
    ]
    alike = (a.dtype == b.dtype and a.shape == b.shape for a, b in pairs)
    return all(alike) and all(a.tobytes() == b.tobytes() for a, b in pairs)


def formats_in(root: Path) -> list[str | None]:
    return [format_in(path) for path in sorted((root / DATASET / "cases").iterdir())]


def equal_samples(cases: Path, others: Path, ids: tuple[str, ...], objects=()) -> bool:
    config = TrainConfig(augmentation="paper")
    arguments = (ids, 16, config, 1, 30.0, (), objects)
    one, other = (TrainingSamples(folder, *arguments) for folder in (cases, others))
    fixed, fixed_too = (
        ValidationSamples(folder, ids, 16, 2, 0, 1, objects) for folder in (cases, others)
    )
    pairs = [(one[index], other[index]) for index in range(2 * len(ids))]
    pairs += [(fixed[index], fixed_too[index]) for index in range(len(fixed))]
    return len(fixed) == len(fixed_too) and all(
        torch.equal(a, b) for x, y in pairs for a, b in zip(x.tensors, y.tensors, strict=True)
    )


def test_compressed_cases_have_the_same_voxels_and_samples(
    preprocessed: Path, compressed: Path
) -> None:
    assert formats_in(compressed) == ["blosc2"] * 6
    cases, packed = preprocessed / DATASET / "cases", compressed / DATASET / "cases"
    assert all(equal_cases(cases, packed, case_id) for case_id in IDS)
    assert equal_samples(cases, packed, IDS)
    names = {path.name for path in (packed / IDS[0]).iterdir()}
    assert names == {"case.json", "image.b2nd", "target.b2nd", "foreground.b2nd"}


def test_so_have_cases_of_several_channels_and_several_objects(tmp_path: Path) -> None:
    write_channels(tmp_path / "Task98_Balls", "files", 5)
    write_shapes(tmp_path / SHAPES)
    for task, objects in (("98", None), ("96", "each")):
        options = {"root": tmp_path, "workers": 0, "objects": objects}
        plain = preprocess(task, **options)
        packed = preprocess(task, plan="packed", cases_format="blosc2", **options)
        cases, others = plain.folder / "cases", packed.folder / "cases"
        ids = tuple(sorted(path.name for path in cases.iterdir()))
        assert all(equal_cases(cases, others, case_id) for case_id in ids)
        assert equal_samples(cases, others, ids, plain.plan.objects)
        check_voxels(others, ids[0])
    assert (others / ids[0] / "objects.npy").exists()


@pytest.mark.slow
def test_a_training_from_either_format_gives_the_same_weights(
    preprocessed: Path, compressed: Path, tmp_path: Path
) -> None:
    runs = []
    for name, source in (("plain", preprocessed), ("packed", compressed)):
        root = copy_workspace(source, tmp_path / name)
        fields = ("patch_size=16",)
        runs.append(train_balls(root, 1, fold="all", fields=fields, patches_per_case=1))
    assert is_same_run(*runs)


def test_a_patch_is_cut_without_the_rest_of_the_array(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(128, 32, 32)).astype(np.float16)
    path = _save(tmp_path, array)
    found = open_compressed(path)
    size = path.stat().st_size
    with path.open("r+b") as file:  # the mapping sees what is written after it was opened
        file.seek(size // 2)
        file.write(bytes(size // 4))
    patch = Patch((-4, 5, 6), (30, 40, 20))
    np.testing.assert_array_equal(patch.crop(found), patch.crop(array))
    np.testing.assert_array_equal(patch.crop(found[None]), patch.crop(array[None]))
    with pytest.raises(DatasetError, match=r"image\.b2nd: damaged, it cannot be unpacked"):
        np.asarray(found)


def _save(folder: Path, array: np.ndarray) -> Path:
    """Write an array as a case's image, with the record that open_compressed reads."""
    path = folder / "image.b2nd"
    note_checksum(path, save_compressed(path, array, 64))
    return path


def note_checksum(path: Path, content: bytes) -> None:
    """Write a file of a case, and its checksum into case.json as if preprocessing had written it."""
    import json
    import zlib

    record = path.with_name("case.json")
    found = json.loads(record.read_text()) if record.exists() else EMPTY
    found["checksums"] = found["checksums"] | {path.name: zlib.crc32(content)}
    path.write_bytes(content)
    record.write_text(json.dumps(found))


EMPTY = {
    "case_id": "x", "plan_key": "", "source_key": "", "shape": [1, 1, 1], "scan_shape": [1, 1, 1], "scan_affine": [],
    "num_foreground": 1, "checksums": {},
}  # fmt: skip
"""Fields of a record of which only the checksums matter."""


def test_any_index_that_a_patch_uses_gives_what_numpy_gives(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(35, 50, 33), (2, 40, 70, 20), (1, 1, 1), (100, 3, 5)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        array = (rng.normal(size=shape) * 9).astype(np.float16)
        found = open_compressed(_save(folder, array))
        assert (found.shape, found.dtype, found.size) == (shape, array.dtype, array.size)
        for _ in range(20):
            patch = Patch(tuple(rng.integers(-30, 50, 3).tolist()), (24, 16, 20))
            np.testing.assert_array_equal(patch.crop(found), patch.crop(array))
            voxel = tuple(int(rng.integers(n)) for n in shape)
            assert float(found[voxel]) == float(array[voxel])
        assert sum(piece.size for piece in found.pieces()) == array.size


@pytest.mark.parametrize("patch_size", [8, 48, 128, 512])
@pytest.mark.parametrize("shape", [(1, 1, 1), (35, 50, 35), (4, 240, 240, 155), (512, 17, 300)])
def test_chunks_and_blocks_fit_to_patch_and_cache(shape: tuple[int, ...], patch_size: int) -> None:
    chunks, blocks = layout(shape, patch_size)
    assert all(1 <= b <= c <= n for b, c, n in zip(blocks, chunks, shape, strict=True))
    assert np.prod(blocks[-3:]) * 2 <= 2 * 48**3
    assert blocks[:-3] == chunks[:-3] == (1,) * (len(shape) - 3)
    waste = [-(-n // c) * c / n for n, c in zip(shape, chunks, strict=True)]
    assert max(waste) < 1.2


def test_readers_use_one_thread() -> None:
    assert library().nthreads == 1


def test_another_format_is_said_and_all_cases_are_written_again(
    preprocessed: Path, compressed: Path, tmp_path: Path
) -> None:
    root = copy_workspace(preprocessed, tmp_path)
    line = ("98", "--workers", "0", "--root", root)
    done = run(preprocess_app, *line, "--cases-format", "blosc2")
    assert done.exit_code == 0
    said = f"{root / DATASET / 'cases'}: 6 cases stored as .npy are written again as .b2nd"
    assert said in done.stdout.splitlines()
    assert formats_in(root) == ["blosc2"] * 6
    for path in (root / DATASET).rglob("*.b2nd"):
        expected = compressed / path.relative_to(root)
        assert path.read_bytes() == expected.read_bytes()
    again = run(preprocess_app, *line)
    assert "6 cases, 0 written now" in again.stdout
    assert load_record(Plan, root / DATASET / "plans.json").cases_format == "blosc2"
    anew = run(preprocess_app, *line, "--overwrite")
    assert "6 cases stored as .b2nd are written again as .npy" in anew.stdout
    assert formats_in(root) == ["npy"] * 6


def test_a_change_of_format_that_was_stopped_is_said_and_completed(
    preprocessed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    from promise_cli.dataset import case
    from promise_cli.train.cases import read_split
    from tests.killer import Kill

    root = copy_workspace(preprocessed, tmp_path)
    left = [3]

    def save(record: CaseRecord, path: Path) -> None:
        left[0] -= 1
        if not left[0]:
            raise Kill
        save_record(record, path)

    save_record = case.save_record
    with monkeypatch.context() as patch:
        patch.setattr(case, "save_record", save)
        with pytest.raises(Kill):
            preprocess("98", root=root, workers=0, cases_format="blosc2")
    assert sorted(map(str, formats_in(root))) == ["blosc2"] * 2 + ["npy"] * 4
    folder = root / DATASET
    capsys.readouterr()
    split = read_split(folder, 0, load_record(Plan, folder / "plans.json"))
    (warning,) = capsys.readouterr().err.splitlines()
    number = [format_in(folder / "cases" / one) for one in (*split.train, *split.val)].count("npy")
    assert f"{number} case" in warning
    assert "not stored as blosc2, such as" in warning
    assert preprocess("98", root=root, workers=0).num_new == 4
    assert formats_in(root) == ["blosc2"] * 6


def test_the_disk_space_of_compressed_cases_is_shown(dataset: Path, capsys) -> None:
    done = preprocess("98", root=dataset.parent, workers=0, cases_format="blosc2")
    assert "disk: 6 cases need about 181 kB; " in capsys.readouterr().out
    sizes = [path.stat().st_size for path in done.folder.rglob("*.b2nd")]
    assert 0 < sum(sizes) < 181_000


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    done = run(preprocess_app, "98", "--root", tmp_path, "--cases-format", "zarr")
    assert done.exit_code == 2
    assert "zarr: use npy or blosc2" in done.stderr
