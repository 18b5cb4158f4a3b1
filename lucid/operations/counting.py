"""Counts of elements, and elements repeated as often as counts say."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from lucid.core import TensorCore
from lucid.errors import ArgumentError, DTypeError, ShapeError, TraceError
from lucid.ir.types import float64, int64
from lucid.modes import current_tracer
from lucid.operations.arguments import as_integer, as_number, one_axis
from lucid.operations.bounds import check_holds, check_index
from lucid.operations.creation import arange, ones, zeros
from lucid.operations.elementwise import (
    detach,
    divide,
    equal,
    floor,
    greater_equal,
    isfinite,
    less_equal,
    logical_and,
    minimum,
    multiply,
    subtract,
    where,
)
from lucid.operations.gathering import rows, scatter_add
from lucid.operations.movement import expand_dims, flatten, reshape
from lucid.operations.operands import Operand, as_float, as_tensor, broadcast_to, cast
from lucid.operations.reduction import max as largest, min as smallest
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


def bincount(x: Operand, weights: Operand | None = None, minlength: int = 0) -> Tensor:
    """How often each integer from 0 on occurs in a tensor of one axis, as int64; or the sums of the weights there.

    The result has `minlength` elements, or as many as the largest integer needs, in eager code; in a compiled function,
    whose shapes do not depend on data, it has `minlength`, and a larger integer is out of range. Weights are floats, or
    become float64. Raises CheckError for integers out of range.

    >>> print(bincount([0, 2, 2]), bincount([0, 2, 2], [0.5, 1.0, 2.0], minlength=4))
    [1, 0, 2] [0.5, 0.0, 3.0, 0.0]
    """
    tensor = as_tensor(x)
    if tensor.ndim != 1:
        raise ShapeError(f"bincount takes a tensor of one axis, got shape {tensor.shape}.")
    if not tensor.dtype.is_integer:
        raise DTypeError(f"bincount takes integers, got {tensor.dtype}.")
    length = as_integer("bincount takes an integer as minlength", minlength)
    if length < 0:
        raise ArgumentError(f"bincount takes a minlength from 0 on, got {length}.")
    given = ones(tensor.shape, dtype="int64") if weights is None else as_tensor(weights)
    if given.shape != tensor.shape:
        raise ShapeError(f"bincount takes a weight for each of {tensor.size} elements, got shape {given.shape}.")
    if weights is not None and not given.dtype.is_float:
        given = cast(given, float64)
    if tensor.size and current_tracer() is None:
        length = max(length, int(largest(tensor)) + 1, 1)
    if tensor.size and not length:
        raise TraceError(
            "bincount finds in the data how many counts there are, which is only known when the compiled step runs.",
            hint="give minlength.",
        )
    check_index(tensor, length, "element")
    return scatter_add(zeros(length, dtype=given.dtype), 0, cast(tensor, int64), given)


def histc(x: Operand, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements of x lie in each of so many bins of one width between two numbers, in the dtype of x.

    A bin has its lower edge, the last one both. Elements outside, NaN among them, do not count. Where both numbers are
    the same, the range is that of the elements, or from 1 below to 1 above where these are all equal.

    >>> print(histc([0.0, 1.0, 1.5, 4.0], bins=4))
    [1.0, 2.0, 0.0, 1.0]
    """
    tensor, count = as_float(x), as_integer("histc takes a number of bins", bins)
    if count < 1:
        raise ArgumentError(f"histc takes a number of bins from 1 on, got {count}.")
    low, high = (as_number("histc takes numbers as min and max", bound) for bound in (min, max))
    if not -inf < low <= high < inf:
        raise ArgumentError(f"histc takes a min and a max that is no less, both finite, got {low!r} and {high!r}.")
    elements = detach(flatten(tensor))
    first: Operand = low
    last: Operand = high
    if low == high and elements.size:
        first, last = smallest(elements), largest(elements)
        check_holds(isfinite(last - first), "histc takes finite elements where it finds their range")
        alike = equal(first, last)  # they lie in the middle, but 1 may be too little to tell them from the edges
        elements, first, last = where(alike, 0.5, elements), where(alike, 0.0, first), where(alike, 1.0, last)
    inside = logical_and(greater_equal(elements, first), less_equal(elements, last))
    place = floor(divide(multiply(subtract(elements, first), count), subtract(last, first)))
    bin_ = minimum(cast(where(inside, place, 0.0), int64), count - 1)
    return scatter_add(zeros(count, dtype=tensor.dtype), 0, bin_, cast(inside, tensor.dtype))


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
