"""Validation clicks as a user does: once, and then corrections if the recipe trains with them."""

from types import SimpleNamespace

import pytest
import torch

from promise_cli.errors import DatasetError
from promise_cli.train.group import Group
from promise_cli.train.step import validate
from tests.test_train.cubes import TARGET, CubeRoundEachClick, batch_of

FIRST, BOTH = 2 * 125 / (125 + 152), 2 * 152 / (250 + 152)
"""Dice of one marked cube of 5^3 voxels, and of two, where the target's parts have 5^3 and 3^3 voxels."""


def _training(corrections: int, model: torch.nn.Module) -> SimpleNamespace:
    sample = batch_of(TARGET)
    one = SimpleNamespace(
        **{name: getattr(sample, name)[0] for name in ("image", "target", "clicks", "signs")}
    )
    one.case_ids = sample.case_ids
    run = SimpleNamespace(
        model=model,
        config=SimpleNamespace(corrections=corrections),
        device=torch.device("cpu"),
        precision="fp32",
        seed=0,
        epoch=0,
        step=1,
        folder="run",
        is_saved=False,
        plan=SimpleNamespace(objects=()),
    )
    stop = SimpleNamespace(reason=None)
    return SimpleNamespace(run=run, group=Group(), fixed=[one, one], stop=stop)


def test_without_corrections_there_is_one_dice() -> None:
    assert validate(_training(0, CubeRoundEachClick())) == (pytest.approx(FIRST), None)


def test_each_correction_is_clicked_before_the_second_dice() -> None:
    network = CubeRoundEachClick()
    assert validate(_training(1, network)) == (pytest.approx(FIRST), pytest.approx(BOTH))
    assert network.encoded == 2  # each of the two patches once
    first, corrected = validate(_training(3, CubeRoundEachClick()))
    assert first == pytest.approx(FIRST)
    assert corrected != pytest.approx(
        BOTH
    )  # background clicks remove voxels around the second part


def test_an_answer_to_a_correction_that_is_not_finite_is_an_error() -> None:
    class Broken(CubeRoundEachClick):
        def forward(self, image, clicks, signs):
            logits = super().forward(image, clicks, signs)
            return logits / 0 if clicks.shape[1] > 1 else logits

    with pytest.raises(
        DatasetError, match="not finite in validation in epoch 1, step 2, case case_0"
    ):
        validate(_training(1, Broken()))
