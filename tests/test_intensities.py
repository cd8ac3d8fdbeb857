"""nnU-Net's changes of intensities depend on the patch's seed alone, and disturb no other random numbers."""

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import PlanError
from promise_cli.network.recipe import TrainConfig, preset
from promise_cli.train.intensities import change_intensities
from promise_cli.train.readers import Readers
from promise_cli.train.samples import TrainingSamples
from promise_cli.train.sizes import check_names
from promise_cli.train.train_request import TrainRequest

IDS = tuple(f"ball_{number:03d}" for number in range(1, 7))


def _patch() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((16, 16, 16)).astype(np.float32)


def _samples(root: Path, scheme: str) -> TrainingSamples:
    config = dataclasses.replace(TrainConfig(), augmentation=scheme)
    cases = root / "preprocessed" / "Task98_Balls" / "cases"
    return TrainingSamples(cases, IDS, 16, config, seed=1, shift_scale=30.0)


def test_equal_seeds_change_intensities_equally_and_others_differently() -> None:
    before = _patch()
    changed = [change_intensities(before, seed) for seed in range(40)]
    for seed, one in enumerate(changed):
        np.testing.assert_array_equal(one, change_intensities(before, seed))
        assert one.dtype == np.float32
        assert one.shape == before.shape
        assert np.isfinite(one).all()
    np.testing.assert_array_equal(before, _patch())
    untouched = [np.array_equal(one, before) for one in changed]
    assert 3 < sum(untouched) < 25  # all transforms are rare: in 32 % of patches none is applied
    assert len({one.tobytes() for one in changed}) == 40 - sum(untouched) + 1


def test_several_channels_keep_their_shape_and_change_separately() -> None:
    both = np.stack([_patch(), _patch()])
    changed = [change_intensities(both, seed) for seed in range(20)]
    assert {one.shape for one in changed} == {(2, 16, 16, 16)}
    assert any(not np.array_equal(one[0], one[1]) for one in changed)


def test_global_random_numbers_continue_as_if_nothing_was_drawn() -> None:
    def draw(changes: bool) -> tuple[float, float]:
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        for seed in range(5 if changes else 0):
            change_intensities(_patch(), seed)
        return np.random.random(), random.random()  # noqa: NPY002

    assert draw(True) == draw(False)


def test_global_states_are_put_back_after_an_error() -> None:
    random.seed(5)
    state = random.getstate()
    with pytest.raises(TypeError, match=r"ufunc .* did not contain a loop"):
        change_intensities(np.zeros((2, 2), dtype="U1"), 19)
    assert random.getstate() == state


def test_a_patch_of_one_intensity_stays_finite() -> None:
    for seed in range(30):
        assert np.isfinite(change_intensities(np.full((8, 8, 8), 2.0, np.float32), seed)).all()


def test_both_schemes_give_the_same_targets_and_clicks(preprocessed: Path) -> None:
    paper, nnunet = (_samples(preprocessed, scheme) for scheme in ("paper", "nnunet"))
    differ = 0
    for index in range(12):
        one, other = paper[index], nnunet[index]
        assert torch.equal(one.target, other.target)
        assert torch.equal(one.clicks, other.clicks)
        differ += not torch.equal(one.image, other.image)
    assert differ > 6


@pytest.mark.slow
def test_changed_intensities_do_not_depend_on_the_number_of_workers(preprocessed: Path) -> None:
    samples = _samples(preprocessed, "nnunet")
    found = []
    for workers in (0, 2):
        readers = Readers(samples, [[n] for n in range(8)], workers, torch.device("cpu"))
        found.append([sample.image for sample in readers])
        readers.end()
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_recipes_of_earlier_versions_mean_the_papers_augmentation() -> None:
    content = record_to_json(preset("recommended")[1])
    assert content.pop("augmentation") == "paper"
    assert record_from_json(TrainConfig, content, "config.json").augmentation == "paper"


def test_an_unknown_augmentation_is_refused_with_the_known_ones() -> None:
    message = "--augmentation nnunett: unknown; use one of paper, nnunet; did you mean nnunet?"
    with pytest.raises(PlanError) as raised:
        check_names(TrainRequest(augmentation="nnunett"))
    assert str(raised.value) == message
