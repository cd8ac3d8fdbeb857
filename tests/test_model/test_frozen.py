import copy

import torch
from torch import nn

from promise_cli.network.promise.frozen import FrozenResult


class Counted:
    def __init__(self):
        self.calls = 0

    def __call__(self, tensor):
        self.calls += 1
        return 2 * tensor


def frozen(value=1.0):
    return nn.Parameter(torch.full((3,), value), requires_grad=False)


def test_a_result_of_a_frozen_parameter_is_computed_once():
    cache, double, parameter = FrozenResult(), Counted(), frozen()
    assert cache(double, parameter) is cache(double, parameter)
    assert double.calls == 1


def test_a_parameter_that_trains_is_never_cached():
    cache, double, parameter = FrozenResult(), Counted(), nn.Parameter(torch.ones(3))
    cache(double, parameter).sum().backward()
    assert parameter.grad.tolist() == [2, 2, 2]
    with torch.no_grad():
        parameter += 1
    assert cache(double, parameter).tolist() == [4, 4, 4]


def test_a_change_in_place_is_noticed():
    cache, double, parameter = FrozenResult(), Counted(), frozen()
    cache(double, parameter)
    parameter.copy_(torch.full((3,), 5.0))
    assert cache(double, parameter).tolist() == [10, 10, 10]


def test_loading_and_casting_a_module_are_noticed():
    module, cache, double = nn.Linear(3, 3).requires_grad_(False), FrozenResult(), Counted()
    cache(double, module.weight)
    module.load_state_dict({"weight": torch.eye(3), "bias": torch.zeros(3)})
    assert torch.equal(cache(double, module.weight), 2 * torch.eye(3))
    module.load_state_dict({"weight": 3 * torch.eye(3), "bias": torch.zeros(3)}, assign=True)
    assert torch.equal(cache(double, module.weight), 6 * torch.eye(3))
    module.double()
    assert cache(double, module.weight).dtype == torch.float64


def test_a_copy_does_not_share_the_result():
    cache, double, parameter = FrozenResult(), Counted(), frozen()
    cache(double, parameter)
    other_cache, other = copy.deepcopy((cache, parameter))
    other += 1
    assert other_cache(double, other).tolist() == [4, 4, 4]
    assert cache(double, parameter).tolist() == [2, 2, 2]


def test_a_result_from_inference_mode_can_be_used_in_training():
    cache, double, parameter = FrozenResult(), Counted(), frozen()
    with torch.inference_mode():
        cache(double, parameter)
    query = torch.ones(3, requires_grad=True)
    (query * cache(double, parameter)).sum().backward()
    assert query.grad.tolist() == [2, 2, 2]
    assert double.calls == 1


def test_freezing_after_training_uses_the_trained_values():
    cache, double, parameter = FrozenResult(), Counted(), nn.Parameter(torch.ones(3))
    cache(double, parameter)
    with torch.no_grad():
        parameter += 1
    parameter.requires_grad_(False)
    assert cache(double, parameter).tolist() == [4, 4, 4]
