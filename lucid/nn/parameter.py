"""Parameter: a tensor that a module trains."""

from __future__ import annotations

from lucid.errors import TraceError
from lucid.modes import current_tracer
from lucid.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that a Module registers when it is assigned to one of its attributes.

    `data` is what `Tensor` takes, and is copied. Raises DTypeError where it is not a float and `requires_grad` is set,
    and TraceError where a traced function makes it of a tensor: modules are made outside.

    >>> Parameter([1.0, 2.0]).requires_grad
    True
    """

    __slots__ = ()

    def __init__(self, data: object, requires_grad: bool = True) -> None:
        if current_tracer() is not None and isinstance(data, Tensor):
            raise TraceError(
                "a Parameter can't be made of a tensor while a function is traced.",
                hint="make modules outside the compiled function.",
            )
        super().__init__(data, requires_grad=requires_grad)
