"""Matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lucid.core import Number
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.ir.ops.contraction import Matmul
from lucid.ir.types import TensorType, bool_, broadcast_shapes, promote
from lucid.operations.arguments import Axes, as_integer, as_integers, by_other_names, check_number, one_axis
from lucid.operations.arrangement import roll
from lucid.operations.creation import eye
from lucid.operations.elementwise import add, clone, multiply, scaled, subtract, where
from lucid.operations.movement import expand_dims, permute, reshape, squeeze
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to, common, constant
from lucid.operations.reduction import norm

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def matmul(x: Operand, y: Operand) -> Tensor:
    """The matrix product over the last axis of x and the second to last of y; leading axes broadcast, and vectors
    are rows on the left, columns on the right. Products of integers wrap around. Operands have one dtype: raises
    DTypeError otherwise."""
    a, b = as_tensor(x), as_tensor(y)
    if a.dtype != b.dtype:
        wide = promote(a.dtype, b.dtype)
        which = "both" if wide not in (a.dtype, b.dtype) else "the second one" if wide == a.dtype else "the first one"
        raise DTypeError(
            f"matmul takes operands of one dtype, got {a.dtype} and {b.dtype}.",
            hint=f'cast {which} with .astype("{wide}").',
        )
    if a.dtype == bool_:
        raise DTypeError("matmul takes numbers, got bool.", hint='cast the operands: x.astype("float32")')
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
        if count < 0:
            raise ArgumentError(f"tensordot takes a number of axes from 0 on, got {count}.")
        if not count <= min(a.ndim, b.ndim):
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


def mv(x: Operand, y: Operand) -> Tensor:
    """The product of a matrix with a vector.

    >>> print(mv([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]))
    [3.0, 7.0]
    """
    a, b = as_tensor(x), as_tensor(y)
    if a.ndim != 2 or b.ndim != 1:
        raise ShapeError(f"mv takes a matrix and a vector, got shapes {a.shape} and {b.shape}.", hint="use matmul")
    return matmul(a, b)


def inner(x: Operand, y: Operand) -> Tensor:
    """The sum of the products of elements along the last axes of x and y; the result has the other axes of both.

    >>> print(inner([1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]]))
    [11.0, 17.0]
    """
    a, b = as_tensor(x), as_tensor(y)
    return tensordot(a, b, ([-1], [-1])) if a.ndim and b.ndim else multiply(a, b)


def addmm(x: Operand, mat1: Operand, mat2: Operand, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * x + alpha * (mat1 @ mat2), of two matrices and what broadcasts to their product.

    >>> print(addmm([1.0, 2.0], [[1.0], [2.0]], [[3.0, 4.0]]))
    [[4.0, 6.0], [7.0, 10.0]]
    """
    return _added("addmm", (2, 2), x, mat1, mat2, beta, alpha)


