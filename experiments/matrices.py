"""The matrices: which rows are trained on which data, with which budget."""

import dataclasses

from experiments.matrix import PROMISE, Matrix, Row
from experiments.rows import (
    AS_AT_TEST,
    BLIND,
    BOTH,
    BOTH_PLAIN,
    CLICK_MAP,
    CORRECTED,
    CORRECTIONS,
    DYNUNET,
    DYNUNET_LAST,
    FREE,
    HEAD,
    IN_USE,
    JITTER,
    JITTERED,
    LAST,
    LEARN_FROM_BOTH,
    MENDED,
    NEAR,
    PUBLISHED,
    SCRATCH,
    SECOND_SEED,
    SMALL_JITTER,
    TABLE_2,
    ZERO_HEAD,
)

BEST = ("--set", "predict_with=best")
"""Option that all rows had before `LAST` existed. A row's own `LAST` comes later on the command line and wins."""
SARCOMA = Matrix(
    name="sarcoma",
    dataset="Task90_SoftTissueSarcoma",
    preprocess=(),
    plan={"spacing": [3.0, 3.0, 3.0], "patch_size": 48},
    other_folds=("sarcoma_fold_1", "sarcoma_fold_2"),
    train=(
        *("--epochs", "30", "--batch-size", "2", "--lr", "1e-3"),
        *("--set", "validate_every=5", "--set", "validation_patches=4"),
        *BEST,
    ),
    rows=(
        *(PUBLISHED, CLICK_MAP, FREE, *DYNUNET, DYNUNET_LAST, SCRATCH),
        *(*AS_AT_TEST, *MENDED, *SECOND_SEED),
    ),
    pairs=(
        ("promise_in_use", "promise_in_use_scratch"),
        ("promise_in_use", "promise_one_click"),
        ("promise_in_use", PROMISE),
        ("promise_in_use_centred", "promise_in_use_varied"),
        ("promise_in_use_centred", "promise_in_use"),
        ("promise_in_use_corrected", "promise_in_use"),
        ("promise_in_use_jittered", "promise_in_use_corrected"),
        ("promise_in_use_jittered", "dynunet"),
        ("promise_in_use_near", "promise_in_use_corrected"),
        ("promise_in_use_head", "promise_in_use_near"),
        ("promise_in_use_zero_head", "promise_in_use_near"),
        (BOTH.name, ZERO_HEAD.name),
        (BOTH.name, NEAR.name),
        ("promise_in_use_near", "dynunet"),
        ("promise_in_use_head", "dynunet_last"),
        (BOTH.name, DYNUNET_LAST.name),
        ("promise_in_use", "dynunet"),
        ("promise_in_use", "dynunet_clicks"),
        ("promise_in_use_again", "dynunet_again"),
        ("dynunet_clicks", "dynunet"),
        ("dynunet_clicks_again", "dynunet_again"),
    ),
    studied=(
        PROMISE,
        "dynunet_clicks",
        "promise_click_map",
        "promise_in_use",
        "promise_in_use_varied",
        "promise_in_use_centred",
        "promise_in_use_corrected",
        "promise_in_use_jittered",
        "promise_in_use_near",
        "promise_in_use_head",
        "promise_in_use_zero_head",
        "promise_in_use_both",
        "promise_in_use_scratch",
        "promise_in_use_again",
        "dynunet_clicks_again",
    ),
)

SARCOMA_FOLD_1 = dataclasses.replace(
    SARCOMA,
    name="sarcoma_fold_1",
    fold=1,
    other_folds=(),
    rows=(DYNUNET[0], DYNUNET_LAST, CORRECTED, JITTERED, NEAR, HEAD, ZERO_HEAD, BOTH),
    reference="dynunet",
    pairs=(
        (NEAR.name, "dynunet"),
        (CORRECTED.name, "dynunet"),
        (JITTERED.name, "dynunet"),
        (NEAR.name, CORRECTED.name),
        (HEAD.name, NEAR.name),
        (HEAD.name, DYNUNET_LAST.name),
        (ZERO_HEAD.name, NEAR.name),
        (ZERO_HEAD.name, DYNUNET_LAST.name),
        (BOTH.name, ZERO_HEAD.name),
        (BOTH.name, NEAR.name),
        (BOTH.name, DYNUNET_LAST.name),
    ),
    studied=(
        CORRECTED.name,
        JITTERED.name,
        NEAR.name,
        HEAD.name,
        ZERO_HEAD.name,
        BOTH.name,
    ),
)
"""Some of the same rows on the test cases of another fold, since the seven test cases of one fold are few."""
SARCOMA_FOLD_2 = dataclasses.replace(
    SARCOMA,
    name="sarcoma_fold_2",
    fold=2,
    other_folds=(),
    rows=(DYNUNET_LAST, BOTH),
    reference=DYNUNET_LAST.name,
    pairs=((BOTH.name, DYNUNET_LAST.name),),
    studied=(BOTH.name,),
)
"""The recipe that was chosen on the other folds, and dynunet. This fold's test cases took no part in that choice."""

