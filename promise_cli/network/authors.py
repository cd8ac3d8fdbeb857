"""Plans of the networks that the paper's authors published. Their checkpoints do not hold a plan."""

from pathlib import Path

from promise_cli.dataset.plan import Normalisation, Plan
from promise_cli.errors import CheckpointError

_DATASETS = {
    "colon": ("Task10_Colon", 1, "colon cancer primaries", (-57.0, 175.0, 65.175035, 32.651197)),
    "pancreas": ("Task07_Pancreas", 2, "cancer", (-39.0, 204.0, 68.45214, 63.422806)),
}
"""For each published checkpoint: dataset, label and name of the target, and the constants of the authors' code in HU
(lower clip, upper clip, mean, standard deviation)."""


def published_plan(path: Path) -> Plan:
    """Return the plan that a published checkpoint was trained with. The file name says which one it is.

    Arrays keep the axis order of the file, because the authors' code ignores the orientation of a scan.

    Raises:
        CheckpointError: The file name contains neither "colon" nor "pancreas", or it contains both.
    """
    fits = [name for name in _DATASETS if name in path.name.lower()]
    if len(fits) != 1:
        raise CheckpointError(
            f"{path}: a checkpoint of the paper's authors, whose file name must say the dataset; rename the file so"
            f" that its name contains either {' or '.join(_DATASETS)}, as published"
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
