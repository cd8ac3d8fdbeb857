"""The list of mistakes: what damages two good folders, the arguments of the command, and the expected message."""

from pathlib import Path

import numpy as np

AFFINE = np.diag([0.8, 0.8, 2.5, 1.0])
MASK, LABEL = Path("masks/a.nii.gz"), Path("labels/a.nii.gz")
EXPECTED = "expected a folder of .nii.gz masks, one such file, or an MSD folder with labelsTr"
MISTAKES = {}


def box(start=(5, 5, 4), shape=(24, 20, 16), value=1):
    array = np.zeros(shape, dtype=np.uint8)
    i, j, k = start
    array[i : i + 4, j : j + 4, k : k + 4] = value
    return array


def refuses(message, *arguments):
    """Register the decorated function as a mistake that the command refuses with this message."""

    def register(damage):
        MISTAKES[damage.__name__] = (damage, arguments or ("masks", "labels"), message)
        return damage

    return register
