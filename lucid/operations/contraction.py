"""Matrix products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import (
    broadcast_shapes,
    promote,
)
from lucid.operations.movement import reshape, squeeze
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def matmul(x: Operand, y: Operand) -> Tensor:
    """The matrix product over the last axis of x and the second to last of y; leading axes broadcast, and vectors
    are rows on the left, columns on the right. Operands have one dtype: raises DTypeError otherwise."""
    a, b = as_tensor(x), as_tensor(y)
    if a.dtype != b.dtype:
        wide, narrow = (a, b) if a.dtype == promote(a.dtype, b.dtype) else (b, a)
        raise DTypeError(
            f"matmul takes operands of one dtype, got {a.dtype} and {b.dtype}.",
            hint=f'cast one of them: x.astype("{narrow.dtype if wide.dtype.is_float else wide.dtype}")',
        )
    if not a.dtype.is_float:
        raise DTypeError(f"matmul takes floats, got {a.dtype}.", hint='cast the operands: x.astype("float32")')
    if not a.ndim or not b.ndim:
        raise ShapeError(f"matmul takes operands with axes, got shapes {a.shape} and {b.shape}.")
    left = reshape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ShapeError(f"matmul takes operands that share the summed axis, got shapes {a.shape} and {b.shape}.")
    if right.ndim == 2 and left.ndim > 2:  # one product of all rows instead of many small ones
        rows = reshape(left, (math.prod(left.shape[:-1]), left.shape[-1]))
        result = reshape(apply_op(Matmul(), rows, right), (*left.shape[:-1], right.shape[-1]))
    else:
        try:
            batch = broadcast_shapes(left.shape[:-2], right.shape[:-2])
        except ValueError:
            raise ShapeError(f"the leading axes of {a.shape} and {b.shape} do not broadcast.") from None
        left = broadcast_to(left, (*batch, *left.shape[-2:]))
        right = broadcast_to(right, (*batch, *right.shape[-2:]))
        result = apply_op(Matmul(), left, right)
    if a.ndim == 1:
        result = squeeze(result, -2)
    return squeeze(result, -1) if b.ndim == 1 else result
