"""A training step decodes the first clicks and each correction from the same encoded image."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from promise_cli.errors import PlanError
from promise_cli.network.device import Precision, autocast
from promise_cli.network.promise import model_config
from promise_cli.network.recipe import preset
from promise_cli.train.compiled import compile_network
from promise_cli.train.corrections import Answering, Turns, click_on_errors
from promise_cli.train.fields import set_fields
from promise_cli.train.losses import total_loss
from promise_cli.train.samples import Sample
from promise_cli.train.step import _loss_of
from tests.test_model.small_network import RECOMMENDED, network
from tests.test_train.cubes import TARGET, CubeRoundEachClick, batch_of

CPU = torch.device("cpu")


def _turns(*numbers: int) -> Turns:
    return Turns(numbers, tuple(np.random.default_rng(number) for number in numbers))


def _ball() -> Sample:
    """Return a patch of a ball with a click in its middle."""
    places = torch.stack(torch.meshgrid(*[torch.arange(32)] * 3, indexing="ij"))
    at = torch.tensor([12, 17, 20])
    target = ((places - at[:, None, None, None]).square().sum(0) < 36).float()[None, None]
    noise = torch.randn(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(5))
    return Sample(
        noise + target, target, at.float()[None, None], torch.ones(1, 1, dtype=torch.long), ("one",)
    )


def test_the_image_is_encoded_once_for_all_turns() -> None:
    for number in range(4):
        counted = CubeRoundEachClick()
        Answering(counted, learns_from_first=True)(batch_of(TARGET), _turns(number))
        assert (counted.encoded, counted.decoded) == (1, 1 + number)


def test_without_a_correction_there_is_one_answer() -> None:
    answers = Answering(CubeRoundEachClick(), learns_from_first=True)(batch_of(TARGET), _turns(0))
    assert answers.first is None
    assert answers.last.shape == (1, 2, 16, 16, 16)


def test_the_last_answer_is_the_one_to_the_corrected_clicks() -> None:
    stand_in, sample = CubeRoundEachClick(), batch_of(TARGET)
    last, first = Answering(stand_in, learns_from_first=False)(sample, _turns(2))
    assert torch.equal(first, stand_in(sample.image, sample.clicks, sample.signs))
    more = click_on_errors(stand_in.decode, (sample.image,), sample, first, _turns(2))
    assert more.clicks.shape[1] == 3
    assert torch.equal(last, stand_in(sample.image, more.clicks, more.signs))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_gradients_equal_those_of_answers_computed_separately(
    share: float, precision: Precision
) -> None:
    """Computing corrections without gradients must leave no trace, such as weights that autocast has cached."""
    sample, recipe = _ball(), dataclasses.replace(preset("paper")[1], first_answer_weight=share)
    gradients: list[dict[str, Tensor]] = []
    for alone in (False, True):
        model: nn.Module = network(**RECOMMENDED).train()
        if alone:
            with torch.no_grad(), autocast(CPU, precision):
                before = model(sample.image, sample.clicks, sample.signs)
                state = model.encode(sample.image)
                more = click_on_errors(model.decode, state, sample, before, _turns(2))
            for given, weight in ((sample, share), (more, 1 - share)):
                with autocast(CPU, precision):
                    logits = model(given.image, given.clicks, given.signs)
                (weight * total_loss(logits, sample.target, recipe.loss)[0]).backward()
        else:
            with autocast(CPU, precision):
                answers = Answering(model, learns_from_first=share > 0)(sample, _turns(2))
            _loss_of(answers, sample.target, recipe)[0].backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    once, alone_ = gradients
    assert once.keys() == alone_.keys()
    whole = torch.stack([gradient.norm() for gradient in alone_.values()]).norm()
    for name, gradient in once.items():
        off = (gradient - alone_[name]).norm()
        assert off <= (2e-2 if precision == "bf16" else 1e-4) * whole, name
        assert alone_[name].norm() == 0 or gradient.norm() > 0, name


def test_the_loss_weighs_both_answers_and_their_parts_add_up_to_it() -> None:
    answers = Answering(CubeRoundEachClick(), learns_from_first=True)(batch_of(TARGET), _turns(2))
    target, recipe = batch_of(TARGET).target, preset("paper")[1]
    losses = {}
    for share in (0.0, 0.25, 1.0):
        config = dataclasses.replace(recipe, first_answer_weight=share)
        loss, parts = _loss_of(answers, target, config)
        weights = config.loss
        assert loss == pytest.approx(
            weights.dice_weight * parts["dice"]
            + weights.cross_entropy_weight * parts["cross_entropy"]
            + weights.boundary_weight * parts["boundary"]
        )
        losses[share] = float(loss)
    assert losses[0.25] == pytest.approx(0.25 * losses[1.0] + 0.75 * losses[0.0])
    assert losses[1.0] != pytest.approx(losses[0.0])


# torch warns about its own tracing.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.slow
def test_compiled_halves_are_compiled_once_for_any_number_of_corrections(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs: list[int] = []

    def count(module: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        graphs.append(1)
        return module

    compiler = torch.compile
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", lambda function: compiler(function, backend=count))
    model = network(**RECOMMENDED).train()
    config = dataclasses.replace(preset("recommended")[1], first_answer_weight=share)
    run = SimpleNamespace(
        model=model,
        config=config,
        device=CPU,
        precision="fp32",
        optimizer=torch.optim.SGD(model.parameters()),
    )
    sample, said = _ball(), []
    plain = Answering(model, learns_from_first=share > 0)
    fused = Answering(model, learns_from_first=share > 0)
    compile_network(fused, run, said.append)
    assert said == []
    tried = len(graphs)
    for number in (0, 1, 3):
        ours, theirs = (one(sample, _turns(number)).last for one in (fused, plain))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert len(graphs) == tried


def test_a_network_of_several_channels_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function: function)
    model = network(channels=3, patch_size=16).train()
    run = SimpleNamespace(
        model=model,
        config=dataclasses.replace(preset("paper")[1], batch_size=1),
        device=CPU,
        precision="fp32",
        optimizer=torch.optim.SGD(model.parameters()),
    )
    answering, said = Answering(model, learns_from_first=False), []
    compile_network(answering, run, said.append)
    assert said == []
    assert answering.decode != model.decode


def test_a_weight_beyond_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"first_answer_weight must lie between 0 and 1, found 2"):
        dataclasses.replace(preset("paper")[1], first_answer_weight=2)


def test_a_first_answer_weight_without_corrections_is_refused() -> None:
    model, recipe = model_config("paper"), preset("paper")[1]
    with pytest.raises(PlanError, match="without corrections the network answers only once; add"):
        set_fields(model, recipe, ["first_answer_weight=0.5"])
    assert set_fields(model_config("recommended"), preset("recommended")[1], ["corrections=0"])
