"""Operations that turn, cut and repeat tensors, all of them compositions of movements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lucid.errors import ArgumentError, ShapeError
from lucid.operations.arguments import Axes, as_choice, as_integer, as_integers, by_other_names, normal_axes, one_axis
from lucid.operations.creation import arange, zeros
from lucid.operations.elementwise import where
from lucid.operations.indexing import get_item
from lucid.operations.movement import concatenate, expand_dims, permute, reshape
from lucid.operations.operands import Operand, as_tensor, broadcast_to
from lucid.operations.reduction import sum as total

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def moveaxis(x: Operand, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """x with axes moved to other places; the others keep their order."""
    tensor = as_tensor(x)
    sources, targets = (
        [one_axis(axis, tensor.ndim) for axis in as_integers("an axis is an integer", axes)]
        for axes in (source, destination)
    )
    if len(sources) != len(targets):
        raise ArgumentError(f"moveaxis takes as many axes as places, got {source} and {destination}.")
    order = [axis for axis in range(tensor.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return permute(tensor, order)


def flip(x: Operand, axis: Axes = None, **aliases: Any) -> Tensor:
    """x in reverse order along axes, all of them by default."""
    tensor = as_tensor(x)
    (axis,) = by_other_names("flip", aliases, dims=axis)
    axes = normal_axes(axis, tensor.ndim)
    return get_item(tensor, tuple(slice(None, None, -1 if a in axes else 1) for a in range(tensor.ndim)))


def roll(x: Operand, shifts: int | Sequence[int], axis: Axes = None, **aliases: Any) -> Tensor:
    """x with its elements moved on by a shift along each axis, and those that leave the end put at the start.

    Without axes, the elements are moved in row-major order.
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("roll", aliases, dims=axis)
    if axis is None:
        return reshape(roll(reshape(tensor, (tensor.size,)), shifts, 0), tensor.shape)
    every, axes = as_integers("a shift is an integer", shifts), as_integers("an axis is an integer", axis)
    if len(every) != len(axes):
        raise ArgumentError(f"roll takes a shift for each axis, got {shifts} and {axis}.")
    for by, along in zip(every, axes, strict=True):
        a = one_axis(along, tensor.ndim)
        start = -by % max(tensor.shape[a], 1)
        if start:
            before = (slice(None),) * a
            parts = [get_item(tensor, (*before, slice(start, None))), get_item(tensor, (*before, slice(start)))]
            tensor = concatenate(parts, a)
    return tensor


def split(x: Operand, split_size_or_sections: int | Sequence[int], axis: int = 0, **aliases: Any) -> tuple[Tensor, ...]:
    """x cut along an axis into parts of one size, the last of which may be smaller, or of the sizes that are given."""
    tensor = as_tensor(x)
    (axis,) = by_other_names("split", aliases, dim=axis)
    a = one_axis(axis, tensor.ndim)
    extent, size = tensor.shape[a], split_size_or_sections
    sizes = as_integers("split takes sizes that are integers", size)
    if not isinstance(size, Iterable) or not getattr(size, "ndim", 1):
        (size,) = sizes
        if size < 1:
            raise ArgumentError(f"split takes parts of at least one element, got size {size}.")
        sizes = tuple(min(size, extent - start) for start in range(0, extent, size)) or (0,)
    if sum(sizes) != extent or any(part < 0 for part in sizes):
        raise ShapeError(f"split takes sizes that sum to the extent {extent} of axis {a}, got {sizes}.")
    ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
    before = (slice(None),) * a
    return tuple(get_item(tensor, (*before, slice(end - part, end))) for part, end in zip(sizes, ends, strict=True))


