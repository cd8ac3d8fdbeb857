"""The rows: each is one training and one line of a table."""

import dataclasses

from experiments.matrix import PROMISE, Row

SMALL_HEADS = (
    "window_size=6",  # a patch of 48^3 has 12 tokens per edge, which windows of 8 would pad to 16
    "adapter_width=96",
    "feature_width=64",
    "prompt_mlp_width=512",
    "decoder_width=32",
)
"""Options that give all parts except the pretrained transformer a quarter of the paper's width, for two CPU cores."""


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


def _again(row: Row) -> Row:
    """Return the same row with another seed."""
    return dataclasses.replace(
        row,
        name=f"{row.name}_again",
        what=f"{row.what}; second seed",
        options=(*row.options, "--seed", "43"),
    )


PUBLISHED = _promise(PROMISE, "ProMISe as published")
SCRATCH = _promise("promise_scratch", "ProMISe as published, from random weights", pretrained=False)
DYNUNET = (
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
LAST = ("--set", "predict_with=final")
"""Option to predict with the last epoch, instead of the one with the best validation Dice."""
DYNUNET_LAST = Row(
    name="dynunet_last",
    what="dynunet, without clicks; last epoch",
    options=(*DYNUNET[0].options, *LAST),
    clicks=False,
)
VARIED = ("--set", "vary_clicks=true", "--set", "vary_background_clicks=true")
CLICK_MAP = _promise(
    "promise_click_map",
    "ProMISe with click maps; varied clicks",
    *("--set", "click_map=true"),
    *VARIED,
)
FREE = dataclasses.replace(
    _promise(
        "promise_free",
        "ProMISe with click maps and free adapters; varied clicks",
        *("--set", "click_map=true", "--set", "adapter_update=free"),
        *VARIED,
    ),
    runs_at="3ec6e48",  # adapters of either sign gave no gain, and the option was removed
)
CENTRE_EACH = ("--set", "foreground_share=1")
ONE = (*CENTRE_EACH, "--set", "num_foreground_clicks=1", "--set", "num_background_clicks=0")
AS_AT_TEST = (
    _promise(
        "promise_one_click",
        "ProMISe with click maps; centred patches, one click",
        *("--set", "click_map=true"),
        *ONE,
    ),
    Row(
        name="dynunet_one_click",
        what="dynunet, clicks as channels; centred patches, one click",
        options=("--network", "dynunet", "--clicks-as-channel", *ONE),
    ),
)
IN_USE = (
    *("--set", "click_map=true", "--set", "slice_embedding=average", "--set", "neck_norm=patch"),
)
"""Options that keep the pretrained transformer in use (docs/results.md), and maps of the clicks."""
BLIND = ("--set", "slice_embedding=random", "--set", "neck_norm=channels")
"""Options that undo the encoder's changes of the preset `tiny`, as in the paper's design."""
CORRECTIONS = (*ONE, "--set", "corrections=3")
JITTER = ("--set", "centre_jitter=0.333")
"""Option that moves the target away from the middle of a patch, so that the place alone does not reveal it."""
SMALL_JITTER = ("--set", "centre_jitter=0.1")
"""Option that moves the target as far as the authors' code does."""
CORRECTED = _promise(
    "promise_in_use_corrected",
    "ProMISe, encoder in use; centred patches, one click and up to three corrections",
    *IN_USE,
    *CORRECTIONS,
)
JITTERED = _promise(
    "promise_in_use_jittered",
    "ProMISe, encoder in use; patches a third of an edge off centre, one click and up to three corrections",
    *IN_USE,
    *CORRECTIONS,
    *JITTER,
)
NEAR = _promise(
    "promise_in_use_near",
    "ProMISe, encoder in use; patches a tenth of an edge off centre, one click and up to three corrections",
    *IN_USE,
    *CORRECTIONS,
    *SMALL_JITTER,
)
HEAD = _promise(
    "promise_in_use_head",
    "ProMISe, encoder in use, click maps also in the head; patches a tenth of an edge off centre, one click and up to"
    " three corrections; last epoch",
    *IN_USE,
    *CORRECTIONS,
    *SMALL_JITTER,
    *("--set", "click_map_in_head=true"),
    *LAST,
)
"""Row whose maps in the head started from random weights, at commit b901dbc. Trained today, it would be `ZERO_HEAD`."""
ZERO_HEAD = dataclasses.replace(
    HEAD,
    name="promise_in_use_zero_head",
    what="ProMISe, encoder in use, click maps also in the head, from zero; patches a tenth of an edge off centre, one"
    " click and up to three corrections; last epoch",
)
LEARN_FROM_BOTH = ("--set", "first_answer_weight=0.5")
BOTH = dataclasses.replace(
    HEAD,
    name="promise_in_use_both",
    what="ProMISe, the default; last epoch",
    options=(*HEAD.options, *LEARN_FROM_BOTH),
)
BOTH_PLAIN = dataclasses.replace(
    BOTH,
    name="promise_in_use_both_plain",
    what="ProMISe, the default without click maps in the head; last epoch",
    options=(*BOTH.options, "--set", "click_map_in_head=false"),
)
MENDED = (
    _promise(
        "promise_in_use",
        "ProMISe, encoder in use; centred patches, one click",
        *IN_USE,
        *ONE,
    ),
    _promise(
        "promise_in_use_varied",
        "ProMISe, encoder in use; patches on and off the target, varied clicks",
        *IN_USE,
        *VARIED,
    ),
    _promise(
        "promise_in_use_centred",
        "ProMISe, encoder in use; centred patches, varied clicks",
        *IN_USE,
        *CENTRE_EACH,
        *VARIED,
    ),
    CORRECTED,
    JITTERED,
    NEAR,
    HEAD,
    ZERO_HEAD,
    BOTH,
    _promise(
        "promise_in_use_scratch",
        "ProMISe, encoder in use, from random weights; centred patches, one click",
        *IN_USE,
        *ONE,
        pretrained=False,
    ),
)
SECOND_SEED = tuple(_again(row) for row in (MENDED[0], DYNUNET[1], DYNUNET[0]))
TABLE_2 = (
    _promise("baseline_3dsam", "3DSAM-adapter", "--preset", "baseline-3dsam"),
    _promise("promise_r", "ProMISe-R, without boundary loss", "--preset", "promise-r"),
    _promise("promise_c", "ProMISe-C, without boundary loss", "--preset", "promise-c"),
    _promise("promise_r_b", "ProMISe-R, with boundary loss", "--preset", "promise-r-b"),
)
