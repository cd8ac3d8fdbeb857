import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from promise_cli.errors import CheckpointError
from promise_cli.network.promise import ModelConfig, ProMISe, model_config
from promise_cli.network.promise.sam import official_layout
from promise_cli.network.promise.weights import load_encoder_weights

DINOV2 = Path(__file__).resolve().parents[3] / "shared/weights/dinov2_vits14_fp16.safetensors"
needs_dinov2 = pytest.mark.skipif(not DINOV2.is_file(), reason="the shared DINOv2 file is missing")


def build(encoder):
    return ProMISe(ModelConfig(encoder=encoder, patch_size=32))


@pytest.fixture(scope="module")
def sam():
    return build("sam_vit_b")


@pytest.fixture(scope="module")
def dinov2():
    return build("dinov2_s")


def official(encoder="sam_vit_b"):
    """Return the entries of an official file. Each holds a constant of its own, which takes only a few bytes."""
    layout = official_layout(encoder)
    return {name: torch.tensor(float(n)).expand(layout[name]) for n, name in enumerate(layout)}


def save(entries, path):
    torch.save(entries, path)
    return path


def test_the_official_vit_b_layout_has_the_published_counts():
    layout = official_layout("sam_vit_b")
    image = {name: shape for name, shape in layout.items() if name.startswith("image_encoder.")}
    assert sum(shape.numel() for shape in image.values()) == 89_670_912
    needed = {n: s for n, s in image.items() if not n.startswith("image_encoder.neck.")}
    assert sum(shape.numel() for shape in needed.values()) == 88_883_456


def test_every_entry_of_an_official_sam_file_is_used_or_listed_as_unused(sam, tmp_path):
    entries = official()
    loaded = load_encoder_weights(sam, save(entries, tmp_path / "sam.pth"))
    assert set(loaded.used) | set(loaded.unused) == set(entries)
    assert not set(loaded.used) & set(loaded.unused)
    state = sam.image_encoder.state_dict()
    for name in loaded.used:
        assert torch.equal(state[name.removeprefix("image_encoder.")], entries[name])
    ours = {name.removeprefix("image_encoder.") for name in loaded.used}
    frozen = set(sam.image_encoder.pretrained_parameters())
    assert frozen - ours == {f"blocks.{n}.attn.rel_pos_scale" for n in range(12)}
    assert all(name.startswith(("image_encoder.neck", "prompt", "mask")) for name in loaded.unused)


# The network on the meta device holds no values, but it refuses wrong names and shapes.
@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")
@pytest.mark.parametrize(("encoder", "frozen"), [("sam_vit_l", 24), ("sam_vit_h", 32)])
def test_the_larger_official_files_fill_their_encoders(encoder, frozen, tmp_path):
    with torch.device("meta"):
        model = ProMISe(ModelConfig(encoder=encoder))
    loaded = load_encoder_weights(model, save(official(encoder), tmp_path / "sam.pth"))
    ours = {name.removeprefix("image_encoder.") for name in loaded.used}
    pretrained = set(model.image_encoder.pretrained_parameters())
    assert pretrained - ours == {f"blocks.{n}.attn.rel_pos_scale" for n in range(frozen)}
    norms = {
        f"blocks.{n}.norm{k}.{kind}"
        for n in range(frozen)
        for k in (1, 2)
        for kind in ("weight", "bias")
    }
    assert ours - pretrained == norms


def test_depth_positions_start_between_those_of_height_and_width(sam, tmp_path):
    load_encoder_weights(sam, save(official(), tmp_path / "sam.pth"))
    attention = sam.image_encoder.blocks[2].attn
    torch.testing.assert_close(
        attention.rel_pos_d, 0.5 * (attention.rel_pos_h + attention.rel_pos_w)
    )


def test_the_sha256_is_of_the_file(sam, tmp_path):
    path = save(official(), tmp_path / "sam.pth")
    import hashlib

    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_encoder_weights(sam, path).sha256 == expected


def test_an_incomplete_file_is_refused_with_the_missing_names(sam, tmp_path):
    entries = official()
    del entries["image_encoder.blocks.7.attn.rel_pos_w"]
    before = sam.image_encoder.pos_embed.clone()
    with pytest.raises(CheckpointError, match=r"missing: image_encoder.blocks.7.attn.rel_pos_w\)"):
        load_encoder_weights(sam, save(entries, tmp_path / "sam.pth"))
    assert torch.equal(sam.image_encoder.pos_embed, before)


def test_a_file_of_a_larger_sam_is_refused(sam, tmp_path):
    path = save(official("sam_vit_l"), tmp_path / "sam_vit_l.pth")
    with pytest.raises(CheckpointError, match=r"sam_vit_l.pth: .* choose the --encoder"):
        load_encoder_weights(sam, path)


