"""Questions about a scan that a network is about to see, in the words that promise-preprocess uses."""

from typing import Any

from numpy.typing import NDArray

from promise_cli.dataset.channels import describe_channel, is_ct
from promise_cli.dataset.fingerprint import check_intensities
from promise_cli.dataset.plan import Channel, Plan
from promise_cli.volume import Volume, size_question

NORMALISED_HU = 5.0
"""If the target's range of intensities in a plan for CT is below this, the training scans were probably normalised."""
SHIFTED_HU = 700.0
"""If the target's intensities in a plan for CT begin at this or higher, the training scans were probably shifted by
1024."""

BYTE = 255.0
"""Largest intensity of a scan that was windowed into one byte.

If the target's intensities in the plan do not exceed it either, the training scans were probably windowed too.
"""


def question_scan(scan: Volume, plan: Plan) -> tuple[str, ...]:
    """Return notes on a scan's geometry, and questions about its size and its intensities."""
    return (
        *scan.notes,
        *size_question(scan.stored_grid),
        *question_channels(scan, plan),
    )


def question_channels(scan: Volume, plan: Plan) -> list[str]:
    """Return questions about the intensities of each channel, which name the channel if there are several.

    A scan with another number of channels than the plan is not questioned, because it is refused later.
    """
    if len(scan.channels) != len(plan.channels):
        return []
    notes = []
    for number, (array, channel) in enumerate(zip(scan.channels, plan.channels, strict=True), 1):
        which = f"{describe_channel(number, channel.modality)}: " if plan.further_channels else ""
        notes += [f"{which}{note}" for note in question_intensities(array, channel)]
    return notes


def question_intensities(array: NDArray[Any], plan: Plan | Channel) -> list[str]:
    """Return questions about a channel whose intensities are not those that the plan was made for.

    A scan for a network that was trained on CT should be in HU. If the plan shows that the training scans were not in
    HU either, a scan that is like them is not questioned.

    Args:
        array: Intensities of the channel, (I, J, K).
        plan: The channel in the plan, or a plan whose first channel it is.
    """
    numbers = plan.normalisation
    found = check_intensities(array, is_ct(plan.modality) and numbers.scheme == "dataset")
    low, high = float(array.min()), float(array.max())
    if numbers.scheme == "case" or low == high:
        return found
    learned = f"where the target had {numbers.low:g} to {numbers.high:g} in training"
    if numbers.high - numbers.low < NORMALISED_HU:
        narrow = high - low < 10 * NORMALISED_HU
        return (
            [] if narrow else [f"intensities from {low:g} to {high:g}, {learned}: not normalised?"]
        )
    if numbers.low >= SHIFTED_HU:
        return (
            []
            if low > -SHIFTED_HU
            else [f"intensities from {low:g} to {high:g}, {learned}: not shifted?"]
        )
    windowed = min(numbers.low, low) >= 0 and max(numbers.high, high) <= BYTE
    return [] if windowed else found
