"""What training loops do to the gradients of a model."""

from __future__ import annotations

from collections.abc import Iterable

import lucid.operations as ops
from lucid.errors import ArgumentError
from lucid.modes import no_grad
from lucid.scalars import Scalar
from lucid.tensor import Tensor


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float | Scalar) -> Tensor:
    """Scale the grads of parameters so that together, as one vector, they are no longer than `max_norm`.

    Each grad is replaced by its product with min(1, max_norm / (norm + 1e-6)), as in PyTorch. Parameters without a
    grad do not count. Returns the norm before, a tensor without axes.
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", algorithm 1.
    """
    if not max_norm >= 0.0:
        raise ArgumentError(f"clip_grad_norm_ takes max_norm of at least 0, got {max_norm!r}.")
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    found = [(parameter, parameter.grad) for parameter in given]
    with no_grad():
        squares = ops.zeros()
        for _, gradient in found:
            if gradient is not None:
                squares = squares + (gradient * gradient).sum()
        norm = ops.sqrt(squares)
        factor = ops.minimum(max_norm / (norm + 1e-6), 1.0)
        for parameter, gradient in found:
            if gradient is not None:
                parameter.grad = gradient * factor.astype(gradient.dtype)
    return norm
