"""A cache for a result that depends only on a frozen parameter."""

from collections.abc import Callable

import torch
from torch import Tensor


class FrozenResult:
    """Last result of a function of one parameter, which is used again until that parameter changes.

    Results are cached only if the parameter is frozen. A change is recognised because loading weights raises the
    parameter's version, and moving it to a device replaces its storage. A copy of this object starts empty.
    """

    def __init__(self) -> None:
        self._source: Tensor | None = None
        self._version = -1
        self._result: Tensor | None = None

    def __reduce__(self) -> tuple[type["FrozenResult"], tuple[()]]:
        return FrozenResult, ()

    def __call__(self, function: Callable[[Tensor], Tensor], parameter: Tensor) -> Tensor:
        """Return `function(parameter)`, from the cache if the parameter is frozen and unchanged."""
        if parameter.requires_grad or torch.compiler.is_compiling():
            return function(parameter)
        if self._result is None or not self._is_current(parameter):
            # This reference keeps the storage allocated, so that no other parameter can get its address.
            with torch.inference_mode(False), torch.no_grad():
                self._source = parameter.detach()
                self._version = parameter._version
                self._result = function(self._source)
        return self._result

    def _is_current(self, parameter: Tensor) -> bool:
        source = self._source
        return (
            source is not None
            and source.data_ptr() == parameter.data_ptr()
            and source.device == parameter.device
            and source.dtype == parameter.dtype
            and self._version == parameter._version
        )
