"""The record of predictions before a call has added its own cases."""

from typing import TYPE_CHECKING

from promise_cli.disk.workspace import Workspace
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.record import (
    NO_CLICKS,
    PredictedCase,
    Predictions,
    labels_dir,
    now,
)

if TYPE_CHECKING:
    from promise_cli.session.predictor import Predictor


def new_record(
    request: PredictRequest,
    workspace: Workspace,
    where: str,
    predictor: "Predictor",
    listed: tuple[PredictedCase, ...],
    without_click: tuple[str, ...],
) -> Predictions:
    """Make the record of a call without any new case.

    Args:
        request: The call.
        workspace: Workspace in which the labels of the dataset are looked for.
        where: Source of the clicks.
        predictor: Networks of the call.
        listed: Cases of earlier calls that stay in the record.
        without_click: Scans that have no click.
    """
    plan = predictor.plan
    values = {lesion.value for case in listed for lesion in case.lesions}
    values |= {one.mask_value for one in plan.objects}
    return Predictions(
        created=now(),
        dataset=plan.dataset,
        target_label=plan.target_label,
        target_labels=plan.target_labels,
        target_name=plan.target_name,
        objects=plan.objects,
        labels=labels_dir(workspace, plan.dataset),
        checkpoints=tuple(str(path) for path in predictor.checkpoints),
        prompts=where if predictor.takes_clicks else NO_CLICKS,
        device=str(predictor.device),
        precision=predictor.precision,
        max_windows=request.max_windows,
        tta=request.tta,
        values=tuple(sorted(values)) or (1,),
        cases=listed,
        without_click=without_click,
    )
