"""The plans of the networks that the paper's authors published, which their checkpoints do not carry."""

from pathlib import Path

from promise_cli.dataset.plan import Normalisation, Plan
from promise_cli.errors import CheckpointError

_DATASETS = {
    "colon": ("Task10_Colon", 1, "colon cancer primaries", (-57.0, 175.0, 65.175035, 32.651197)),
    "pancreas": ("Task07_Pancreas", 2, "cancer", (-39.0, 204.0, 68.45214, 63.422806)),
}
"""Dataset, target, and the constants in HU (low, high, mean, deviation) in the authors' code."""


def published_plan(path: Path) -> Plan:
    """The plan that a published checkpoint was trained with, told from its file name.

    Its arrays keep the axes of the file, as the authors read them without regard to orientation.

    Raises:
        CheckpointError: The name tells neither colon nor pancreas.
    """
    fits = [name for name in _DATASETS if name in path.name.lower()]
    if len(fits) != 1:
        raise CheckpointError(
            f"{path}: a checkpoint of the authors, but of which dataset? Name the file so that it holds"
            f" {' or '.join(_DATASETS)}, as they published it"
        )
    dataset, target_label, target_name, (low, high, mean, std) = _DATASETS[fits[0]]
    return Plan(
        dataset=dataset,
        target_label=target_label,
        target_name=target_name,
        modality="CT",
        orientation="as_stored",
        spacing=(1.0, 1.0, 1.0),
        patch_size=128,
        normalisation=Normalisation(scheme="dataset", low=low, high=high, mean=mean, std=std),
    )
