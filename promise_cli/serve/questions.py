"""Questions to the user about predictions and clicks that look odd."""

from collections.abc import Iterator, Mapping, Sequence

from promise_cli.predict.doubt import doubt_click
from promise_cli.predictions.record import describe_click
from promise_cli.prompts import FOREGROUND, Click, Lesion, format_point
from promise_cli.serve.asked_objects import AskedObjects, Voxels
from promise_cli.serve.open_scans import OpenScan
from promise_cli.session.prediction import Prediction


def about_masks(found: Mapping[Lesion, Prediction]) -> Iterator[str]:
    """Yield what looks odd about the predictions of the lesions."""
    for lesion, prediction in found.items():
        name = lesion.name or f"lesion {lesion.value}"
        if not (prediction.probabilities > 0.5).any():
            yield f"{name}: the mask is empty; is the click where it should be?"
        if not prediction.closed:
            yield f"{name}: the mask still reaches the border of its {len(prediction.windows)} windows"
        if prediction.clicks_outside_window:
            yield f"{name}: clicks that lie outside the window and were not used: {prediction.clicks_outside_window}"


def about_clicks(
    clicks: Sequence[Click], scan: OpenScan, mask: Voxels, objects: AskedObjects
) -> Iterator[str]:
    """Yield a question about the first foreground click on air or metal, and about the first one outside the mask."""
    is_outside = in_air = False
    for click in clicks:
        if click.sign != FOREGROUND:
            continue
        record = describe_click(click, scan.volume, mask, objects.values_of(click.lesion))
        if not in_air and not scan.tissue[0] <= record.intensity <= scan.tissue[1]:
            in_air = True
            yield doubt_click(click, record, scan.volume, scan.tissue)
        if not is_outside and not record.in_mask:
            is_outside = True
            yield f"the click {format_point(record.voxel)} of the file lies outside the mask; is it where it should be?"
