"""What convolutions and pools have in common: arguments for each spatial axis, and inputs without a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError, argument_error
from lucid.tensor import Array, Tensor

Input = Tensor | Array
Size = int | Sequence[int]


def each_axis(owner: str, name: str, value: Size, axes: int, at_least: int = 1) -> tuple[int, ...]:
    """An integer for each axis, from one for all or a sequence, or an ArgumentError where one is too small."""
    values = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    whole = all(isinstance(v, int) and not isinstance(v, bool) and v >= at_least for v in values)
    if len(values) != axes or not whole or isinstance(value, str):
        count = f"an integer or {axes} integers" if axes > 1 else "an integer"
        wrong = next((v for v in values if not isinstance(v, int)), value)
        raise argument_error(
            wrong, int | tuple | list, f"{owner} takes {count} of at least {at_least} as {name}, got {value!r}."
        )
    if max(values, default=0) >= 2**31:
        raise ArgumentError(f"{owner} takes {name} below 2^31, got {value!r}.")
    return values


def with_batch(owner: str, x: Input, axes: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of inputs (N, C, *spatial) applied to x, which may lack N: then the result lacks it, too."""
    tensor = ops.as_tensor(x)
    if tensor.ndim == axes + 1:
        return ops.squeeze(function(ops.expand_dims(tensor, 0)), 0)
    if tensor.ndim != axes + 2:
        raise ShapeError(f"{owner} takes inputs of {axes + 2} axes, or {axes + 1} without a batch, got {tensor.shape}.")
    return function(tensor)
