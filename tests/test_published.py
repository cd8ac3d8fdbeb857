"""The authors' checkpoints contain no plan, so it is derived from the file's name."""

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
def test_the_files_name_decides_dataset_and_normalisation(
    name: str, dataset: str, target: int, low: float, high: float
) -> None:
    plan = published_plan(Path(name))
    assert (plan.dataset, plan.target_label) == (dataset, target)
    assert (plan.normalisation.low, plan.normalisation.high) == (low, high)
    assert (plan.orientation, plan.spacing, plan.patch_size) == ("as_stored", (1.0, 1.0, 1.0), 128)


@pytest.mark.parametrize("name", ["best.pth", "colon_and_pancreas.pth"])
def test_a_name_without_a_known_dataset_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match="its name contains either colon or pancreas"):
        published_plan(Path(name))


@pytest.mark.skipif(not PARITY.is_dir(), reason="the shared parity data are missing")
def test_the_authors_checkpoint_loads_as_any_other(tmp_path: Path) -> None:
    path = save(checkpoint(light), tmp_path)
    loaded = load_checkpoint(path)
    assert (loaded.preset, loaded.plan.dataset) == ("reference", "Task10_Colon")
    assert build_model(loaded, path).config.adapter2_residual == "double"


@pytest.mark.skipif(not PARITY.is_dir(), reason="the shared parity data are missing")
def test_the_authors_checkpoint_is_used_in_fp32_unless_asked_otherwise(tmp_path: Path) -> None:
    path = save(checkpoint(light), tmp_path)
    predictor = Predictor.load(path, "cpu")
    assert (predictor.precision, predictor.presets) == ("fp32", ("reference",))
    assert Predictor.load(path, "cpu", "bf16").precision == "bf16"
