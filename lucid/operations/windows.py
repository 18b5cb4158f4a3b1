"""What a kernel meets at each of its positions, and the sums of windows that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lucid.ir.ops.reduction import FirstMax, Sum
from lucid.ir.ops.windows import Unwindow, Window, layers
from lucid.operations.movement import reshape
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
    first of equal ones that are no filling has the gradient."""
    rank = len(low)
    return apply_op(FirstMax(tuple(range(x.ndim - rank, x.ndim)), 0, tuple(stride), tuple(dilation), tuple(low)), x)