def chunk(x: Operand, chunks: int, axis: int = 0, **aliases: Any) -> tuple[Tensor, ...]:
    """x cut along an axis into at most `chunks` parts of one size, the last of which may be smaller."""
    tensor = as_tensor(x)
    chunks = as_integer("chunk takes a number of parts", chunks)
    if chunks < 1:
        raise ArgumentError(f"chunk takes at least one part, got chunks={chunks}.")
    (axis,) = by_other_names("chunk", aliases, dim=axis)
    a = one_axis(axis, tensor.ndim)
    return split(tensor, max(-(-tensor.shape[a] // chunks), 1), a)


def tensor_split(x: Operand, indices_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """x cut along an axis into a number of parts, the first of which may have one element more than the others, or
    before each of the positions that are given.

    >>> print(*tensor_split([1, 2, 3, 4, 5], 2), *tensor_split([1, 2, 3], (1,)))
    [1, 2, 3] [4, 5] [1] [2, 3]
    """
    tensor = as_tensor(x)
    a = one_axis(dim, tensor.ndim)
    extent, given = tensor.shape[a], indices_or_sections
    ends = as_integers("tensor_split takes integers", given)
    if not isinstance(given, Iterable) or not getattr(given, "ndim", 1):
        (count,) = ends
        if count < 1:
            raise ArgumentError(f"tensor_split takes at least one part, got {count}.")
        short, longer = divmod(extent, count)
        ends = tuple(number * short + min(number, longer) for number in range(1, count))
    before = (slice(None),) * a
    edges = zip((0, *ends), (*ends, extent), strict=True)
    return tuple(get_item(tensor, (*before, slice(start, end))) for start, end in edges)


def select(x: Operand, dim: int, index: int) -> Tensor:
    """The part of x at a position on an axis, without that axis. A negative position counts from the end.

    >>> print(select([[1, 2], [3, 4]], 1, -1))
    [2, 4]
    """
    tensor = as_tensor(x)
    a = one_axis(dim, tensor.ndim)
    return get_item(tensor, (*(slice(None),) * a, as_integer("select takes a position that is an integer", index)))


def unbind(x: Operand, axis: int = 0, **aliases: Any) -> tuple[Tensor, ...]:
    """The parts of x along an axis, without it.

    >>> print(*unbind([[1, 2], [3, 4]], 1))
    [1, 3] [2, 4]
    """
    tensor = as_tensor(x)
    (axis,) = by_other_names("unbind", aliases, dim=axis)
    a = one_axis(axis, tensor.ndim)
    return tuple(get_item(tensor, (*(slice(None),) * a, number)) for number in range(tensor.shape[a]))


def narrow(x: Operand, dim: int, start: int, length: int) -> Tensor:
    """The elements of x from a position on along an axis, `length` of them. A negative start counts from the end.

    >>> print(narrow([1, 2, 3, 4], 0, 1, 2))
    [2, 3]
    """
    tensor = as_tensor(x)
    a = one_axis(dim, tensor.ndim)
    first, count = (as_integer("narrow takes integers", value) for value in (start, length))
    extent = tensor.shape[a]
    first += extent if first < 0 else 0
    if not 0 <= first <= first + count <= extent or count < 0:
        raise ShapeError(f"narrow takes a part of axis {a} with extent {extent}, got start={start}, length={length}.")
    return get_item(tensor, (*(slice(None),) * a, slice(first, first + count)))


def unflatten(x: Operand, dim: int, sizes: Sequence[int]) -> Tensor:
    """x with an axis split into several of the given extents, one of which may be -1.

    >>> unflatten([1, 2, 3, 4], 0, (2, -1)).shape
    (2, 2)
    """
    tensor = as_tensor(x)
    a, given = one_axis(dim, tensor.ndim), as_integers("unflatten takes sizes that are integers", sizes)
    extent, known = tensor.shape[a], -math.prod(given)
    split_sizes = [extent // known if size == -1 and known > 0 else size for size in given]
    if math.prod(split_sizes) != extent or min(split_sizes, default=0) < 0:
        raise ShapeError(f"axis {dim} of shape {tensor.shape} does not split into {given}.")
    return reshape(tensor, (*tensor.shape[:a], *split_sizes, *tensor.shape[a + 1 :]))


def tile(x: Operand, dims: int | Sequence[int]) -> Tensor:
    """x repeated side by side along each axis, as often as `dims` says; fewer numbers than x has axes are for its last
    ones."""
    tensor = as_tensor(x)
    counts = [*as_integers("tile takes numbers of repeats", dims)]
    if any(count < 0 for count in counts):
        raise ArgumentError(f"tile takes numbers of repeats from 0 on, got {tuple(counts)}.")
    rank = max(len(counts), tensor.ndim)
    counts = [1] * (rank - len(counts)) + counts
    shape = (1,) * (rank - tensor.ndim) + tensor.shape
    pairs = [extent for extent in shape for extent in (1, extent)]
    stretched = [extent for count, inner in zip(counts, shape, strict=True) for extent in (count, inner)]
    joined = [count * extent for count, extent in zip(counts, shape, strict=True)]
    return reshape(broadcast_to(reshape(tensor, pairs), stretched), joined)


def meshgrid(*lines: Operand, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Tensors of one axis spread over a grid: result i has the elements of line i along its own axis of the grid.

    With `indexing="xy"`, as in NumPy, the first line runs along the second axis; with "ij" along the first.
    """
    as_choice('meshgrid takes indexing="xy" or "ij"', indexing, ("xy", "ij"))
    tensors = [as_tensor(line) for line in lines]
    if any(tensor.ndim != 1 for tensor in tensors):
        raise ShapeError(f"meshgrid takes tensors of one axis, got shapes {', '.join(str(t.shape) for t in tensors)}.")
    order = list(range(len(tensors)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    shape = [tensors[number].shape[0] for number in order]
    grids = []
    for number, tensor in enumerate(tensors):
        place = order.index(number)
        grids.append(broadcast_to(reshape(tensor, [-1 if axis == place else 1 for axis in range(len(shape))]), shape))
    return tuple(grids)


def tril(x: Operand, k: int = 0, **aliases: Any) -> Tensor:
    """x with zeros above diagonal k of its last two axes: 0 is the main one, those above are positive."""
    (k,) = by_other_names("tril", aliases, diagonal=k)
    return _triangle("tril", x, k, lower=True)


def triu(x: Operand, k: int = 0, **aliases: Any) -> Tensor:
    """x with zeros below diagonal k of its last two axes: 0 is the main one, those above are positive."""
    (k,) = by_other_names("triu", aliases, diagonal=k)
    return _triangle("triu", x, k, lower=False)


def _triangle(name: str, x: Operand, k: int, lower: bool) -> Tensor:
    tensor = as_tensor(x)
    if tensor.ndim < 2:
        raise ShapeError(f"{name} takes a tensor of at least two axes, got shape {tensor.shape}.")
    diagonal = as_integer(f"{name} takes the number of a diagonal", k)
    rows, columns = tensor.shape[-2:]
    distance = expand_dims(arange(columns), 0) - expand_dims(arange(rows), 1)
    return where(distance <= diagonal if lower else distance >= diagonal, tensor, False)  # of any dtype


def diagonal(x: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1, **aliases: Any) -> Tensor:
    """The elements x[i, i + offset] along two axes, as the last axis of the result."""
    tensor = as_tensor(x)
    axes = by_other_names("diagonal", aliases, dim1=axis1, dim2=axis2)
    offset = as_integer("diagonal takes an offset that is an integer", offset)
    first, second = (one_axis(axis, tensor.ndim) for axis in axes)
    if first == second:
        raise ShapeError(f"diagonal takes two different axes, got {axes[0]} and {axes[1]}.")
    kept = [axis for axis in range(tensor.ndim) if axis not in (first, second)]
    moved = permute(tensor, [*kept, first, second])
    rows, columns = moved.shape[-2:]
    start = offset if offset >= 0 else -offset * columns
    count = max(min(rows + min(offset, 0), columns - max(offset, 0)), 0)
    lines = reshape(moved, (*moved.shape[:-2], rows * columns))
    stop = start + count * (columns + 1)
    return get_item(lines, (..., slice(start, stop, columns + 1)))


def diag(x: Operand, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or a square matrix of zeros with a vector on its diagonal: see `diagonal`.

    >>> print(diag([1, 2]))
    [[1, 0], [0, 2]]
    """
    tensor = as_tensor(x)
    if tensor.ndim == 2:
        return _diagonal_of(tensor, diagonal)
    if tensor.ndim != 1:
        raise ShapeError(f"diag takes a vector or a matrix, got shape {tensor.shape}.")
    return diag_embed(tensor, diagonal)


def diag_embed(x: Operand, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Square matrices of zeros, along two axes of the result, with the last axis of x on their diagonals: `diagonal`
    gives it back.

    >>> print(diag_embed([1, 2], offset=1))
    [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    """
    tensor = as_tensor(x)
    if not tensor.ndim:
        raise ShapeError("diag_embed takes a tensor with axes, got shape ().")
    by = as_integer("diag_embed takes an offset that is an integer", offset)
    edge = zeros((*tensor.shape[:-1], abs(by)), dtype=tensor.dtype)
    row = concatenate([edge, tensor] if by > 0 else [tensor, edge], -1)  # each row, but for what is off the diagonal
    extent = row.shape[-1]
    distance = expand_dims(arange(extent), 0) - expand_dims(arange(extent), 1)
    matrices = where(distance == by, broadcast_to(expand_dims(row, -2), (*row.shape, extent)), False)  # of any dtype
    return moveaxis(matrices, (-2, -1), (dim1, dim2))


def _diagonal_of(matrix: Tensor, offset: int = 0) -> Tensor:
    return diagonal(matrix, offset)  # `diag` has an argument of that name


def trace(x: Operand) -> Tensor:
    """The sum of the diagonal of a matrix.

    >>> print(trace([[1, 2], [3, 4]]))
    5
    """
    tensor = as_tensor(x)
    if tensor.ndim != 2:
        raise ShapeError(f"trace takes a matrix, got shape {tensor.shape}.")
    return total(diagonal(tensor))


def rot90(x: Operand, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """x turned by k quarters, from the first axis of `dims` towards the second.

    >>> print(rot90([[1, 2], [3, 4]]))
    [[2, 4], [1, 3]]
    """
    tensor = as_tensor(x)
    axes = as_integers("rot90 takes axes that are integers", dims)
    first, second = (one_axis(axis, tensor.ndim) for axis in axes) if len(axes) == 2 else (0, 0)
    if first == second:
        raise ShapeError(f"rot90 takes two different axes, got {axes}.")
    quarters = as_integer("rot90 takes a number of quarters", k) % 4
    if quarters == 2:
        return flip(tensor, (first, second))
    order = list(range(tensor.ndim))
    order[first], order[second] = second, first
    if quarters == 1:
        return permute(flip(tensor, second), order)
    return flip(permute(tensor, order), second) if quarters == 3 else tensor
