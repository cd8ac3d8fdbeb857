"""Finds which object each click asks for, if the networks segment several objects."""

from promise_cli.dataset.objects import TargetObject, list_objects
from promise_cli.errors import PromptError
from promise_cli.predict.inputs import Inputs
from promise_cli.predict.predict_request import PredictRequest
from promise_cli.predictions.objects import clicks_on_objects, named_object
from promise_cli.predictions.record import Failure
from promise_cli.session.predictor import Predictor


def name_objects(request: PredictRequest, predictor: Predictor, inputs: Inputs) -> None:
    """Find the object that each click asks for. Cases whose clicks name none become failures.

    Nothing is changed for a network of one target.

    Raises:
        PromptError: The call gives an option that does not fit the network.
    """
    objects, path = predictor.plan.objects, predictor.checkpoints[0]
    default = default_object(request.object, predictor)
    if not objects:
        return
    if request.auto and len(objects) > 1:
        raise PromptError(
            f"--auto: {path} segments the object that is clicked ({list_objects(objects)}); click on each"
            " object instead"
        )
    for case, clicks in list(inputs.clicks.items()):
        try:
            where = f"{inputs.where}: case {case}"
            inputs.clicks[case] = clicks_on_objects(clicks, objects, default, where)
        except PromptError as error:
            if all(failure.case_id != case for failure in inputs.failures):
                inputs.failures.append(Failure(case_id=case, reason=str(error)))


def default_object(asked: str | None, predictor: Predictor) -> TargetObject | None:
    """Return the object of clicks that name none: that of `--object`, or the only one of the network.

    Raises:
        PromptError: The networks segment one target, or have no object of this name.
    """
    objects = predictor.plan.objects
    if asked is None:
        return objects[0] if len(objects) == 1 else None
    if not objects:
        raise PromptError(
            f"--object {asked}: {predictor.checkpoints[0]} segments one target, {predictor.plan.target_name}; leave"
            " --object out"
        )
    return named_object(objects, asked, "--object")