def test_a_file_with_entries_that_no_sam_has_is_refused(sam, tmp_path):
    entries = {**official(), "image_encoder.blocks.0.adapter.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"blocks.0.adapter.weight, which sam_vit_b does not"):
        load_encoder_weights(sam, save(entries, tmp_path / "other.pth"))


def test_a_truncated_file_is_refused(sam, tmp_path):
    path = save({"a": torch.randn(1000)}, tmp_path / "sam.pth")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="truncated or holds pickled code"):
        load_encoder_weights(sam, path)


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path(Hostile.target),))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_pickled_code_is_refused_and_never_run(sam, tmp_path, writer):
    Hostile.target = str(tmp_path / "ran")
    path = tmp_path / "sam.pth"
    if writer == "torch":
        torch.save({"a": Hostile()}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Hostile()}))
    with pytest.raises(CheckpointError, match="truncated or holds pickled code"):
        load_encoder_weights(sam, path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"model": {"a": torch.zeros(1)}}])
def test_a_file_that_is_no_flat_list_of_tensors_is_refused(sam, tmp_path, content):
    with pytest.raises(CheckpointError, match="must contain only named tensors"):
        load_encoder_weights(sam, save(content, tmp_path / "sam.pth"))


def test_a_missing_file_is_refused(sam, tmp_path):
    with pytest.raises(CheckpointError, match=r"sam\.pth: no such file$"):
        load_encoder_weights(sam, tmp_path / "sam.pth")


def test_the_tiny_encoder_takes_no_weights(tmp_path):
    path = save(official(), tmp_path / "sam.pth")
    with pytest.raises(CheckpointError, match="the tiny encoder has no pretrained weights; use"):
        load_encoder_weights(ProMISe(model_config("tiny")), path)


@needs_dinov2
def test_every_dinov2_entry_is_used_or_listed_as_unused(dinov2):
    loaded = load_encoder_weights(dinov2, DINOV2)
    assert set(loaded.unused) == {"cls_token", "norm.weight", "norm.bias"}
    assert set(loaded.used) | set(loaded.unused) == set(load_file(DINOV2))


@needs_dinov2
def test_layer_scales_are_folded_into_the_layers_before_them(dinov2):
    load_encoder_weights(dinov2, DINOV2)
    entries = {name: tensor.float() for name, tensor in load_file(DINOV2).items()}
    block = dinov2.image_encoder.blocks[3]
    tokens = torch.randn(2, 384)
    for scale, layer, name in (
        ("ls1", block.attn.proj, "attn.proj"),
        ("ls2", block.mlp.lin2, "mlp.fc2"),
    ):
        given = tokens if name == "attn.proj" else torch.randn(2, 1536)
        weight, bias = (entries[f"blocks.3.{name}.{kind}"] for kind in ("weight", "bias"))
        plain = entries[f"blocks.3.{scale}.gamma"] * (given @ weight.T + bias)
        torch.testing.assert_close(layer(given), plain, rtol=1e-4, atol=1e-5)


@needs_dinov2
def test_a_dinov2_file_is_no_sam_file_and_the_other_way_round(sam, dinov2, tmp_path):
    with pytest.raises(CheckpointError, match=r"not a complete file of sam_vit_b \(missing: "):
        load_encoder_weights(sam, DINOV2)
    with pytest.raises(CheckpointError, match=r"not a complete file of dinov2_s \(missing: "):
        load_encoder_weights(dinov2, save(official(), tmp_path / "sam.pth"))


def test_a_truncated_safetensors_file_is_refused(dinov2, tmp_path):
    path = tmp_path / "dinov2.safetensors"
    save_file({"a": torch.randn(1000)}, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CheckpointError, match=r"dinov2\.safetensors: damaged \(Error while"):
        load_encoder_weights(dinov2, path)


@pytest.mark.parametrize(
    ("tensor", "what"),
    [(torch.tensor(float("nan")), "nan"), (torch.tensor(3, dtype=torch.int8), "int8")],
)
def test_weights_that_are_nan_or_integers_are_refused(sam, tmp_path, tensor, what):
    entries = official()
    name = "image_encoder.blocks.3.attn.qkv.weight"
    entries[name] = tensor.expand(entries[name].shape)
    path = save(entries, tmp_path / f"{what}.pth")
    with pytest.raises(CheckpointError, match=f"{name} has values that are not finite"):
        load_encoder_weights(sam, path)


@needs_dinov2
def test_a_dinov2_file_with_registers_is_refused(dinov2, tmp_path):
    entries = load_file(DINOV2) | {"register_tokens": torch.zeros(1, 4, 384)}
    path = tmp_path / "dinov2.safetensors"
    save_file(entries, path)
    with pytest.raises(CheckpointError, match="DINOv2 with registers, which is another network"):
        load_encoder_weights(dinov2, path)


@needs_dinov2
def test_a_safetensors_file_is_recognised_by_its_content(dinov2, tmp_path):
    path = tmp_path / "dinov2_vits14.pth"
    path.write_bytes(DINOV2.read_bytes())
    assert load_encoder_weights(dinov2, path).used


def test_a_folder_instead_of_a_file_of_weights_is_refused(sam, tmp_path):
    with pytest.raises(CheckpointError, match="is a folder; give the file of weights in it"):
        load_encoder_weights(sam, tmp_path)
