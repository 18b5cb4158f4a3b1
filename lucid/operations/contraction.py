"""Matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import broadcast_shapes, promote
from lucid.operations.arguments import Axes, as_integer, as_integers, by_other_names, one_axis
from lucid.operations.elementwise import multiply
from lucid.operations.movement import permute, reshape, squeeze
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
        transposed = b.ndim > 1 and left.shape[-1] == right.shape[-1]
        raise ShapeError(
            f"matmul takes operands that share the summed axis, got shapes {a.shape} and {b.shape}.",
            hint="transpose the second one: x @ y.mT." if transposed else None,
        )
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


def dot(x: Operand, y: Operand) -> Tensor:
    """The sum of the products of the elements of two vectors."""
    a, b = as_tensor(x), as_tensor(y)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"dot takes two vectors, got shapes {a.shape} and {b.shape}.", hint="use matmul or tensordot")
    return matmul(a, b)


def bmm(x: Operand, y: Operand) -> Tensor:
    """The matrix product of each pair in two batches: (b, n, k) and (b, k, m) give (b, n, m)."""
    a, b = as_tensor(x), as_tensor(y)
    if a.ndim != 3 or b.ndim != 3 or a.shape[0] != b.shape[0]:
        raise ShapeError(
            f"bmm takes two batches of as many matrices, got shapes {a.shape} and {b.shape}.", hint="matmul broadcasts"
        )
    return matmul(a, b)


def outer(x: Operand, y: Operand) -> Tensor:
    """The product of each element of a vector with each of another: element (i, j) is x[i] * y[j]."""
    a, b = as_tensor(x), as_tensor(y)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"outer takes two vectors, got shapes {a.shape} and {b.shape}.")
    return multiply(reshape(a, (-1, 1)), b)


def tensordot(x: Operand, y: Operand, axes: int | Sequence[Axes] = 2, **aliases: Any) -> Tensor:
    """The sum of products over pairs of axes: the last `axes` of x with the first of y, or those of two lists.

    `axes` may be written `dims`. The result has the other axes of x, then those of y.
    """
    a, b = as_tensor(x), as_tensor(y)
    (axes,) = by_other_names("tensordot", aliases, dims=axes)
    if isinstance(axes, Sequence) and len(axes) == 2:
        left, right = (as_integers("an axis is an integer", () if group is None else group) for group in axes)
    else:
        count = as_integer("tensordot takes a number of axes, or two lists of them", axes)
        if not 0 <= count <= min(a.ndim, b.ndim):
            raise ShapeError(
                f"tensordot over {count} axes takes operands of as many, got shapes {a.shape} and {b.shape}."
            )
        left, right = tuple(range(a.ndim - count, a.ndim)), tuple(range(count))
    if len(left) != len(right):
        raise ShapeError(f"tensordot takes as many axes of one operand as of the other, got {left} and {right}.")
    left, right = (tuple(one_axis(axis, t.ndim) for axis in group) for group, t in ((left, a), (right, b)))
    if [a.shape[axis] for axis in left] != [b.shape[axis] for axis in right]:
        raise ShapeError(
            f"tensordot takes axes of equal extents, got shapes {a.shape} and {b.shape} for axes {left} and {right}."
        )
    of_a = [axis for axis in range(a.ndim) if axis not in left]
    of_b = [axis for axis in range(b.ndim) if axis not in right]
    count = math.prod(a.shape[axis] for axis in left)
    rows = reshape(permute(a, [*of_a, *left]), (math.prod(a.shape[axis] for axis in of_a), count))
    columns = reshape(permute(b, [*right, *of_b]), (count, math.prod(b.shape[axis] for axis in of_b)))
    return reshape(matmul(rows, columns), [*(a.shape[axis] for axis in of_a), *(b.shape[axis] for axis in of_b)])
