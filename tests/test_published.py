"""The authors' checkpoints bring no plan: it is told from the file's name."""

from pathlib import Path

import pytest

from promise_cli.errors import CheckpointError
from promise_cli.network.authors import published_plan
from promise_cli.network.checkpoint import build_model, load_checkpoint
from promise_cli.session.predictor import Predictor
from tests.test_model.authors_layout import PARITY, checkpoint
from tests.test_model.test_reference import light, save


@pytest.mark.parametrize(
    ("name", "dataset", "target", "low", "high"),
    [
        ("colon_pretrain_promise.pth", "Task10_Colon", 1, -57, 175),
        ("Pancreas_promise.pth", "Task07_Pancreas", 2, -39, 204),
    ],
)
def test_the_name_tells_dataset_and_constants(
    name: str, dataset: str, target: int, low: float, high: float
) -> None:
    plan = published_plan(Path(name))
    assert (plan.dataset, plan.target_label) == (dataset, target)
    assert (plan.normalisation.low, plan.normalisation.high) == (low, high)
    assert (plan.orientation, plan.spacing, plan.patch_size) == ("as_stored", (1.0, 1.0, 1.0), 128)


@pytest.mark.parametrize("name", ["best.pth", "colon_and_pancreas.pth"])
def test_a_name_that_does_not_tell_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match="its name contains either colon or pancreas"):
        published_plan(Path(name))


@pytest.mark.skipif(not PARITY.is_dir(), reason="the shared parity data are absent")
def test_the_authors_checkpoint_loads_as_any_other(tmp_path: Path) -> None:
    path = save(checkpoint(light), tmp_path)
    loaded = load_checkpoint(path)
    assert (loaded.preset, loaded.plan.dataset) == ("reference", "Task10_Colon")
    assert build_model(loaded, path).config.adapter2_residual == "double"


@pytest.mark.skipif(not PARITY.is_dir(), reason="the shared parity data are absent")
def test_the_authors_checkpoint_is_used_in_full_precision_unless_asked(tmp_path: Path) -> None:
    path = save(checkpoint(light), tmp_path)
    predictor = Predictor.load(path, "cpu")
    assert (predictor.precision, predictor.presets) == ("fp32", ("reference",))
    assert Predictor.load(path, "cpu", "bf16").precision == "bf16"
