"""Show how a plan normalises each channel, and warn where an existing plan no longer suits the dataset."""

from pathlib import Path

from promise_cli.console import say, warn
from promise_cli.dataset.channels import describe_channel
from promise_cli.dataset.plan import Plan


def show_channels(plan: Plan) -> None:
    """Show how each channel is normalised."""
    for number, channel in enumerate(plan.channels, start=1):
        numbers, name = channel.normalisation, channel.modality
        which = f"{describe_channel(number, name)}: " if plan.further_channels else ""
        if numbers.scheme == "case":
            which = which or f"{name or 'intensities without units'}: "
            say(f"{which}each scan is normalised by its own percentiles, mean and SD")
            continue
        say(
            f"{which}clip {numbers.low:g} to {numbers.high:g}, mean {numbers.mean:.2f}, SD {numbers.std:.2f}"
        )


def check_channels(kept: Plan, fresh: Plan, path: Path) -> None:
    """Warn if dataset.json gives a channel another modality, or if its target has other intensities than planned.

    Args:
        kept: The existing plan.
        fresh: The plan that would be made now, with as many channels.
        path: Path of plans.json, for messages.
    """
    for number, (old, new) in enumerate(zip(kept.channels, fresh.channels, strict=True), start=1):
        theirs, ours = old.normalisation, new.normalisation
        several = bool(kept.further_channels)
        if old.modality != new.modality:
            which = f"channel {number}: " if several else ""
            warn(
                f"{path}: {which}planned for {old.modality or 'no modality'}, but dataset.json now says"
                f" {new.modality or 'none'}; the plan is kept, --overwrite plans anew"
            )
        elif theirs.scheme == "dataset" and not (theirs.low < ours.high and ours.low < theirs.high):
            which = f"{describe_channel(number, old.modality)}: " if several else ""
            warn(
                f"{path}: {which}clips intensities to {theirs.low:g} to {theirs.high:g}, but those of the target are"
                f" now {ours.low:g} to {ours.high:g}; the plan is kept, --overwrite plans anew"
            )
