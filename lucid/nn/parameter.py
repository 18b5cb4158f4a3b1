"""Parameter: a tensor that a module trains."""

from __future__ import annotations

from lucid.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that a Module registers when it is assigned to one of its attributes.

    `data` is what `Tensor` takes, and is copied. Raises DTypeError where it is no float and `requires_grad` is set.

    >>> Parameter([1.0, 2.0]).requires_grad
    True
    """

    __slots__ = ()

    def __init__(self, data: object, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad=requires_grad)
