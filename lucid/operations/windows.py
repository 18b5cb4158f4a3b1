"""What a kernel meets at each of its positions, and the sums of windows that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lucid.errors import ArgumentError
from lucid.ir.ops.extremum import FirstMax
from lucid.ir.ops.reduction import Sum
from lucid.ir.ops.windows import Unwindow, Window, layers
from lucid.operations.arguments import as_integer, one_axis
from lucid.operations.movement import reshape, transpose
from lucid.operations.operands import Operand, apply_op, as_tensor, broadcast_to

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def windows(
    x: Operand,
    kernel: Sequence[int],
    positions: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    low: Sequence[int],
    fill: int | float = 0,
) -> Tensor:
    """What a kernel meets along the last axes of x (*leading, *spatial): (*leading, *positions, *kernel).

    Position p and tap t meet element p * stride + t * dilation - low; what lies outside x is `fill`.
    """
    tensor, rank = as_tensor(x), len(kernel)
    depth = layers(tuple(kernel), stride, dilation)
    layered = broadcast_to(reshape(tensor, (*tensor.shape, *(1,) * rank)), (*tensor.shape, *depth))
    geometry = tuple(kernel), tuple(positions), tuple(stride), tuple(dilation), tuple(low)
    return apply_op(Window(*geometry, fill), layered)


def unfold(x: Operand, dimension: int, size: int, step: int) -> Tensor:
    """The slices of x along an axis, of `size` elements each, that begin `step` elements apart: the axis counts them,
    and a new last axis has their elements.

    >>> print(unfold([1, 2, 3, 4, 5], 0, 3, 2))
    [[1, 2, 3], [3, 4, 5]]
    """
    tensor = as_tensor(x)
    axis = one_axis(dimension, tensor.ndim)
    length, by = (as_integer("unfold takes a size and a step that are integers", value) for value in (size, step))
    extent = tensor.shape[axis]
    if not 0 < length <= extent or by < 1:
        raise ArgumentError(f"unfold takes a size from 1 to {extent} and a step from 1 on, got {length} and {by}.")
    slices = windows(transpose(tensor, axis, -1), (length,), ((extent - length) // by + 1,), (by,), (1,), (0,))
    return transpose(slices, axis, -2)


def sum_of_windows(
    x: Operand, spatial: Sequence[int], stride: Sequence[int], dilation: Sequence[int], low: Sequence[int]
) -> Tensor:
    """The transpose of `windows`: x (*leading, *positions, *kernel), where each element is the sum of all that meet it,
    as (*leading, *spatial)."""
    apart = apply_op(Unwindow(tuple(spatial), tuple(stride), tuple(dilation), tuple(low)), as_tensor(x))
    return apply_op(Sum(tuple(range(apart.ndim - len(spatial), apart.ndim))), apart)


def first_max(x: Tensor, axes: Sequence[int]) -> Tensor:
    """The largest element along some axes, ascending and not negative; the first of equal ones has the gradient."""
    return apply_op(FirstMax(tuple(axes)), x)


def window_max(x: Tensor, stride: Sequence[int], dilation: Sequence[int], low: Sequence[int]) -> Tensor:
    """The largest element of each of the `windows` x of floats filled with -inf, or of integers with the smallest; the
    first of equal ones that are not filling has the gradient."""
    rank = len(low)
    return apply_op(FirstMax(tuple(range(x.ndim - rank, x.ndim)), 0, tuple(stride), tuple(dilation), tuple(low)), x)
