"""Tensors put together from others, and grids of positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lucid.core import Array
from lucid.eager import too_large
from lucid.errors import ArgumentError, ShapeError
from lucid.ir.types import TensorType, int64
from lucid.operations.arguments import as_integer, as_list, as_shape
from lucid.operations.arrangement import meshgrid
from lucid.operations.creation import made, zeros
from lucid.operations.movement import concatenate, expand_dims, reshape, stack
from lucid.operations.operands import Operand, as_tensor

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def hstack(tensors: Sequence[Operand]) -> Tensor:
    """Tensors side by side: along the second axis, or along the first where they have one at most.

    >>> print(hstack([[1, 2], [3]]))
    [1, 2, 3]
    """
    parts = [_with_axes(x, 1) for x in as_list("hstack takes a list of tensors", tensors)]
    return _joined("hstack", parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Operand]) -> Tensor:
    """Tensors one below the other, along the first axis; a vector is a row.

    >>> print(vstack([[1, 2], [3, 4]]))
    [[1, 2], [3, 4]]
    """
    return _joined("vstack", [_with_axes(x, 2) for x in as_list("vstack takes a list of tensors", tensors)], 0)


def dstack(tensors: Sequence[Operand]) -> Tensor:
    """Tensors one behind the other, along the third axis; a vector is a row, a matrix has one layer.

    >>> print(dstack([[1, 2], [3, 4]]))
    [[[1, 3], [2, 4]]]
    """
    rows = [_with_axes(x, 2) for x in as_list("dstack takes a list of tensors", tensors)]
    return _joined("dstack", [expand_dims(x, -1) if x.ndim == 2 else x for x in rows], 2)


def _joined(name: str, parts: list[Tensor], axis: int) -> Tensor:
    """What `concatenate` gives, with the error of the function that was called where shapes differ in another axis."""
    if len({(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}) > 1:
        shapes = ", ".join(str(part.shape) for part in parts)
        raise ShapeError(f"{name} takes shapes equal but for axis {axis}, got {shapes}.")
    return concatenate(parts, axis)


def _with_axes(x: Operand, rank: int) -> Tensor:
    """x with new leading axes, where it has fewer than `rank`."""
    tensor = as_tensor(x)
    return reshape(tensor, (*(1,) * (rank - tensor.ndim), *tensor.shape)) if tensor.ndim < rank else tensor


def block_diag(*tensors: Operand) -> Tensor:
    """A matrix of zeros with matrices on its diagonal; a vector is a row.

    >>> print(block_diag([[1, 2]], [[3]]))
    [[1, 2, 0], [0, 0, 3]]
    """
    blocks = [_with_axes(x, 2) for x in tensors]
    if any(block.ndim != 2 for block in blocks):
        raise ShapeError(f"block_diag takes matrices, got shapes {', '.join(str(x.shape) for x in blocks)}.")
    if not blocks:
        raise ArgumentError("block_diag takes at least one matrix.")
    width, start, rows = sum(block.shape[1] for block in blocks), 0, []
    for block in blocks:
        count, own = block.shape
        sides = [zeros((count, extent), dtype=block.dtype) for extent in (start, width - start - own)]
        rows.append(concatenate([sides[0], block, sides[1]], 1))
        start += own
    return concatenate(rows, 0)


def cartesian_prod(*tensors: Operand) -> Tensor:
    """Each combination of an element of each vector as a row, the last one changing fastest; one vector is itself.

    >>> print(cartesian_prod([1, 2], [3, 4]))
    [[1, 3], [1, 4], [2, 3], [2, 4]]
    """
    if len(tensors) == 1:
        return as_tensor(tensors[0])
    if not tensors:
        raise ArgumentError("cartesian_prod takes at least one vector.")
    return reshape(stack(meshgrid(*tensors, indexing="ij"), -1), (-1, len(tensors)))


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: object = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The rows and the columns of the elements of a matrix up to a diagonal, in row-major order, as int64 unless given.

    >>> print(tril_indices(2, 2))
    [[0, 1, 1], [0, 0, 1]]
    """
    return made(as_tensor(_places(np.tril_indices, row, offset, col), dtype), device, requires_grad)


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: object = None,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """The rows and the columns of the elements of a matrix from a diagonal on: see `tril_indices`.

    >>> print(triu_indices(2, 2))
    [[0, 0, 1], [0, 1, 1]]
    """
    return made(as_tensor(_places(np.triu_indices, row, offset, col), dtype), device, requires_grad)


def _places(triangle: Callable[..., tuple[Array, Array]], rows: int, offset: int, columns: int) -> Array:
    what = f"{triangle.__name__} takes integers"
    rows, columns = as_shape([as_integer(what, extent) for extent in (rows, columns)])
    offset = min(max(as_integer(what, offset), -rows), columns)
    try:
        return np.stack(triangle(rows, offset, columns))
    except MemoryError as error:
        raise too_large([TensorType(int64, (2, rows * columns))]) from error
