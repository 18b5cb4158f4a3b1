"""What training loops do to the gradients and the parameters of a model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import lucid.operations as ops
from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError
from lucid.missing_names import refuse_names_of
from lucid.modes import no_grad
from lucid.operations.arguments import PASS_PARAMETERS, as_flag, as_list, check_number
from lucid.operations.bounds import check_holds
from lucid.scalars import Scalar
from lucid.tensor import Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float | Scalar,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale the grads of parameters so that together, as one vector, they are no longer than `max_norm`.

    Length is the norm sum(|g|^norm_type)^(1/norm_type), or the largest |g| where `norm_type` is infinite. Each grad is
    replaced by its product with min(1, max_norm / (norm + 1e-6)), as in PyTorch. Parameters without a grad do not
    count. Returns the norm before, a tensor without axes. Raises CheckError with `error_if_nonfinite` where that is
    infinite or NaN, before anything is written, in a compiled step too.
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", algorithm 1.
    """
    if not check_number("clip_grad_norm_ takes a number as max_norm", max_norm) >= 0.0:
        raise ArgumentError(f"clip_grad_norm_ takes max_norm of at least 0, got {max_norm!r}.")
    found = _with_grads("clip_grad_norm_", parameters)
    norm = _checked_norm("clip_grad_norm_", [gradient for _, gradient in found], norm_type, error_if_nonfinite)
    _scale(found, max_norm, norm)
    return norm


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float | Scalar, total_norm: Tensor | float
) -> None:
    """Scale the grads of parameters by min(1, max_norm / (total_norm + 1e-6)): what `clip_grad_norm_` does where their
    norm is known, as from `get_total_norm`."""
    if not check_number("clip_grads_with_norm_ takes a number as max_norm", max_norm) >= 0.0:
        raise ArgumentError(f"clip_grads_with_norm_ takes max_norm of at least 0, got {max_norm!r}.")
    norm = ops.as_tensor(total_norm)
    if norm.ndim:
        raise ShapeError(f"clip_grads_with_norm_ takes a total_norm without axes, got shape {norm.shape}.")
    _scale(_with_grads("clip_grads_with_norm_", parameters), max_norm, norm)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float | Scalar) -> None:
    """Limit each element of the grads of parameters to the range from -clip_value to clip_value."""
    if not check_number("clip_grad_value_ takes a number as clip_value", clip_value) >= 0.0:
        raise ArgumentError(f"clip_grad_value_ takes clip_value of at least 0, got {clip_value!r}.")
    with no_grad():
        for parameter, gradient in _with_grads("clip_grad_value_", parameters):
            parameter.grad = ops.clip(gradient, -clip_value, clip_value)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor], norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """The norm of all elements of tensors together, as one vector: a tensor without axes. See `clip_grad_norm_`."""
    return _checked_norm("get_total_norm", _tensors("get_total_norm", tensors), norm_type, error_if_nonfinite)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of parameters one after the other, as a tensor of one axis.

    >>> import lucid.nn as nn
    >>> parameters_to_vector(nn.Linear(3, 2).parameters()).shape
    (8,)
    """
    return ops.concatenate(
        [ops.reshape(parameter, (-1,)) for parameter in _tensors("parameters_to_vector", parameters)]
    )


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the elements of a tensor of one axis into parameters, one after the other, in place. Raises ShapeError where
    there are more or fewer of them."""
    vec, held = ops.as_tensor(vec), _tensors("vector_to_parameters", parameters)
    count = sum(parameter.size for parameter in held)
    if vec.shape != (count,):
        raise ShapeError(f"vector_to_parameters takes a vector of {count} elements here, got shape {vec.shape}.")
    start = 0
    with no_grad():
        for parameter in held:
            parameter.copy_(ops.reshape(vec[start : start + parameter.size], parameter.shape))
            start += parameter.size


def _tensors(function: str, given: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """One tensor, or several, as a list; ArgumentTypeError for anything else."""
    found = [given] if isinstance(given, Tensor) else as_list(f"{function} takes tensors", given, PASS_PARAMETERS)
    for tensor in found:
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError(f"{function} takes tensors, got {type(tensor).__name__}.", hint=PASS_PARAMETERS)
    return found


def _with_grads(function: str, parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """The parameters that have a grad, and these."""
    found = [(parameter, parameter.grad) for parameter in _tensors(function, parameters)]
    return [(parameter, gradient) for parameter, gradient in found if gradient is not None]


def _checked_norm(function: str, gradients: list[Tensor], p: float, error_if_nonfinite: bool) -> Tensor:
    if not check_number(f"{function} takes a number as norm_type", p) > 0.0:
        raise ArgumentError(f"{function} takes norm_type above 0, got {p!r}.")
    with no_grad():
        norm = _total_norm(gradients, p)
    if as_flag("error_if_nonfinite", error_if_nonfinite):
        check_holds(ops.isfinite(norm), f"{function} takes tensors whose total norm is finite")
    return norm


def _scale(found: list[tuple[Tensor, Tensor]], max_norm: float | Scalar, norm: Tensor) -> None:
    """Scale grads of parameters so that their norm, which is given, is no larger than `max_norm`."""
    with no_grad():
        factor = ops.minimum(max_norm / (norm + 1e-6), 1.0)
        for parameter, gradient in found:
            parameter.grad = gradient * factor.astype(gradient.dtype)


def _total_norm(gradients: list[Tensor], p: float) -> Tensor:
    """The norm of all elements together."""
    total = ops.zeros()
    for gradient in gradients:
        if p == math.inf:
            total = ops.maximum(total, abs(gradient).max()) if gradient.size else total
        elif p == 2.0:
            total = total + (gradient * gradient).sum()
        else:
            total = total + (abs(gradient) ** float(p)).sum()
    if p == 2.0:
        return ops.sqrt(total)
    return total if p in (1.0, math.inf) else total ** (1.0 / p)


if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
