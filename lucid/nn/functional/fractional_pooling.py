"""Max pools whose windows begin at random distances, so that they make an input smaller by any factor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.functional.windows import Input, Size, each_axis
from lucid.operations.arguments import as_flag
from lucid.operations.gathering import elements
from lucid.operations.windows import first_max
from lucid.sampling import uniform
from lucid.savepoints import all_or_nothing
from lucid.tensor import Tensor

Ratio = float | Sequence[float]


def fractional_max_pool2d(
    input: Input,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Input | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each of `output_size` windows of x (N, C, H, W), or (C, H, W), spread at random.

    Window i of n along an axis of L elements begins at floor((i + u) a) - floor(u a), with a = (L - kernel_size) /
    (n - 1), and the last one ends with the axis; u is between 0 and 1, one number from the random stream for each
    sample, channel and axis, or `_random_samples` (N, C, 2), the last axis first. `output_ratio` gives the size as
    parts of that of x. Of equal elements the first has the gradient. With `return_indices`, the int64 positions of the
    elements in their channel come, too. Raises ShapeError and ArgumentError.
    Graham, "Fractional max-pooling", arXiv:1412.6071, section 2.
    """
    name = "fractional_max_pool2d"
    return _fractional(name, 2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Input,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Input | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest element of each window of x (N, C, D, H, W), or (C, D, H, W): see `fractional_max_pool2d`.
    `_random_samples` (N, C, 3) begin with the first axis here."""
    name = "fractional_max_pool3d"
    return _fractional(name, 3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def check_output(
    name: str, axes: int, size: Size | None, ratio: Ratio | None
) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    """The size of the result for each axis, or its ratio to that of the input, of which one is given; else
    ArgumentError."""
    if size is not None and ratio is None:
        return each_axis(name, "output_size", size, axes), None
    if ratio is None or size is not None:
        raise ArgumentError(f"{name} takes either output_size or output_ratio.")
    ratios = tuple(ratio) if isinstance(ratio, Sequence) else (ratio,) * axes
    if len(ratios) != axes or not all(isinstance(part, float) and 0.0 < part < 1.0 for part in ratios):
        raise ArgumentError(f"{name} takes an output_ratio between 0 and 1, or {axes} of them, got {ratio!r}.")
    return None, ratios


@all_or_nothing
def _fractional(
    name: str,
    axes: int,
    input: Input,
    kernel_size: Size,
    output_size: Size | None,
    output_ratio: Ratio | None,
    return_indices: bool,
    samples: Input | None,
) -> Tensor | tuple[Tensor, Tensor]:
    given = ops.as_tensor(input)
    if given.ndim not in (axes + 1, axes + 2):
        raise ShapeError(f"{name} takes inputs of {axes + 2} axes, or {axes + 1} without a batch, got {given.shape}.")
    x = given if given.ndim == axes + 2 else given.unsqueeze(0)
    spatial = x.shape[2:]
    kernel = each_axis(name, "kernel_size", kernel_size, axes)
    size, ratios = check_output(name, axes, output_size, output_ratio)
    lengths = size or tuple(math.floor(extent * part) for extent, part in zip(spatial, ratios or (), strict=True))
    if any(not 1 <= n <= extent - taps + 1 for n, extent, taps in zip(lengths, spatial, kernel, strict=True)):
        raise ShapeError(f"{name} with windows of {kernel} does not fit {lengths} of them into {x.shape}.")
    drawn = uniform(0.0, 1.0, (*x.shape[:2], axes), x.dtype) if samples is None else ops.as_tensor(samples)
    if drawn.shape != (*x.shape[:2], axes):
        raise ShapeError(f"{name} takes _random_samples of shape {(*x.shape[:2], axes)}, got {drawn.shape}.")
    found = x
    position = ops.zeros((1, 1, *(1,) * (2 * axes)), dtype="int64")
    for axis, (extent, taps, n) in enumerate(zip(spatial, kernel, lengths, strict=True)):
        sample = drawn[..., axes - 1 - axis if axes == 2 else axis]
        index = _starts(sample, extent, taps, n).unsqueeze(-1) + ops.arange(taps)  # (N, C, windows, taps)
        place = (*x.shape[:2], *(1,) * axis, n * taps, *(1,) * (axes - 1 - axis))
        found = elements(found, index.reshape(place), 2 + axis)
        apart = (*x.shape[:2], *(1, 1) * axis, n, taps, *(1, 1) * (axes - 1 - axis))
        position = position * extent + index.reshape(apart)
    split = found.reshape(*x.shape[:2], *(part for n, taps in zip(lengths, kernel, strict=True) for part in (n, taps)))
    order = (0, 1, *range(2, split.ndim, 2), *range(3, split.ndim, 2))
    windows = split.permute(order)
    result = first_max(windows, range(2 + axes, windows.ndim))
    if not as_flag("return_indices", return_indices):
        return result if given.ndim == axes + 2 else result.squeeze(0)
    flat = (*x.shape[:2], *lengths, math.prod(kernel))
    tap = ops.argmax(windows.detach().reshape(flat), -1, keepdims=True)
    places = ops.broadcast_to(position, split.shape).permute(order).reshape(flat)
    indices = elements(places, tap, places.ndim - 1).squeeze(-1)
    return (result, indices) if given.ndim == axes + 2 else (result.squeeze(0), indices.squeeze(0))


def _starts(sample: Tensor, extent: int, taps: int, n: int) -> Tensor:
    """Where n windows along an axis begin: (N, C, n)."""
    last = ops.full((*sample.shape, 1), extent - taps, "int64")
    if n == 1:
        return last
    u, step = sample.unsqueeze(-1), (extent - taps) / (n - 1)
    first = ops.floor((ops.arange(n - 1) + u) * step) - ops.floor(u * step)
    return ops.concatenate([first.astype("int64"), last], -1)
