"""At the end of training, a network that does not respond to clicks gives a warning that says what to do."""

from types import SimpleNamespace

import pytest

from promise_cli.network.plain_config import PlainConfig
from promise_cli.network.promise import ModelConfig
from promise_cli.train.outcome import warn_of_unused_clicks

DEAF = (
    "run: validation Dice 0.826, after 3 corrections 0.827: the network does not respond to its clicks yet; train"
    " longer (--resume with more --epochs)"
)
MAPS = ", or start anew with --set click_map_in_head=true"


def _told(capsys, model, before, after) -> str:
    run = SimpleNamespace(
        folder="run",
        config=SimpleNamespace(corrections=3),
        model=SimpleNamespace(config=model),
        log=[SimpleNamespace(validation_dice=before, corrected_dice=after)],
    )
    warn_of_unused_clicks(run)
    return " ".join(capsys.readouterr().err.split())


def test_the_advice_depends_on_the_networks_click_maps(capsys: pytest.CaptureFixture) -> None:
    with_maps = ModelConfig(click_map=True, click_map_in_head=True)
    assert _told(capsys, ModelConfig(click_map=True), 0.826, 0.827) == f"warning: {DEAF}{MAPS}"
    without = MAPS.replace("with ", "with --set click_map=true ")
    assert _told(capsys, ModelConfig(), 0.826, 0.827) == f"warning: {DEAF}{without}"
    for model in (with_maps, PlainConfig(patch_size=48)):
        assert _told(capsys, model, 0.826, 0.827) == f"warning: {DEAF}"


@pytest.mark.parametrize(
    ("before", "after"), [(0.75, 0.83), (0.96, 0.96), (0.75, None), (None, None)]
)
def test_no_warning_where_clicks_help_or_little_is_wrong_or_nothing_was_measured(
    capsys: pytest.CaptureFixture, before: float | None, after: float | None
) -> None:
    assert _told(capsys, ModelConfig(click_map=True), before, after) == ""
