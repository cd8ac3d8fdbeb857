"""Finds which object each click asks for, if the networks segment several objects."""

from promise_cli.dataset.objects import list_objects
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
    if not objects:
        if request.object is not None:
            raise PromptError(
                f"--object {request.object}: {path} segments one target, {predictor.plan.target_name}; leave --object"
                " out"
            )
        return
    if request.auto and len(objects) > 1:
        raise PromptError(
            f"--auto: {path} segments the object that is clicked ({list_objects(objects)}); click on each"
            " object instead"
        )
    default = None
    if request.object is not None:
        default = named_object(objects, request.object, "--object")
    for case, clicks in list(inputs.clicks.items()):
        try:
            where = f"{inputs.where}: case {case}"
            inputs.clicks[case] = clicks_on_objects(clicks, objects, default, where)
        except PromptError as error:
            if all(failure.case_id != case for failure in inputs.failures):
                inputs.failures.append(Failure(case_id=case, reason=str(error)))