HIPPOCAMPUS = Matrix(
    name="hippocampus",
    dataset="Task04_Hippocampus",
    preprocess=("--target-label", "Anterior", "Posterior"),
    tolerances_mm=(1.0, 5.0),
    plan={"patch_size": 48},
    train=(
        *("--epochs", "4", "--batch-size", "2", "--lr", "1e-3"),
        *("--set", "validate_every=2", "--set", "validation_patches=1"),
        *BEST,
    ),
    rows=(
        PUBLISHED,
        SCRATCH,
        *TABLE_2,
        MENDED[0],
        NEAR,
        HEAD,
        BOTH,
        BOTH_PLAIN,
        *DYNUNET,
        DYNUNET_LAST,
    ),
    pairs=(
        (PROMISE, "baseline_3dsam"),
        (PROMISE, "promise_c"),
        ("promise_r_b", "promise_r"),
        ("promise_c", "promise_r"),
        (PROMISE, "promise_r_b"),
        ("promise_in_use", PROMISE),
        ("promise_in_use", "baseline_3dsam"),
        ("promise_in_use", "dynunet"),
        ("promise_in_use_near", "promise_in_use"),
        ("promise_in_use_near", "dynunet"),
        ("promise_in_use_head", "promise_in_use_near"),
        (BOTH.name, HEAD.name),
        (BOTH.name, NEAR.name),
        (BOTH.name, "dynunet"),
        (BOTH.name, BOTH_PLAIN.name),
        ("dynunet_clicks", "dynunet"),
    ),
    studied=("promise_in_use",),
    corrected=(
        "promise_in_use_near",
        "promise_in_use_head",
        BOTH.name,
        BOTH_PLAIN.name,
    ),
)


def _corrected_tiny(name: str, what: str, *options: str) -> Row:
    """Row with corrections instead of the varied clicks of the preset `tiny`."""
    fixed = ("--set", "vary_clicks=false", "--set", "vary_background_clicks=false")
    return Row(
        name=name, what=f"the same; {what}", options=(*IN_USE, *CORRECTIONS, *options, *fixed)
    )


PHANTOM = Matrix(
    name="phantom",
    dataset="Task99_Phantom",
    preprocess=(),
    plan={"patch_size": 48},
    train=("--preset", "tiny", "--epochs", "30", "--batch-size", "2", *BEST),
    rows=(
        Row(
            name=PROMISE,
            what="ProMISe, `tiny`, without maps of the clicks",
            options=("--set", "click_map=false", *BLIND, "--set", "vary_background_clicks=false"),
        ),
        Row(
            name="promise_click_map",
            what="the same with maps of the clicks",
            options=("--set", "click_map=true", *BLIND, "--set", "vary_background_clicks=true"),
        ),
        Row(
            name="promise_in_use",
            what="the same with an encoder that stays in use",
            options=(*IN_USE, "--set", "vary_background_clicks=true"),
        ),
        _corrected_tiny(
            "promise_in_use_corrected", "centred patches, one click and up to three corrections"
        ),
        _corrected_tiny(
            "promise_in_use_jittered", "patches up to a third of an edge off centre", *JITTER
        ),
        _corrected_tiny(
            "promise_in_use_near", "patches up to a tenth of an edge off centre", *SMALL_JITTER
        ),
        _corrected_tiny(
            BOTH.name,
            "patches up to a tenth of an edge off centre, click maps in the head, both answers in the loss; last epoch",
            *SMALL_JITTER,
            *("--set", "click_map_in_head=true"),
            *LEARN_FROM_BOTH,
            *LAST,
        ),
        *DYNUNET,
    ),
    corrected=(
        "promise_in_use",
        "promise_in_use_corrected",
        "promise_in_use_jittered",
        "promise_in_use_near",
        BOTH.name,
    ),
)

PLAIN = Matrix(
    name="hippocampus_dynunet",
    dataset="Task04_Hippocampus",
    preprocess=("--target-label", "Anterior", "Posterior"),
    tolerances_mm=(1.0, 5.0),
    plan={},
    train=("--preset", "tiny", *BEST),
    rows=DYNUNET,
    reference="dynunet",
)

MATRICES = {
    matrix.name: matrix
    for matrix in (PHANTOM, SARCOMA, SARCOMA_FOLD_1, SARCOMA_FOLD_2, HIPPOCAMPUS, PLAIN)
}
