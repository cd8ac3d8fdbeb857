import dataclasses
import subprocess
import sys

import pytest

from promise_cli.disk.records import record_from_json, record_to_json
from promise_cli.errors import PlanError
from promise_cli.network.promise.config import ENCODERS, PRESETS, ModelConfig, model_config


def test_the_presets_are_the_papers_rows_and_ours():
    assert set(PRESETS) == {
        "recommended",
        "paper",
        "reference",
        "baseline-3dsam",
        "two-adapters",
        "up-conv",
        "promise-r",
        "promise-r-b",
        "promise-c",
        "promise-c-b",
        "tiny",
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_a_configuration_is_read_back_from_json_unchanged(preset):
    config = model_config(preset)
    assert record_from_json(ModelConfig, record_to_json(config), "here") == config


def test_a_configuration_without_the_later_fields_is_the_papers_network():
    content = record_to_json(model_config("paper"))
    for name in (
        "click_map",
        "click_map_in_head",
        "slice_embedding",
        "neck_norm",
    ):
        del content[name]
    assert record_from_json(ModelConfig, content, "here") == model_config("paper")


def changed(preset, start="paper"):
    old, new = (dataclasses.asdict(model_config(name)) for name in (start, preset))
    return {name: new[name] for name in new if new[name] != old[name]}


def test_presets_change_exactly_the_fields_of_their_row_in_the_paper():
    assert model_config("paper") == ModelConfig()
    assert changed("reference") == {
        "adapter2_residual": "double",
        "depth_position": "ones",
        "token_attention": "idle",
    }
    assert changed("recommended") == {
        "click_map": True,
        "click_map_in_head": True,
        "slice_embedding": "average",
        "neck_norm": "patch",
    }
    assert changed("baseline-3dsam", "two-adapters") == {"adapters": 1}
    assert changed("two-adapters", "up-conv") == {"upsampling": "trilinear"}
    assert changed("up-conv") == {"fusion": "none"}
    assert changed("promise-r") == {"fusion": "residual"}
    assert changed("promise-c") == {}
    for row in ("promise-r", "promise-c"):
        assert model_config(f"{row}-b") == model_config(row)  # B is the boundary loss


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(ValueError, match="no preset 'papre'; use one of recommended, paper"):
        model_config("papre")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patch_size", 126),
        ("patch_size", 0),
        ("window_size", 7),
        ("window_size", 0),
        ("feature_width", 250),
        ("decoder_width", 0),
        ("adapters", 3),
        ("encoder", "sam_vit_x"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_field(field, value):
    with pytest.raises(PlanError, match=field):
        record_from_json(ModelConfig, {field: value}, "config.json")


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_divides_into_heads_and_levels(name):
    shape = ENCODERS[name]
    assert shape.width % shape.num_heads == 0
    assert shape.depth % 4 == 0


def test_the_configuration_needs_no_torch():
    code = "import sys, promise_cli.network.promise.config, promise_cli.network.recipe;"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_network_never_imports_torchvision():
    code = "import sys; from promise_cli.network.promise import ProMISe, model_config;"
    code += "import promise_cli.network.promise.reference as r; ProMISe(model_config('tiny'));"
    code += (
        "from promise_cli.network.promise.sam import official_layout; official_layout('sam_vit_b');"
    )
    code += "assert 'torchvision' not in sys.modules and 'segment_anything' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
