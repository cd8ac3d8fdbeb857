"""Measure whether the image transformer is used, or the CNN next to it does the work.

The transformer's four feature levels are replaced by those of another case's window; all else is the same. If the mask
does not change, the transformer's features of this image do not matter.
"""

from statistics import fmean

import torch
from torch import Tensor

from experiments.matrix import Row
from experiments.place import Place
from promise_cli.network.promise import ImageState, ProMISe
from promise_cli.scores.metrics import dice
from promise_cli.session.predictor import Predictor
from promise_cli.train.samples import Sample, ValidationSamples, collate

MOST_CASES = 40
SEED = 1
MEANING = {
    "as_it_is": "Dice with the target in one window per training or validation case, centred on a seeded click;"
    f" the first {MOST_CASES} cases",
    "levels_of_another": "the same, with the transformer's four levels taken from another case's window",
    "detail_of_another": "the same, with the CNN's image taken from another case's window",
    "difference": "for each level, shallow to deep: distance between the levels of two cases, as a share of their norm",
}


@torch.inference_mode()
def measure_encoder_use(place: Place, row: Row, device: str) -> dict[str, object]:
    """Replace the features of one of ProMISe's two encoders by those of another case.

    Args:
        place: Prepared folders.
        row: A trained row of ProMISe.
        device: Device as promise-predict names it.

    Returns:
        A description of the values, and their means over the cases, under the names of `MEANING`.

    Raises:
        TypeError: The row's network is not ProMISe.
    """
    predictor = Predictor.load(place.checkpoint_of(row), device)
    (model,) = predictor.networks.models
    if not isinstance(model, ProMISe):
        raise TypeError(f"row {row.name}: its network has no image transformer")
    fold = place.fold
    windows = ValidationSamples(
        place.preprocessed / "cases",
        tuple(sorted((*fold.train, *fold.val)))[:MOST_CASES],
        predictor.plan.patch_size,
        1,
        SEED,
    )
    samples = [collate([windows[index]]).to(predictor.device) for index in range(len(windows))]
    images = [sample.image.transpose(2, 3) for sample in samples]
    levels = [model.image_encoder(image) for image in images]
    others = [(index + len(samples) // 4 + 1) % len(samples) for index in range(len(samples))]
    found: dict[str, list[float]] = {name: [] for name in list(MEANING)[:3]}
    for index, (sample, other) in enumerate(zip(samples, others, strict=True)):
        found["as_it_is"].append(_dice(model, sample, levels[index], images[index]))
        found["levels_of_another"].append(_dice(model, sample, levels[other], images[index]))
        found["detail_of_another"].append(_dice(model, sample, levels[index], images[other]))
    apart = [
        fmean(
            float(
                (levels[index][level] - levels[other][level]).norm() / levels[index][level].norm()
            )
            for index, other in enumerate(others)
        )
        for level in range(len(levels[0]))
    ]
    means = {name: round(fmean(values), 6) for name, values in found.items()}
    return {"meaning": MEANING, "mean": {**means, "difference": [round(x, 6) for x in apart]}}


def _dice(model: ProMISe, sample: Sample, levels: list[Tensor], image: Tensor) -> float:
    partial = model.mask_decoder.encode(levels[:3], image)
    logits = model.decode(ImageState(levels[3], partial), sample.clicks, sample.signs)
    mask = (logits[0, 1] > logits[0, 0]).cpu().numpy()
    return dice(mask, sample.target[0, 0].cpu().numpy() > 0)
