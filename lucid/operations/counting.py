"""Elements repeated as often as counts say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lucid.core import TensorCore
from lucid.errors import ArgumentError, DTypeError, ShapeError, TraceError
from lucid.ir.types import int64
from lucid.modes import current_tracer
from lucid.operations.arguments import as_integer, one_axis
from lucid.operations.bounds import check_holds
from lucid.operations.creation import arange
from lucid.operations.gathering import rows
from lucid.operations.movement import expand_dims, flatten, reshape
from lucid.operations.operands import Operand, as_tensor, broadcast_to, cast
from lucid.operations.running import cumsum
from lucid.operations.sorting import searchsorted

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def repeat_interleave(
    x: Operand, repeats: Operand | None = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """x with each element repeated along an axis, or of the flattened x where there is none.

    `repeats` is one number, or a tensor of one for each element. Of a tensor, `output_size` is the sum: a compiled
    function, whose shapes do not depend on data, has to be given it, or raises TraceError; eager code adds up. Without
    repeats, x are those of its positions. Raises CheckError for a number of repeats below 0, and where the sum is
    another one.

    >>> print(repeat_interleave([5, 6], 2), repeat_interleave([2, 0, 1]))
    [5, 5, 6, 6] [0, 0, 2]
    """
    tensor = as_tensor(x)
    if repeats is None:
        if tensor.ndim != 1:
            raise ShapeError(f"repeat_interleave takes repeats as a tensor of one axis, got shape {tensor.shape}.")
        tensor, repeats = arange(tensor.shape[0]), tensor
    if dim is None:
        tensor, dim = flatten(tensor), 0
    a = one_axis(dim, tensor.ndim)
    size = None if output_size is None else as_integer("repeat_interleave takes an integer as output_size", output_size)
    if isinstance(repeats, TensorCore | np.ndarray):
        return rows(tensor, _repeated_positions(tensor.shape[a], a, as_tensor(repeats), size), a)
    hint = "numpy.array(repeats) is such a tensor." if isinstance(repeats, list | tuple) else None
    count = as_integer("repeat_interleave takes a number of repeats, or a tensor of them", repeats, hint)
    if count < 0:
        raise ArgumentError(f"repeat_interleave takes a number of repeats from 0 on, got {count}.")
    extent = tensor.shape[a] * count
    if size not in (None, extent):
        raise ArgumentError(f"repeat_interleave gives {extent} elements along axis {a}, got output_size={size}.")
    stretched = broadcast_to(expand_dims(tensor, a + 1), (*tensor.shape[: a + 1], count, *tensor.shape[a + 1 :]))
    return reshape(stretched, (*tensor.shape[:a], extent, *tensor.shape[a + 1 :]))


def _repeated_positions(extent: int, axis: int, repeats: Tensor, size: int | None) -> Tensor:
    """The positions 0 to extent - 1, each repeated as often as a tensor says, `size` of them."""
    if not repeats.dtype.is_integer:
        raise DTypeError(f"repeat_interleave takes repeats that are integers, got {repeats.dtype}.")
    if repeats.ndim > 1 or repeats.size not in (1, extent):
        raise ShapeError(
            f"repeat_interleave takes one number of repeats, or one for each of {extent} elements of axis {axis}, "
            f"got shape {repeats.shape}."
        )
    if size is None and current_tracer() is not None:
        raise TraceError(
            "repeat_interleave gives as many elements as the repeats sum to, which is only known when the compiled "
            "step runs.",
            hint="give output_size.",
        )
    if size is not None and size < 0:
        raise ArgumentError(f"repeat_interleave takes an output_size from 0 on, got {size}.")
    counts = broadcast_to(cast(repeats, int64), (extent,))
    check_holds(counts >= 0, "repeat_interleave takes numbers of repeats from 0 on")
    ends = cumsum(counts)
    total = ends[-1] if extent else as_tensor(0)
    if size is None:
        size = int(total)
    else:
        check_holds(total == size, f"repeat_interleave takes repeats that sum to output_size={size}")
    return searchsorted(ends, arange(size), right=True)
