"""Presets are the paper's recipe and named variants of it."""

import dataclasses

import pytest

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import PlanError
from promise_cli.network.promise.config import PRESETS
from promise_cli.network.recipe import TrainConfig, plain_preset, preset


def test_the_learning_rate_falls_by_2e_6_an_epoch_to_zero_at_200() -> None:
    config = TrainConfig()
    assert config.learning_rate_at(0) == 4e-4
    assert config.learning_rate_at(1) == pytest.approx(4e-4 - 2e-6)
    assert config.learning_rate_at(199) == pytest.approx(2e-6)
    assert config.learning_rate_at(200) == pytest.approx(0)


def test_the_authors_learning_rate_ends_at_2_42e_4() -> None:
    config = preset("reference")[1]
    assert config.learning_rate_at(199) == pytest.approx(4e-4 * (1 - 0.99 * 199 / 500))


def test_fewer_epochs_fall_faster_to_zero() -> None:
    config = dataclasses.replace(TrainConfig(), epochs=10)
    assert config.learning_rate_at(5) == pytest.approx(2e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_read_back_from_json_unchanged(name: str) -> None:
    _, config = preset(name)
    assert record_from_json(TrainConfig, record_to_json(config), name) == config


def test_the_boundary_loss_is_in_the_rows_that_end_in_b() -> None:
    weights = {name: preset(name)[1].loss.boundary_weight for name in PRESETS}
    without = {"baseline-3dsam", "two-adapters", "up-conv", "promise-r", "promise-c"}
    assert {name for name, weight in weights.items() if weight == 0} == without
    assert {weight for name, weight in weights.items() if name not in without} == {10.0}


def test_recommended_is_a_target_near_the_middle_one_click_and_corrections() -> None:
    clicks = {"num_foreground_clicks": 1, "num_background_clicks": 0, "corrections": 3}
    clicks["first_answer_weight"] = 0.5
    changed = {"foreground_share": 1.0, "centre_jitter": 0.1, "predict_with": "final", **clicks}
    assert preset("recommended")[1] == dataclasses.replace(TrainConfig(), **changed)


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        PlanError,
        match="--preset huge: unknown; use one of recommended, paper, tiny, reference, baseline-3dsam",
    ):
        preset("huge")


@pytest.mark.parametrize("change", [
    {"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")},
    {"weight_decay": float("inf")}, {"gradient_clip": float("nan")},
])  # fmt: skip
def test_impossible_numbers_are_refused_with_their_field(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        TrainConfig(**change)


@pytest.mark.parametrize("clicks", [False, True])
@pytest.mark.parametrize(("name", "batch_size"), [("paper", 1), ("tiny", 2)])
def test_other_networks_train_like_promise_except_for_loss_batch_clicks_and_epoch(
    name: str, batch_size: int, clicks: bool
) -> None:
    own = preset(name)[1]
    expected = dataclasses.replace(
        own,
        loss=dataclasses.replace(own.loss, boundary_weight=0.0),
        batch_size=batch_size,
        vary_clicks=clicks,
        vary_background_clicks=clicks,
        predict_with="final",
    )
    assert own.loss.boundary_weight == 10
    assert plain_preset(name, "dynunet", clicks=clicks) == expected
