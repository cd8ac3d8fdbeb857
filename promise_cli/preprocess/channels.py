"""Show how a plan normalises each channel, and warn where an existing plan no longer suits the dataset."""

from pathlib import Path

from promise_cli.console import say, warn
from promise_cli.dataset.plan import Channel, Plan


def show_channels(plan: Plan) -> None:
    """Show how each channel is normalised."""
    for channel in plan.channels:
        numbers, name = channel.normalisation, channel.modality
        if numbers.scheme == "case":
            say(
                f"{name or 'intensities without units'}: each scan is normalised by its own percentiles, mean and SD"
            )
            continue
        say(
            f"{f'{name}: ' if plan.further_channels else ''}clip {numbers.low:g} to {numbers.high:g}, mean"
            f" {numbers.mean:.2f}, SD {numbers.std:.2f}"
        )


def check_channel(kept: Channel, fresh: Channel, path: Path) -> None:
    """Warn if dataset.json gives a channel another modality, or if its target has other intensities than planned."""
    theirs, ours = kept.normalisation, fresh.normalisation
    if kept.modality != fresh.modality:
        warn(
            f"{path}: planned for {kept.modality or 'no modality'}, but dataset.json now says"
            f" {fresh.modality or 'none'}; the plan is kept, --overwrite plans anew"
        )
    elif theirs.scheme == "dataset" and not (theirs.low < ours.high and ours.low < theirs.high):
        warn(
            f"{path}: clips intensities to {theirs.low:g} to {theirs.high:g}, but those of the target are now"
            f" {ours.low:g} to {ours.high:g}; the plan is kept, --overwrite plans anew"
        )
