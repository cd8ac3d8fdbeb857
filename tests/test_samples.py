"""Samples never repeat a draw and do not depend on workers, and the signs of their clicks are correct."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from promise_cli.dataset.case import load_case
from promise_cli.network.augmentation import AugmentConfig
from promise_cli.network.recipe import TrainConfig
from promise_cli.train.samples import Sample, TrainingSamples, ValidationSamples, collate

IDS = tuple(f"ball_{number:03d}" for number in range(1, 7))
PLAIN = AugmentConfig(
    flip_chance=0, rotate_chance=0, quarter_turn_chance=0, zoom_chance=0, shift_chance=0
)


def _samples(root: Path, **changes: object) -> TrainingSamples:
    config = dataclasses.replace(TrainConfig(), **changes)
    cases = root / "preprocessed" / "Task98_Balls" / "cases"
    return TrainingSamples(cases, IDS, 16, config, seed=1, shift_scale=30.0)


def _equal(one: Sample, other: Sample) -> bool:
    names = ("image", "target", "clicks", "signs")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_sample_depends_on_seed_and_index_alone(preprocessed: Path) -> None:
    first, second = _samples(preprocessed), _samples(preprocessed)
    second[5]
    assert _equal(first[17], second[17])
    second.seed = 2
    assert not _equal(first[17], second[17])


def test_no_two_samples_of_two_epochs_share_a_draw(preprocessed: Path) -> None:
    samples = _samples(preprocessed, patches_per_case=10)
    drawn = [samples[index] for index in samples.order(0) + samples.order(1)]
    assert len({sample.clicks.numpy().tobytes() for sample in drawn}) == len(drawn) == 120


@pytest.mark.slow
def test_a_thousand_samples_of_one_epoch_show_no_repeated_draw(preprocessed: Path) -> None:
    samples = _samples(preprocessed, patches_per_case=170)
    order = samples.order(0)[:1000]
    drawn = [samples[index] for index in order]
    assert len({sample.clicks.numpy().tobytes() for sample in drawn}) == 1000


def test_an_epoch_holds_every_case_equally_often_in_an_order_of_its_own(preprocessed: Path) -> None:
    samples = _samples(preprocessed, patches_per_case=3)
    for epoch in (0, 1):
        order = samples.order(epoch)
        assert sorted(order) == list(range(18 * epoch, 18 * epoch + 18))
        assert sorted(samples[index].case_ids[0] for index in order) == sorted(IDS * 3)
    assert samples.order(0) != sorted(samples.order(0))
    assert samples.order(0) != [index - 18 for index in samples.order(1)]


def test_shapes_and_types_are_what_the_network_takes(preprocessed: Path) -> None:
    batch = collate([_samples(preprocessed)[0], _samples(preprocessed)[1]])
    assert batch.image.shape == batch.target.shape == (2, 1, 16, 16, 16)
    assert batch.clicks.shape == (2, 20, 3)
    assert batch.signs.shape == (2, 20)
    assert (batch.image.dtype, batch.signs.dtype) == (torch.float32, torch.int64)
    assert len(batch.case_ids) == 2


def test_the_signs_of_clicks_agree_with_the_augmented_target(preprocessed: Path) -> None:
    samples = _samples(preprocessed, foreground_share=1.0)
    for index in range(12):
        sample = samples[index]
        i, j, k = sample.clicks.long().T
        hit = sample.target[0, i, j, k]
        assert torch.equal(hit[sample.signs == 1], torch.ones(10))
        assert torch.equal(hit[sample.signs == 0], torch.zeros(10))


def test_the_centre_is_foreground_in_half_of_the_patches(preprocessed: Path) -> None:
    samples = _samples(preprocessed, augment=PLAIN, patches_per_case=100)
    centres = [float(samples[index].target[0, 8, 8, 8]) for index in range(600)]
    assert 0.44 < np.mean(centres) < 0.56


def test_the_number_of_clicks_varies_if_the_recipe_says_so(preprocessed: Path) -> None:
    samples = _samples(
        preprocessed, foreground_share=1.0, vary_clicks=True, num_background_clicks=0
    )
    counts = {int((samples[index].signs == 1).sum()) for index in range(120)}
    assert counts == set(range(1, 11))


def test_validation_is_fixed_and_centred_on_its_click(preprocessed: Path) -> None:
    cases = preprocessed / "preprocessed" / "Task98_Balls" / "cases"
    fixed = ValidationSamples(cases, IDS[:2], 16, per_case=3, seed=0)
    assert len(fixed) == 6
    for index in range(6):
        sample = fixed[index]
        assert _equal(sample, fixed[index])
        assert sample.clicks.tolist() == [[8, 8, 8]]
        assert sample.signs.tolist() == [1]
        assert sample.target[0, 8, 8, 8] == 1
    assert len({fixed[index].image.numpy().tobytes() for index in range(6)}) == 6


def test_a_loaded_case_is_normalised_and_has_its_foreground_voxels(preprocessed: Path) -> None:
    case = load_case(preprocessed / "preprocessed" / "Task98_Balls" / "cases", "ball_001")
    assert (case.image.dtype, case.target.dtype) == (np.float16, np.uint8)
    assert isinstance(case.image, np.memmap)
    np.testing.assert_array_equal(np.flatnonzero(case.target), case.foreground)
    inside = case.image[case.target == 1].astype(np.float32)
    assert abs(inside.mean()) < 1  # the target's intensities are z-scored


def test_jitter_moves_the_chosen_voxel_off_the_centre(preprocessed: Path) -> None:
    samples = _samples(
        preprocessed, augment=PLAIN, foreground_share=1.0, centre_jitter=0.45, patches_per_case=30
    )
    centres = [float(samples[index].target[0, 8, 8, 8]) for index in range(180)]
    assert 0.05 < np.mean(centres) < 0.95


def test_background_clicks_fall_anywhere_if_the_recipe_says_so(preprocessed: Path) -> None:
    anywhere = _samples(
        preprocessed, background_clicks="anywhere", foreground_share=1.0, num_background_clicks=40
    )
    hits = 0.0
    for index in range(12):
        sample = anywhere[index]
        i, j, k = sample.clicks[sample.signs == 0].long().T
        hits += float(sample.target[0, i, j, k].sum())
    assert hits > 0


def test_clicks_repeat_if_the_recipe_says_so(preprocessed: Path) -> None:
    counts = {}
    for repeat in (False, True):
        samples = _samples(
            preprocessed, repeat_clicks=repeat, foreground_share=1.0, num_foreground_clicks=300
        )
        sample = samples[0]
        places = sample.clicks[sample.signs == 1]
        counts[repeat] = (len(places), len(places.unique(dim=0)))
    assert counts[False] == (300, 300)
    assert counts[True][1] < counts[True][0] == 300


def test_validation_draws_further_clicks_from_the_target_if_asked(preprocessed: Path) -> None:
    cases = preprocessed / "preprocessed" / "Task98_Balls" / "cases"
    one = ValidationSamples(cases, IDS, 16, per_case=1, seed=0)[2]
    ten = ValidationSamples(cases, IDS, 16, per_case=1, seed=0, num_clicks=10)[2]
    assert torch.equal(one.image, ten.image)
    assert torch.equal(one.clicks[0], ten.clicks[0])
    i, j, k = ten.clicks.long().T
    assert ten.target[0, i, j, k].tolist() == [1.0] * 10
    assert ten.signs.tolist() == [1] * 10


def test_varied_clicks_are_one_to_ten_foreground_and_none_to_ten_background(
    preprocessed: Path,
) -> None:
    samples = _samples(
        preprocessed, vary_clicks=True, vary_background_clicks=True, patches_per_case=50
    )
    found: dict[int, set[int]] = {1: set(), 0: set()}
    for index in samples.order(0):
        sample = samples[index]
        assert sample.signs.shape == (20,)
        if sample.target.any():
            for label, counts in found.items():
                counts.add(int((sample.signs == label).sum()))
    assert found == {1: set(range(1, 11)), 0: set(range(11))}