def addmv(x: Operand, mat: Operand, vec: Operand, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * x + alpha * (mat @ vec), of a matrix, a vector and what broadcasts to their product.

    >>> print(addmv(1.0, [[1.0, 2.0]], [3.0, 4.0]))
    [12.0]
    """
    return _added("addmv", (2, 1), x, mat, vec, beta, alpha)


def baddbmm(x: Operand, batch1: Operand, batch2: Operand, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * x + alpha * bmm(batch1, batch2), where x broadcasts to the product.

    >>> print(baddbmm(1.0, [[[1.0, 2.0]]], [[[3.0], [4.0]]]))
    [[[12.0]]]
    """
    return _added("baddbmm", (3, 3), x, batch1, batch2, beta, alpha)


def addbmm(x: Operand, batch1: Operand, batch2: Operand, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * x + alpha * the sum of the products of each pair in two batches: (b, n, k) and (b, k, m) give (n, m).

    >>> print(addbmm(1.0, [[[1.0, 2.0]], [[3.0, 4.0]]], [[[1.0], [1.0]], [[1.0], [1.0]]]))
    [[11.0]]
    """
    a, b = as_tensor(batch1), as_tensor(batch2)
    if a.ndim != 3 or b.ndim != 3 or (a.shape[0], a.shape[2]) != b.shape[:2]:
        raise ShapeError(f"addbmm takes batches (b, n, k) and (b, k, m), got {a.shape} and {b.shape}.")
    rows = reshape(permute(a, (1, 0, 2)), (a.shape[1], a.shape[0] * a.shape[2]))
    return addmm(x, rows, reshape(b, (b.shape[0] * b.shape[1], b.shape[2])), beta=beta, alpha=alpha)


def addr(x: Operand, vec1: Operand, vec2: Operand, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
    """beta * x + alpha * outer(vec1, vec2), where x broadcasts to the product.

    >>> print(addr(1.0, [1.0, 2.0], [3.0]))
    [[4.0], [7.0]]
    """
    return _sum_with("addr", x, outer(vec1, vec2), beta, alpha)


def matrix_power(x: Operand, n: int) -> Tensor:
    """The product of n square matrices x, from n = 0 on, which gives the identity.

    >>> print(matrix_power([[1, 1], [1, 0]], 6))
    [[13, 8], [8, 5]]
    """
    tensor, count = as_tensor(x), as_integer("matrix_power takes an exponent that is an integer", n)
    if tensor.ndim < 2 or tensor.shape[-1] != tensor.shape[-2]:
        raise ShapeError(f"matrix_power takes square matrices, got shape {tensor.shape}.")
    if count < 0:
        raise ArgumentError(f"matrix_power takes an exponent from 0 on, got {count}.")
    if count == 0:
        return where(constant(True, TensorType(bool_, tensor.shape)), eye(tensor.shape[-1], dtype=tensor.dtype), tensor)
    if count == 1:
        return clone(tensor)
    half = matrix_power(tensor, count // 2)
    square = matmul(half, half)
    return matmul(square, tensor) if count % 2 else square


def _added(
    name: str, ranks: tuple[int, int], x: Operand, left: Operand, right: Operand, beta: Number, alpha: Number
) -> Tensor:
    a, b = as_tensor(left), as_tensor(right)
    if (a.ndim, b.ndim) != ranks:
        raise ShapeError(f"{name} takes operands of {ranks[0]} and {ranks[1]} axes, got {a.shape} and {b.shape}.")
    return _sum_with(name, x, bmm(a, b) if ranks == (3, 3) else matmul(a, b), beta, alpha)


def _sum_with(name: str, x: Operand, product: Tensor, beta: Number, alpha: Number) -> Tensor:
    """beta * x + alpha * product, of its shape."""
    added = as_tensor(scaled(name, product, alpha))
    if check_number(f"{name} takes a number as beta", beta) == 0:  # then not even NaN of x counts
        return added
    return add(broadcast_to(scaled(name, x, beta), product.shape), added)


def kron(x: Operand, y: Operand) -> Tensor:
    """The Kronecker product: x with each element replaced by its product with y.

    >>> print(kron([1, 2], [3, 4]))
    [3, 4, 6, 8]
    """
    a, b = as_tensor(x), as_tensor(y)
    rank = max(a.ndim, b.ndim)
    left, right = ((1,) * (rank - t.ndim) + t.shape for t in (a, b))
    spread = reshape(a, [extent for e in left for extent in (e, 1)])
    return reshape(
        multiply(spread, reshape(b, [extent for e in right for extent in (1, e)])),
        [e * f for e, f in zip(left, right, strict=True)],
    )


def cross(x: Operand, y: Operand, dim: int = -1) -> Tensor:
    """The cross product of vectors of three elements along an axis; other axes broadcast.

    >>> print(cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
    [0.0, 0.0, 1.0]
    """
    a, b = common((x, y))
    axis = one_axis(dim, a.ndim)
    if a.shape[axis] != 3:
        raise ShapeError(f"cross takes vectors of three elements along axis {dim}, got shape {a.shape}.")
    turned = [(roll(a, -1, axis), roll(b, -2, axis)), (roll(a, -2, axis), roll(b, -1, axis))]
    return subtract(*(multiply(u, v) for u, v in turned))


def cdist(x1: Operand, x2: Operand, p: float = 2.0) -> Tensor:
    """The distance of each row of x1 (..., P, M) to each row of x2 (..., R, M), by the p-norm: (..., P, R).

    >>> print(cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]]))
    [[5.0, 1.0]]
    """
    a, b = as_tensor(x1), as_tensor(x2)
    if min(a.ndim, b.ndim) < 2 or a.shape[-1] != b.shape[-1]:
        raise ShapeError(f"cdist takes rows of one length, (..., P, M) and (..., R, M), got {a.shape} and {b.shape}.")
    if not check_number("cdist takes a number as p", p) >= 0.0:
        raise ArgumentError(f"cdist takes p of at least 0, got {p!r}.")
    return norm(expand_dims(a, -2) - expand_dims(b, -3), p, -1)
