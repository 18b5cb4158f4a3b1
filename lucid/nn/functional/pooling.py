"""Pools: the largest element, or the mean, of each window."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.functional.windows import Input, Size, each_axis, with_batch
from lucid.operations.arguments import as_flag
from lucid.operations.windows import first_max, window_max, windows
from lucid.tensor import Array, Tensor

Lengths = int | None | Sequence[int | None]


class _Windows:
    """The windows of a pool: its arguments for each axis, checked, and where its positions are."""

    def __init__(
        self,
        name: str,
        axes: int,
        kernel_size: Size,
        stride: Size | None,
        padding: Size,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.name = name
        self.axes = axes
        self.kernel = each_axis(name, "kernel_size", kernel_size, axes)
        self.stride = self.kernel if stride is None else each_axis(name, "stride", stride, axes)
        self.padding = each_axis(name, "padding", padding, axes, at_least=0)
        self.dilation = each_axis(name, "dilation", dilation, axes)
        self.ceil_mode = as_flag("ceil_mode", ceil_mode)
        if any(2 * pad > taps for pad, taps in zip(self.padding, self.kernel, strict=True)):
            raise ArgumentError(
                f"{name} takes padding of at most half the kernel, got {self.padding} for {self.kernel}."
            )

    def positions(self, x: Tensor) -> tuple[int, ...]:
        """How many positions there are along each axis. In ceil mode the last one may reach beyond the padding, if it
        begins before its end."""
        found = []
        geometry = zip(x.shape[-self.axes :], self.kernel, self.stride, self.padding, self.dilation, strict=True)
        for extent, taps, step, pad, by in geometry:
            left = extent + 2 * pad - by * (taps - 1) - 1
            count = (left + (step - 1 if self.ceil_mode else 0)) // step + 1
            if self.ceil_mode and (count - 1) * step >= extent + pad:
                count -= 1
            if count < 1 or extent < 1:
                raise ShapeError(
                    f"{self.name} with windows of {self.kernel} does not fit into inputs of shape {x.shape}."
                )
            found.append(count)
        return tuple(found)

    def of(self, x: Tensor, fill: int | float = 0) -> Tensor:
        """The windows of x (N, C, *spatial): (N, C, *positions, *kernel)."""
        return windows(x, self.kernel, self.positions(x), self.stride, self.dilation, self.padding, fill)

    def counts(self, x: Tensor, count_include_pad: bool) -> Tensor | int:
        """How many elements of x, or of x and its padding, each window has: (*positions), or a number."""
        positions = self.positions(x)
        total: Tensor | int = 1
        for axis, extent in enumerate(x.shape[-self.axes :]):
            pad, taps, step = self.padding[axis], self.kernel[axis], self.stride[axis]
            low, extent = (0, extent + 2 * pad) if as_flag("count_include_pad", count_include_pad) else (pad, extent)
            inside = low == 0 and (positions[axis] - 1) * step + taps <= extent
            if inside:
                total = total * taps
            else:
                ones, here = ops.ones(extent, dtype=x.dtype), positions[axis : axis + 1]
                counts = windows(ones, (taps,), here, (step,), (1,), (low,)).sum(-1)
                total = total * counts.reshape(-1, *(1,) * (self.axes - 1 - axis))
        return total


def max_pool1d(
    input: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each window of x (N, C, L), or (C, L).

    Windows begin `stride` elements apart, by default kernel_size, the first `padding` elements before x; padding is
    smaller than any number. There are (L + 2 padding - dilation (kernel_size - 1) - 1) / stride + 1, rounded down; in
    `ceil_mode` rounded up, if the last one begins in x or before it. Of equal elements the first has the gradient. With
    `return_indices`, the int64 positions of the elements in their channel come, too. Raises ShapeError and
    ArgumentError.
    """
    return _max_pool(
        _Windows("max_pool1d", 1, kernel_size, stride, padding, dilation, ceil_mode), input, return_indices
    )


