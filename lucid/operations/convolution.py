"""Convolutions along any number of spatial axes, and their transposes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lucid.errors import DTypeError, ShapeError
from lucid.ir.ops.convolution import Convolution, ConvolutionInput
from lucid.operations.operands import Operand, apply_op, as_tensor

if TYPE_CHECKING:
    from lucid.tensor import Tensor

# Zeros before and after an axis.
Ends = tuple[int, int]


def convolution(
    x: Operand,
    weight: Operand,
    stride: Sequence[int],
    padding: Sequence[Ends],
    dilation: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of x (N, C, *spatial) and weight (O, C / groups, *kernel): (N, O, *positions).

    Stride, padding (zeros before and after) and dilation have an item for each spatial axis. Raises ShapeError and
    DTypeError.
    """
    image, kernel = as_tensor(x), as_tensor(weight)
    _check("convolution", image, kernel, len(stride), kernel.shape[1] * groups if kernel.ndim > 1 else 0, groups)
    for axis, (extent, taps, by, ends) in enumerate(
        zip(image.shape[2:], kernel.shape[2:], dilation, padding, strict=True), 2
    ):
        if extent + sum(ends) < by * (taps - 1) + 1 or extent < 1:
            raise ShapeError(
                f"a kernel that spans {by * (taps - 1) + 1} elements does not fit into axis {axis} of shape "
                f"{image.shape} with {ends[0]} and {ends[1]} elements of padding."
            )
    low, high = _both(padding)
    return apply_op(Convolution(tuple(stride), tuple(dilation), low, high, groups), image, kernel)


def convolution_transpose(
    x: Operand,
    weight: Operand,
    stride: Sequence[int],
    padding: Sequence[Ends],
    dilation: Sequence[int],
    spatial: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """The transposed convolution of x (N, C, *positions) and weight (C, O / groups, *kernel): (N, O, *spatial), of
    which `convolution` with the same arguments makes as many positions as x has.

    Raises ShapeError and DTypeError.
    """
    image, kernel = as_tensor(x), as_tensor(weight)
    _check("transposed convolution", image, kernel, len(stride), kernel.shape[0] if kernel.ndim else 0, groups)
    if min(*spatial, *image.shape[2:]) < 1:
        raise ShapeError(f"a transposed convolution of shape {image.shape} has extents {tuple(spatial)}: none is left.")
    low, high = _both(padding)
    return apply_op(ConvolutionInput(tuple(stride), tuple(dilation), low, high, groups, tuple(spatial)), image, kernel)


def _both(padding: Sequence[Ends]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(low for low, _ in padding), tuple(high for _, high in padding)


def _check(name: str, x: Tensor, weight: Tensor, axes: int, channels: int, groups: int) -> None:
    if x.ndim != axes + 2 or weight.ndim != axes + 2:
        raise ShapeError(
            f"a {name} along {axes} axes takes inputs and weights of {axes + 2} axes, got {x.shape} and {weight.shape}."
        )
    if x.dtype != weight.dtype or not x.dtype.is_float:
        raise DTypeError(
            f"a {name} with a {weight.dtype} weight takes inputs of that dtype, a float, got {x.dtype}.",
            hint=f'cast the input: x.astype("{weight.dtype if weight.dtype.is_float else "float32"}")',
        )
    if x.shape[1] != channels:
        raise ShapeError(
            f"a {name} with a weight of shape {weight.shape} and groups={groups} takes inputs of {channels} channels "
            f"on axis 1, got {x.shape}.",
            hint=f"channels come first: x.permute({', '.join(map(str, (0, axes + 1, *range(1, axes + 1))))})"
            if x.shape[-1] == channels
            else None,
        )
    if weight.shape[0] % groups:
        raise ShapeError(f"a {name} in {groups} groups takes a weight whose axis 0 they divide, got {weight.shape}.")
