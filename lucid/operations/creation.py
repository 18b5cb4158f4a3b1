"""Making tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lucid.conversion import to_array
from lucid.core import Number, TensorCore
from lucid.ir.ops.structure import Iota, normalized
from lucid.ir.types import (
    Shape,
    TensorType,
    as_dtype,
    float32,
    int64,
)
from lucid.modes import current_tracer
from lucid.operations.operands import apply_op, cast, integers

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def _shape(shape: Any) -> Shape:
    return integers(shape)


def full(shape: Sequence[int], value: Number, dtype: object = None) -> Tensor:
    """A tensor of a shape with one value everywhere; its dtype is that of `Tensor(value)` unless given."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    chosen = as_dtype(dtype) if dtype is not None else as_dtype(to_array(value).dtype)
    type = TensorType(chosen, shape)
    tracer = current_tracer()
    if tracer is not None:
        return tracer.constant(normalized(value, type), type)
    return TensorCore._wrap(np.full(shape, value, chosen.numpy))


def zeros(*shape: int | Sequence[int], dtype: object = float32) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2, 3).shape
    (2, 3)
    """
    return full(_shape(shape), 0, dtype)


def ones(*shape: int | Sequence[int], dtype: object = float32) -> Tensor:
    """A tensor of ones."""
    return full(_shape(shape), 1, dtype)


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of the type of x."""
    return full(x.shape, 0, x.dtype)


def ones_like(x: Tensor) -> Tensor:
    """Ones of the type of x."""
    return full(x.shape, 1, x.dtype)


def full_like(x: Tensor, value: Number) -> Tensor:
    """One value everywhere, in the type of x."""
    return full(x.shape, value, x.dtype)


def arange(start: int, stop: int | None = None, dtype: object = int64) -> Tensor:
    """The integers from start (0 where one bound is given) to stop, stop excluded, as a tensor of one axis.

    >>> print(arange(3))
    [0, 1, 2]
    """
    first, last = (0, start) if stop is None else (start, stop)
    count = max(last - first, 0)
    line = apply_op(Iota(0, TensorType(int64, (count,))))
    return cast(line + first if first else line, as_dtype(dtype))
