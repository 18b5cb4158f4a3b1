"""Layers that multiply by a weight."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lucid.operations as ops
from lucid.errors import DTypeError, ShapeError
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def linear(input: Input, weight: Input, bias: Input | None = None) -> Tensor:
    """x @ weight.T + bias.

    input: (..., in), weight: (out, in), bias: (out,); the result is (..., out). Raises ShapeError and DTypeError.
    """
    tensor, weight = ops.as_tensor(input), ops.as_tensor(weight)
    if weight.ndim != 2:
        raise ShapeError(f"a linear layer has a weight of shape (out, in), got {weight.shape}.")
    if tensor.ndim == 0 or tensor.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"a linear layer with a weight of shape {weight.shape} takes inputs of shape (..., {weight.shape[1]}), "
            f"got {tensor.shape}.",
            hint=_hint(tensor.shape, weight.shape),
        )
    _check_dtype("linear", tensor, weight)
    product = ops.matmul(tensor, weight.T)
    return product if bias is None else product + bias


def _hint(shape: Sequence[int], weight: Sequence[int]) -> str | None:
    """What to write where a layer does not fit its input."""
    if math.prod(shape[1:]) == weight[1]:
        return "join the axes behind the first: x.flatten(1), or nn.Flatten() before the layer."
    return f"a layer for these inputs is nn.Linear({shape[-1]}, {weight[0]})." if len(shape) == 2 else None


def bilinear(input1: Input, input2: Input, weight: Input, bias: Input | None = None) -> Tensor:
    """input1 @ weight[k] @ input2 + bias[k] for each k.

    input1: (..., in1), input2: (..., in2), weight: (out, in1, in2), bias: (out,); the result is (..., out). Raises
    ShapeError and DTypeError.
    """
    left, right, weight = ops.as_tensor(input1), ops.as_tensor(input2), ops.as_tensor(weight)
    if weight.ndim != 3:
        raise ShapeError(f"a bilinear layer has a weight of shape (out, in1, in2), got {weight.shape}.")
    outputs, inputs1, inputs2 = weight.shape
    if left.shape[:-1] != right.shape[:-1] or left.shape[-1:] != (inputs1,) or right.shape[-1:] != (inputs2,):
        raise ShapeError(
            f"a bilinear layer with a weight of shape {weight.shape} takes inputs of shapes (..., {inputs1}) and "
            f"(..., {inputs2}), got {left.shape} and {right.shape}."
        )
    for tensor in (left, right):
        _check_dtype("bilinear", tensor, weight)
    rows = weight.permute(1, 0, 2).reshape(inputs1, outputs * inputs2)
    forms = ops.matmul(left, rows).reshape(*left.shape[:-1], outputs, inputs2)
    product = (forms * right.unsqueeze(-2)).sum(-1)
    return product if bias is None else product + bias


def _check_dtype(layer: str, x: Tensor, weight: Tensor) -> None:
    if x.dtype != weight.dtype:
        raise DTypeError(
            f"a {layer} layer with a {weight.dtype} weight takes {weight.dtype} inputs, got {x.dtype}.",
            hint=f'cast the input: x.astype("{weight.dtype}")',
        )
