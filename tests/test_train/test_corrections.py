"""Further clicks of a training sample lie where the answer to its clicks so far is wrong."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from promise_cli.dataset.plan import Plan
from promise_cli.disk.records import load_record
from promise_cli.errors import PlanError
from promise_cli.session.predictor import Predictor
from promise_cli.train import run
from promise_cli.train.corrections import click_on_errors, draw_turns
from promise_cli.train.samples import Sample
from promise_cli.train.sizes import choose_network
from promise_cli.train.train_request import TrainRequest
from tests.standins import StandIn
from tests.test_train.test_leaving import _train, _workspace

TARGET = torch.zeros(1, 16, 16, 16)
TARGET[:, 2:7, 2:7, 2:7] = 1
TARGET[:, 10:13, 10:13, 10:13] = 1


def _sample(*targets: Tensor) -> Sample:
    return Sample(
        torch.zeros(len(targets), 1, 16, 16, 16),
        torch.stack(targets),
        torch.full((len(targets), 1, 3), 4.0),
        torch.ones(len(targets), 1, dtype=torch.long),
        tuple(f"case_{number}" for number in range(len(targets))),
    )


class CubeRoundEachClick(StandIn):
    """Marks what a click reaches in two voxels; a background click takes its cube out again."""

    def forward(self, image: Tensor, clicks: Tensor, labels: Tensor) -> Tensor:
        logits = torch.zeros(len(image), 2, *image.shape[2:])
        logits[:, 0] = 1
        for row, (places, kinds) in enumerate(zip(clicks.long(), labels, strict=True)):
            for (i, j, k), kind in zip(places.tolist(), kinds.tolist(), strict=True):
                if kind >= 0:
                    cube = tuple(slice(max(0, at - 2), at + 3) for at in (i, j, k))
                    logits[(row, 1, *cube)] = 2.0 * kind
        return logits


def _corrected(sample: Sample, most: int = 9, epoch: int = 0) -> Sample:
    network = CubeRoundEachClick()
    state = network.encode(sample.image)
    first = network.decode(state, sample.clicks, sample.signs)
    turns = draw_turns(sample, most, seed=3, epoch=epoch)
    return click_on_errors(network.decode, state, sample, first, turns)


def test_what_is_missed_gets_a_foreground_click_and_what_is_added_a_background_one() -> None:
    found = _corrected(_sample(TARGET))
    given = [
        (place, kind)
        for place, kind in zip(found.clicks[0].tolist(), found.signs[0].tolist(), strict=True)
        if kind >= 0
    ]
    assert given[:2] == [([4.0, 4.0, 4.0], 1), ([11.0, 11.0, 11.0], 1)]
    place, kind = given[2]  # the second cube is too large by a voxel on each side
    assert kind == 0
    assert not TARGET[(0, *map(int, place))]
    assert 9 <= min(place) <= max(place) <= 13


def test_a_right_answer_gets_padding_and_the_first_clicks_stay() -> None:
    small = torch.zeros(1, 16, 16, 16)
    small[:, 2:7, 2:7, 2:7] = 1
    found = _corrected(_sample(small, TARGET))
    assert found.clicks[:, 0].tolist() == [[4.0] * 3] * 2
    assert (found.signs[0, 1:] == -1).all()
    assert (found.signs[1, 1] == 1).all()
    assert found.clicks.shape[1] == found.signs.shape[1] > 2


def test_how_many_there_are_is_drawn_by_case_and_epoch_from_none_to_the_most() -> None:
    seen = {_corrected(_sample(TARGET), 2, epoch).clicks.shape[1] for epoch in range(20)}
    assert seen == {1, 2, 3}
    one, again = (_corrected(_sample(TARGET)) for _ in range(2))
    torch.testing.assert_close(one.clicks, again.clicks)


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
        root = _workspace(preprocessed, tmp_path / str(number))
        folder = _train(root, epochs=1, fields=fields)
        known[number] = Predictor.load(folder / run.LAST, "cpu").knows_background
    assert known == {0: False, 2: True}


def test_a_network_without_clicks_has_nothing_to_correct(preprocessed: Path) -> None:
    plan = load_record(Plan, preprocessed / "preprocessed" / "Task98_Balls" / "plans.json")
    with pytest.raises(PlanError, match="--set corrections=2: dynunet takes no clicks; leave it"):
        choose_network(TrainRequest(network="dynunet", fields=("corrections=2",)), plan, None)
