"""Which trainings are compared, on which data, with which budget."""

from dataclasses import dataclass

PROMISE = "promise"
"""The row of the network itself."""

SMALL_HEADS = (
    "window_size=6",  # a patch of 48^3 has 12 tokens an edge, which windows of 8 would pad to 16
    "adapter_width=96",
    "feature_width=64",
    "prompt_mlp_width=512",
    "decoder_width=32",
)
"""All that is not the pretrained transformer at a quarter of the paper's width, so that two CPU cores can train it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training."""

    name: str
    what: str
    """In the table."""
    options: tuple[str, ...]
    """Of promise-train, beyond the matrix's own."""
    pretrained: bool = False
    """Start from the file of weights that the call names."""
    clicks: bool = True
    """Whether the network takes clicks."""

    @property
    def network(self) -> str | None:
        """Which one the options name; None for ProMISe."""
        if "--network" not in self.options:
            return None
        return self.options[self.options.index("--network") + 1]


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Rows that share data, plan and budget."""

    name: str
    dataset: str
    preprocess: tuple[str, ...]
    """Options of promise-preprocess."""
    plan: dict[str, object]
    """Fields of plans.json that are set by hand."""
    train: tuple[str, ...]
    """Options of promise-train that all rows share: the budget."""
    rows: tuple[Row, ...]
    reference: str = PROMISE
    """The row that all others are tested against; the first."""
    tolerances_mm: tuple[float, ...] = (5.0,)
    """Of NSD."""
    studied: tuple[str, ...] = ()
    """Rows whose clicks are varied in number, place and seed."""
    click_seed: int = 0


def _promise(name: str, what: str, *options: str, pretrained: bool = True) -> Row:
    sets = tuple(part for field in SMALL_HEADS for part in ("--set", field))
    if "--preset" not in options:
        sets = ("--preset", "paper", *sets)
    return Row(
        name=name,
        what=what,
        options=("--encoder", "dinov2_s", *sets, *options),
        pretrained=pretrained,
    )


_PROMISE = _promise(PROMISE, "ProMISe, DINOv2 ViT-S pretrained")
_SCRATCH = _promise("promise_scratch", "the same from random weights", pretrained=False)
_DYNUNET = (
    Row(
        name="dynunet",
        what="dynunet, without clicks",
        options=("--network", "dynunet"),
        clicks=False,
    ),
    Row(
        name="dynunet_clicks",
        what="dynunet, clicks as channels",
        options=("--network", "dynunet", "--clicks-as-channel"),
    ),
)
_VARIED = ("--set", "vary_clicks=true", "--set", "vary_background_clicks=true")
_CLICK_MAP = _promise(
    "promise_click_map",
    "ProMISe with maps of the clicks, their number varied",
    *("--set", "click_map=true"),
    *_VARIED,
)
_FREE = _promise(
    "promise_free",
    "the same, with adapters of either sign that start at zero",
    *("--set", "click_map=true", "--set", "adapter_update=free"),
    *_VARIED,
)
_CENTRE_EACH = ("--set", "foreground_share=1")
_CENTRED = _promise("promise_centred", "ProMISe, every patch centred on the target", *_CENTRE_EACH)
_ONE = (*_CENTRE_EACH, "--set", "num_foreground_clicks=1", "--set", "num_background_clicks=0")
_AS_AT_TEST = (
    _promise(
        "promise_one_click",
        "with maps, trained as it is tested: patches centred on the target, one click each",
        *("--set", "click_map=true"),
        *_ONE,
    ),
    Row(
        name="dynunet_one_click",
        what="dynunet with clicks, trained as it is tested",
        options=("--network", "dynunet", "--clicks-as-channel", *_ONE),
    ),
)
_IN_USE = (
    *("--set", "click_map=true", "--set", "slice_embedding=average", "--set", "neck_norm=patch"),
)
"""What keeps the pretrained transformer in use (docs/results.md), with maps of the clicks."""
_BLIND = ("--set", "slice_embedding=random", "--set", "neck_norm=channels")
"""As in the paper's design, where the preset has it otherwise."""
_MENDED = (
    _promise(
        "promise_in_use",
        "ProMISe with maps of the clicks and an encoder that stays in use, trained as it is tested",
        *_IN_USE,
        *_ONE,
    ),
    _promise(
        "promise_in_use_varied",
        "the same, trained with patches on and off the target and varied numbers of clicks",
        *_IN_USE,
        *_VARIED,
    ),
    _promise(
        "promise_in_use_centred",
        "the same, patches centred on the target, varied numbers of clicks on and off it",
        *_IN_USE,
        *_CENTRE_EACH,
        *_VARIED,
    ),
    _promise(
        "promise_in_use_scratch",
        "trained as it is tested, from random weights",
        *_IN_USE,
        *_ONE,
        pretrained=False,
    ),
)
_AGAIN = ("--seed", "43")
_SECOND_SEED = (
    _promise(
        "promise_in_use_again",
        "the row with an encoder that stays in use, trained once more with another seed",
        *_IN_USE,
        *_ONE,
        *_AGAIN,
    ),
    Row(
        name="dynunet_clicks_again",
        what="dynunet, clicks as channels, once more with another seed",
        options=("--network", "dynunet", "--clicks-as-channel", *_AGAIN),
    ),
    Row(
        name="dynunet_again",
        what="dynunet, without clicks, once more with another seed",
        options=("--network", "dynunet", *_AGAIN),
        clicks=False,
    ),
)
_TABLE_2 = (
    _promise("baseline_3dsam", "3DSAM-adapter", "--preset", "baseline-3dsam"),
    _promise("promise_r", "-R, without boundary loss", "--preset", "promise-r"),
    _promise("promise_c", "-C, without boundary loss", "--preset", "promise-c"),
    _promise("promise_r_b", "-R, with boundary loss", "--preset", "promise-r-b"),
)

