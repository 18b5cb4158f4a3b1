"""The elements that max pools have chosen, back where they were."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.functional.windows import Input, Size, each_axis
from lucid.operations.arguments import as_integers
from lucid.tensor import Tensor


def max_unpool1d(
    input: Input,
    indices: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the elements of x (N, C, L), or (C, L), where the indices that `max_pool1d` gave for them say.

    The result has (L - 1) stride + kernel_size - 2 padding positions, or those of `output_size`, a length for each axis
    or a whole shape, which is nearer to it than a stride. Where several elements have one index, as windows that
    overlap give them, the last is written, and has the gradient. Raises CheckError for an index out of range, before
    anything is written, and ShapeError and ArgumentError.
    """
    return _max_unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Input,
    indices: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the elements of x (N, C, H, W), or (C, H, W), where their indices say: see `max_unpool1d`."""
    return _max_unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Input,
    indices: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Zeros with the elements of x (N, C, D, H, W), or (C, D, H, W), where their indices say: see `max_unpool1d`."""
    return _max_unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    name: str,
    axes: int,
    input: Input,
    indices: Input,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    output_size: Sequence[int] | None,
) -> Tensor:
    x, index = ops.as_tensor(input), ops.as_tensor(indices)
    if x.ndim not in (axes + 1, axes + 2) or index.shape != x.shape:
        raise ShapeError(
            f"{name} takes an input of {axes + 2} axes, or {axes + 1} without a batch, and as many indices, "
            f"got {x.shape} and {index.shape}."
        )
    kernel = each_axis(name, "kernel_size", kernel_size, axes)
    steps = kernel if stride is None else each_axis(name, "stride", stride, axes)
    pads = each_axis(name, "padding", padding, axes, at_least=0)
    geometry = zip(x.shape[-axes:], kernel, steps, pads, strict=True)
    lengths = [(extent - 1) * step + taps - 2 * pad for extent, taps, step, pad in geometry]
    if output_size is not None:
        given = as_integers(f"{name} takes integers as output_size", output_size)
        wanted = given[-axes:]
        far = [abs(length - usual) >= step for length, usual, step in zip(wanted, lengths, steps, strict=False)]
        if len(given) not in (axes, x.ndim, axes + 2) or any(far):
            raise ArgumentError(f"{name} takes an output_size nearer to {tuple(lengths)} than {steps}, got {given}.")
        lengths = list(wanted)
    if min(lengths) < 1:
        raise ShapeError(f"{name} gives at least one position along each axis, got {tuple(lengths)} for {x.shape}.")
    leading, count = x.shape[:-axes], math.prod(lengths)
    ops.check_index(index, count, "index")
    flat = (*leading, math.prod(x.shape[-axes:]))
    found = ops.scatter(ops.zeros((*leading, count), dtype=x.dtype), -1, index.reshape(flat), x.reshape(flat))
    return found.reshape(*leading, *lengths)