def max_pool2d(
    input: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each window of x (N, C, H, W), or (C, H, W): see `max_pool1d`."""
    return _max_pool(
        _Windows("max_pool2d", 2, kernel_size, stride, padding, dilation, ceil_mode), input, return_indices
    )


def max_pool3d(
    input: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each window of x (N, C, D, H, W), or (C, D, H, W): see `max_pool1d`."""
    return _max_pool(
        _Windows("max_pool3d", 3, kernel_size, stride, padding, dilation, ceil_mode), input, return_indices
    )


def avg_pool1d(
    input: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of x (N, C, L), or (C, L), where windows are as in `max_pool1d`.

    Padding counts as zeros, or, without `count_include_pad`, not at all; what lies beyond it never counts. Raises
    ShapeError and ArgumentError.
    """
    return _avg_pool(
        _Windows("avg_pool1d", 1, kernel_size, stride, padding, 1, ceil_mode), input, count_include_pad, None
    )


def avg_pool2d(
    input: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of x (N, C, H, W), or (C, H, W), or its sum over `divisor_override`: see `avg_pool1d`."""
    pool = _Windows("avg_pool2d", 2, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(pool, input, count_include_pad, divisor_override)


def avg_pool3d(
    input: Input,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of x (N, C, D, H, W), or (C, D, H, W), or its sum over `divisor_override`: see
    `avg_pool1d`."""
    pool = _Windows("avg_pool3d", 3, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(pool, input, count_include_pad, divisor_override)


def adaptive_avg_pool1d(input: Input, output_size: Lengths) -> Tensor:
    """The means of `output_size` windows that cover x (N, C, L), or (C, L).

    Window i of n begins at element floor(i L / n) and ends before ceil((i + 1) L / n). None keeps an axis as it is.
    Raises ShapeError and ArgumentError.
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Input, output_size: Lengths) -> Tensor:
    """The means of windows that cover x (N, C, H, W), or (C, H, W): see `adaptive_avg_pool1d`."""
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Input, output_size: Lengths) -> Tensor:
    """The means of windows that cover x (N, C, D, H, W), or (C, D, H, W): see `adaptive_avg_pool1d`."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


def adaptive_max_pool1d(
    input: Input, output_size: Lengths, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest elements of windows that cover x (N, C, L), or (C, L): see `adaptive_avg_pool1d`. Of equal elements
    the first has the gradient. With `return_indices`, their int64 positions in their channel come, too."""
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(
    input: Input, output_size: Lengths, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest elements of windows that cover x (N, C, H, W), or (C, H, W): see `adaptive_max_pool1d`."""
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(
    input: Input, output_size: Lengths, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest elements of windows that cover x (N, C, D, H, W), or (C, D, H, W): see `adaptive_max_pool1d`."""
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _max_pool(pool: _Windows, x: Input, return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    def largest(x: Tensor) -> Tensor:
        found = pool.of(x, fill=_least(x))
        return window_max(found, pool.stride, pool.dilation, pool.padding)

    result = with_batch(pool.name, x, pool.axes, largest)
    return (
        (result, with_batch(pool.name, x, pool.axes, lambda x: _indices(pool, x)))
        if as_flag("return_indices", return_indices)
        else result
    )


def _least(x: Tensor) -> int | float:
    """What no element of the dtype of x is below: what a window holds beside the input."""
    return int(np.iinfo(x.dtype.numpy).min) if x.dtype.is_integer else -math.inf


def _indices(pool: _Windows, x: Tensor) -> Tensor:
    """The row-major position of the first largest element of each window among the elements of its channel."""
    taps, outside = tuple(range(-pool.axes, 0)), math.prod(x.shape[2:])
    found = pool.of(x.detach(), fill=_least(x))
    largest = found.max(taps, keepdim=True)
    is_largest = ops.logical_or(found == largest, ops.isnan(found))
    places = pool.of(ops.arange(outside).reshape(1, 1, *x.shape[2:]), fill=outside)
    return ops.where(is_largest, places, outside).min(taps)


def _avg_pool(pool: _Windows, x: Input, count_include_pad: bool, divisor_override: int | None) -> Tensor:
    if divisor_override is not None:
        each_axis(pool.name, "divisor_override", divisor_override, 1)

    def average(x: Tensor) -> Tensor:
        divisor = pool.counts(x, count_include_pad) if divisor_override is None else divisor_override
        return pool.of(x).sum(tuple(range(-pool.axes, 0))) / divisor

    return with_batch(pool.name, x, pool.axes, average)


LONGEST = 2**16  # of an adaptive pool, whose windows are a table of positions where their lengths differ
Reduce = Callable[[Tensor, Sequence[int]], Tensor]


def _adaptive_avg_pool(name: str, axes: int, x: Input, output_size: Lengths) -> Tensor:
    extents = ops.as_tensor(x).shape[-axes:]
    sums = _adaptive_pool(name, axes, x, output_size, lambda x, axes: x.sum(axes))
    counts = np.ones((), np.int64)
    for extent, length in zip(extents, sums.shape[-axes:], strict=True):
        lengths = _windows_along(extent, length)[1].sum(1)
        counts = counts[..., None] * (lengths if extent % length else lengths[:1])
    return sums / (int(counts.item()) if counts.size == 1 else ops.as_tensor(counts))


def _adaptive_max_pool(
    name: str, axes: int, x: Input, output_size: Lengths, return_indices: bool
) -> Tensor | tuple[Tensor, Tensor]:
    result = _adaptive_pool(name, axes, x, output_size, first_max)
    if not as_flag("return_indices", return_indices):
        return result
    lengths = result.shape[-axes:]
    return result, with_batch(name, x, axes, lambda x: _adaptive_indices(x, lengths))


def _adaptive_indices(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """The row-major position of the first largest element of each window among the elements of its channel."""
    spatial = x.shape[2:]
    places = ops.broadcast_to(ops.arange(math.prod(spatial)).reshape(spatial), x.shape)
    x = x.detach()
    for axis, length in reversed(list(enumerate(lengths, 2))):
        windows, _ = _windows_along(x.shape[axis], length)
        first = ops.as_tensor(windows[:, 0]).reshape(length, *(1,) * (x.ndim - 1 - axis))
        found = ops.argmax(ops.take(x, windows, axis), axis + 1) + first
        x, places = ops.take_along_axis(x, found, axis), ops.take_along_axis(places, found, axis)
    return places


def _adaptive_pool(name: str, axes: int, x: Input, output_size: Lengths, reduce: Reduce) -> Tensor:
    given = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * axes
    for length in given:
        if length is not None:
            each_axis(name, "output_size", length, 1)
            if length > LONGEST:
                raise ArgumentError(f"{name} takes an output_size up to {LONGEST}, got {length}.")
    if len(given) != axes:
        raise ArgumentError(f"{name} takes a length, or {axes} of them, as output_size, got {output_size!r}.")

    def pool(x: Tensor) -> Tensor:
        lengths = [extent if length is None else length for extent, length in zip(x.shape[2:], given, strict=True)]
        if 0 in x.shape[2:]:
            raise ShapeError(f"{name} takes inputs with positions, got {x.shape}.")
        if all(extent % length == 0 for extent, length in zip(x.shape[2:], lengths, strict=True)):
            return _reduce_runs(x, lengths, reduce)
        for axis in reversed(range(axes)):
            x = _reduce_windows(x, 2 + axis, lengths[axis], reduce)
        return x

    return with_batch(name, x, axes, pool)


def _reduce_runs(x: Tensor, lengths: Sequence[int], reduce: Reduce) -> Tensor:
    """x reduced over runs of equal length along each spatial axis."""
    pairs = [(length, extent // length) for extent, length in zip(x.shape[2:], lengths, strict=True)]
    split = x.reshape(*x.shape[:2], *(extent for pair in pairs for extent in pair))
    kept, reduced = range(2, split.ndim, 2), range(3, split.ndim, 2)
    return reduce(split.permute(0, 1, *kept, *reduced), range(2 + len(pairs), split.ndim))


def _reduce_windows(x: Tensor, axis: int, length: int, reduce: Reduce) -> Tensor:
    """x reduced over windows of different lengths along an axis."""
    windows, inside = _windows_along(x.shape[axis], length)
    found = ops.take(x, windows, axis)
    if reduce is not first_max:  # to which the last element is none, again
        found = ops.where(inside.reshape(*inside.shape, *(1,) * (x.ndim - 1 - axis)), found, 0)
    return reduce(found, (axis + 1,))


def _windows_along(extent: int, length: int) -> tuple[Array, Array]:
    """The windows along an axis: positions (length, taps), the last one again where a window is shorter than others,
    and which of them count."""
    number = np.arange(length)
    first, last = number * extent // length, -(-(number + 1) * extent // length) - 1
    taps = first[:, None] + np.arange((last - first).max() + 1)
    return np.minimum(taps, last[:, None]), taps <= last[:, None]