SARCOMA = Matrix(
    name="sarcoma",
    dataset="Task90_SoftTissueSarcoma",
    preprocess=(),
    plan={"spacing": [3.0, 3.0, 3.0], "patch_size": 48},
    train=(
        *("--epochs", "30", "--batch-size", "2", "--lr", "1e-3"),
        *("--set", "validate_every=5", "--set", "validation_patches=4"),
    ),
    rows=(
        *(_PROMISE, _CLICK_MAP, _FREE, *_DYNUNET, _SCRATCH, _CENTRED),
        *(*_AS_AT_TEST, *_MENDED, *_SECOND_SEED),
    ),
    studied=(
        PROMISE,
        "dynunet_clicks",
        "promise_click_map",
        "promise_in_use",
        "promise_in_use_varied",
        "promise_in_use_centred",
        "promise_in_use_scratch",
        "promise_in_use_again",
        "dynunet_clicks_again",
    ),
)

HIPPOCAMPUS = Matrix(
    name="hippocampus",
    dataset="Task04_Hippocampus",
    preprocess=("--target-label", "Anterior", "Posterior"),
    tolerances_mm=(1.0, 5.0),
    plan={"patch_size": 48},
    train=(
        *("--epochs", "4", "--batch-size", "2", "--lr", "1e-3"),
        *("--set", "validate_every=2", "--set", "validation_patches=1"),
    ),
    rows=(_PROMISE, _SCRATCH, *_DYNUNET, *_TABLE_2, _MENDED[0]),
    studied=("promise_in_use",),
)

PHANTOM = Matrix(
    name="phantom",
    dataset="Task99_Phantom",
    preprocess=(),
    plan={"patch_size": 48},
    train=("--preset", "tiny", "--epochs", "30", "--batch-size", "2"),
    rows=(
        Row(
            name=PROMISE,
            what="ProMISe, `tiny`, without maps of the clicks",
            options=("--set", "click_map=false", *_BLIND, "--set", "vary_background_clicks=false"),
        ),
        Row(
            name="promise_click_map",
            what="the same with maps of the clicks",
            options=("--set", "click_map=true", *_BLIND, "--set", "vary_background_clicks=true"),
        ),
        Row(
            name="promise_in_use",
            what="the same with an encoder that stays in use",
            options=(*_IN_USE, "--set", "vary_background_clicks=true"),
        ),
        *_DYNUNET,
    ),
)

PLAIN = Matrix(
    name="hippocampus_dynunet",
    dataset="Task04_Hippocampus",
    preprocess=("--target-label", "Anterior", "Posterior"),
    tolerances_mm=(1.0, 5.0),
    plan={},
    train=("--preset", "tiny"),
    rows=_DYNUNET,
    reference="dynunet",
)

MATRICES = {matrix.name: matrix for matrix in (PHANTOM, SARCOMA, HIPPOCAMPUS, PLAIN)}
