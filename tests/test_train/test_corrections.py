"""Correcting clicks of a training sample lie where the network's answer to the clicks before is wrong."""

from pathlib import Path

import pytest
import torch

from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.errors import PlanError
from promise_cli.session.predictor import Predictor
from promise_cli.train import run
from promise_cli.train.corrections import click_on_errors, draw_turns
from promise_cli.train.samples import Sample
from promise_cli.train.sizes import choose_network
from promise_cli.train.train_request import TrainRequest
from tests.test_train.cubes import TARGET, CubeRoundEachClick, batch_of
from tests.test_train.runs import copy_workspace, train_balls


def _corrected(sample: Sample, most: int = 9, epoch: int = 0) -> Sample:
    network = CubeRoundEachClick()
    state = network.encode(sample.image)
    first = network.decode(state, sample.clicks, sample.signs)
    turns = draw_turns(sample, most, seed=3, epoch=epoch)
    return click_on_errors(network.decode, state, sample, first, turns)


def test_a_missed_part_gets_a_foreground_click_and_an_added_one_a_background_click() -> None:
    found = _corrected(batch_of(TARGET))
    given = [
        (place, kind)
        for place, kind in zip(found.clicks[0].tolist(), found.signs[0].tolist(), strict=True)
        if kind >= 0
    ]
    assert given[:2] == [([4.0, 4.0, 4.0], 1), ([11.0, 11.0, 11.0], 1)]
    place, kind = given[2]  # the answer is one voxel too large on each side of the second cube
    assert kind == 0
    assert not TARGET[(0, *map(int, place))]
    assert 9 <= min(place) <= max(place) <= 13


def test_a_right_answer_gets_padding_and_the_first_clicks_stay() -> None:
    small = torch.zeros(1, 16, 16, 16)
    small[:, 2:7, 2:7, 2:7] = 1
    found = _corrected(batch_of(small, TARGET))
    assert found.clicks[:, 0].tolist() == [[4.0] * 3] * 2
    assert (found.signs[0, 1:] == -1).all()
    assert (found.signs[1, 1] == 1).all()
    assert found.clicks.shape[1] == found.signs.shape[1] > 2


def test_the_number_of_corrections_is_drawn_by_case_and_epoch() -> None:
    seen = {_corrected(batch_of(TARGET), 2, epoch).clicks.shape[1] for epoch in range(20)}
    assert seen == {1, 2, 3}
    one, again = (_corrected(batch_of(TARGET)) for _ in range(2))
    torch.testing.assert_close(one.clicks, again.clicks)


@pytest.mark.slow
def test_a_training_with_corrections_knows_background_clicks(
    preprocessed: Path, tmp_path: Path
) -> None:
    known = {}
    for number in (0, 2):
        fields = (
            f"corrections={number}",
            "num_background_clicks=0",
            "vary_background_clicks=false",
        )
        root = copy_workspace(preprocessed, tmp_path / str(number))
        folder = train_balls(root, epochs=1, fields=fields)
        known[number] = Predictor.load(folder / run.LAST, "cpu").knows_background
    assert known == {0: False, 2: True}


def test_a_network_without_clicks_has_nothing_to_correct(preprocessed: Path) -> None:
    plan = load_record(Plan, preprocessed / "preprocessed" / "Task98_Balls" / "plans.json")
    with pytest.raises(PlanError, match="--set corrections=2: dynunet takes no clicks; leave it"):
        choose_network(TrainRequest(network="dynunet", fields=("corrections=2",)), plan, None)
