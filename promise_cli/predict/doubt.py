"""Asks the user about a click that lies on air or metal."""

import math

from promise_cli.dataset.fingerprint import background_below
from promise_cli.dataset.plan import Plan
from promise_cli.predictions.record import ClickRecord
from promise_cli.prompts import Click, format_point, locate_clicks, other_readings
from promise_cli.session.tissue import tissue_range
from promise_cli.volume import Volume


def tissue_limits(scan: Volume, plan: Plan) -> tuple[float, float]:
    """Return the lowest and the highest intensity of tissue in a scan.

    They are those of the plan. Where intensities have no unit (MR), whatever is not background is tissue. The first
    channel is judged.
    """
    if plan.normalisation.scheme == "case":
        return background_below(scan.channels[0]), math.inf
    return tissue_range(plan.normalisation)


def doubt_click(
    click: Click, record: ClickRecord, scan: Volume, limits: tuple[float, float]
) -> str:
    """Return a question to the user about the click's coordinate system.

    It says which voxel the click would be in each other coordinate system, and whether that voxel is tissue.

    Args:
        click: The click as given.
        record: The click as understood.
        scan: The scan with its voxels.
        limits: The lowest and highest intensity of tissue. The highest may be infinite.
    """
    low, high = limits
    tissue = (
        f"tissue has {low:g} to {high:g}"
        if math.isfinite(high)
        else f"tissue has {low:.3g} or more"
    )
    kind = "air" if record.intensity < low else "metal"
    others = []
    for space, voxel in other_readings(click, scan.stored_grid).items():
        if voxel is not None:
            there = tuple(locate_clicks([Click(voxel)], scan.stored_grid, scan.grid, "")[0])
            value = float(scan.channels[0][there])
            fits = "tissue" if low <= value <= high else "no tissue"
            others.append(
                f"as {space} it would be voxel {format_point(voxel)} with intensity {value:g}, {fits}"
            )
    readings = f" ({'; '.join(others)})" if others else ""
    return (
        f"the click {format_point(click.point)} {click.space} lies on intensity {record.intensity:g}, which looks like"
        f" {kind} ({tissue}); is the coordinate system right?{readings}"
    )
