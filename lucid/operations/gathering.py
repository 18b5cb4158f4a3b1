"""Reading and adding at integer tensors.

Indices are integers of any dtype, negative ones counting from the end. They are checked: one that is out of range
raises CheckError, in a compiled step before anything is written. Gradients of what is read are added up in the order
of the indices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lucid.core import Number
from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops import indexing as ix, movement as mv
from lucid.ir.types import Shape, bool_
from lucid.operations.arguments import one_axis
from lucid.operations.bounds import check_position
from lucid.operations.elementwise import add, scaled
from lucid.operations.movement import flatten, reshape
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def take(x: Operand, indices: Operand, axis: int | None = None) -> Tensor:
    """The elements of x at integer indices of any shape along an axis, or of the flattened x where there is none.

    The result has the shape of x with the axis replaced by the shape of the indices.
    """
    tensor, index = as_tensor(x), as_tensor(indices)
    if axis is None:
        tensor, axis = flatten(tensor), 0
    along = one_axis(axis, tensor.ndim)
    check_position(index, tensor.shape[along], along)
    return rows(tensor, index, along)


def rows(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """`take` without a check of the index."""
    places = line(index, axis, x.ndim)
    return reshape(apply_op(ix.Gather(axis), x, places), (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def line(index: Tensor, axis: int, rank: int) -> Tensor:
    """An index as one along an axis, the same for all others."""
    return reshape(index, (*[1] * axis, index.size, *[1] * (rank - axis - 1)))


def index_select(x: Operand, dim: int, index: Operand) -> Tensor:
    """The elements of x at integer indices, a tensor of one axis or of none, along an axis: `take(x, index, dim)`."""
    tensor, positions = as_tensor(x), as_tensor(index)
    if positions.ndim > 1:
        raise ShapeError(
            f"index_select takes an index of one axis, got shape {positions.shape}.", hint="use lucid.take"
        )
    return take(tensor, reshape(positions, (positions.size,)), dim)


def take_along_axis(x: Operand, indices: Operand, axis: int = -1) -> Tensor:
    """Element [..., i, ...] is x[..., indices[..., i, ...], ...]: an index of its own for each element.

    x and indices have as many axes, and broadcast to each other but for the given one. NumPy's `take_along_axis`.
    """
    tensor, index = as_tensor(x), as_tensor(indices)
    along = one_axis(axis, tensor.ndim)
    shape = _fitting("take_along_axis", tensor, index, along)
    check_position(index, tensor.shape[along], along)
    return elements(broadcast_to(tensor, shape), index, along)


def elements(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """`take_along_axis` without a check of the index, which broadcasts to x but for the axis."""
    return apply_op(ix.Gather(axis), x, index)


def _fitting(name: str, x: Tensor, index: Tensor, axis: int) -> Shape:
    """The shape of x, stretched along the axes along which the index is longer."""
    pairs = [(e, i) for at, (e, i) in enumerate(zip(x.shape, index.shape, strict=False)) if at != axis]
    if x.ndim != index.ndim or any(e != i and 1 not in (e, i) for e, i in pairs):
        raise ShapeError(f"{name} takes an index that fits {x.shape} but for axis {axis}, got shape {index.shape}.")
    stretched = [i if e == 1 else e for e, i in zip(x.shape, index.shape, strict=True)]
    return (*stretched[:axis], x.shape[axis], *stretched[axis + 1 :])


def gather(x: Operand, dim: int, index: Operand) -> Tensor:
    """Element [..., i, ...] is x[..., index[..., i, ...], ...], in the shape of the index: an index for each element.

    x and the index have as many axes; along others than `dim` the index is no longer than x. PyTorch's `gather`.
    """
    tensor, positions = as_tensor(x), as_tensor(index)
    along = one_axis(dim, tensor.ndim)
    part = covered("gather", tensor, positions, along)
    check_position(positions, tensor.shape[along], along)
    return apply_op(ix.Gather(along), part, positions)


def covered(name: str, x: Tensor, index: Tensor, axis: int) -> Tensor:
    """The part of x that an index covers, which is no longer than x but along an axis."""
    others = (at for at in range(x.ndim) if at != axis)
    if x.ndim != index.ndim or any(index.shape[at] > x.shape[at] for at in others):
        raise ShapeError(
            f"{name} takes an index that is no longer than {x.shape} but for axis {axis}, got shape {index.shape}."
        )
    return start(x, (*index.shape[:axis], x.shape[axis], *index.shape[axis + 1 :]))


def start(x: Tensor, shape: Shape) -> Tensor:
    """The first elements of x along each axis."""
    return x if x.shape == shape else apply_op(mv.Slice((0,) * x.ndim, (1,) * x.ndim, shape), x)


def scatter_add(x: Operand, dim: int, index: Operand, src: Operand) -> Tensor:
    """x, with src[..., i, ...] added to its element [..., index[..., i, ...], ...]: the reverse of `gather`.

    x, the index and src have as many axes; the index is no longer than src, nor than x along others than `dim`. What is
    added to one element is added up over ascending i first. x and src have one dtype. PyTorch's `scatter_add`.
    """
    tensor, positions, updates = as_tensor(x), as_tensor(index), as_tensor(src)
    along = one_axis(dim, tensor.ndim)
    covered("scatter_add", tensor, positions, along)
    if updates.ndim != positions.ndim or any(i > e for i, e in zip(positions.shape, updates.shape, strict=True)):
        raise ShapeError(
            f"scatter_add takes an index that is no longer than src, got shapes {positions.shape} and {updates.shape}."
        )
    return _added("scatter_add", tensor, along, positions, start(updates, positions.shape))


def index_add(x: Operand, dim: int, index: Operand, source: Operand, alpha: Number = 1) -> Tensor:
    """x, with alpha times the slices of a source along an axis added to those of x that an index of one axis names.

    What is added to one slice is added up in the order of the index first. PyTorch's `index_add`.
    """
    tensor, positions, updates = as_tensor(x), as_tensor(index), as_tensor(source)
    along = one_axis(dim, tensor.ndim)
    expected = (*tensor.shape[:along], positions.size, *tensor.shape[along + 1 :])
    if positions.ndim > 1 or updates.shape != expected:
        raise ShapeError(
            f"index_add to axis {along} of shape {tensor.shape} takes an index of one axis and a source of shape "
            f"{expected}, got {positions.shape} and {updates.shape}."
        )
    added = as_tensor(scaled("index_add", updates, alpha))
    return _added("index_add", tensor, along, line(positions, along, tensor.ndim), added)


def _added(name: str, x: Tensor, axis: int, index: Tensor, updates: Tensor) -> Tensor:
    if x.dtype != updates.dtype or x.dtype == bool_:
        raise DTypeError(f"{name} takes numbers of one dtype, got {x.dtype} and {updates.dtype}.")
    check_position(index, x.shape[axis], axis)
    sums = apply_op(ix.ScatterAdd(axis, x.shape[axis]), updates, index)
    if sums.shape != x.shape:
        sums = apply_op(mv.ScatterSlice((0,) * x.ndim, (1,) * x.ndim, x.shape), sums)
    return add(x, sums)
