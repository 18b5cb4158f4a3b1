"""Other resolutions: interpolation, channels as pixels, and windows as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.nn.functional.windows import Input, Size, each_axis, with_batch
from lucid.operations.windows import sum_of_windows, windows
from lucid.tensor import Array, Tensor

NEAREST = ("nearest", "nearest-exact")
LINEAR = ("linear", "bilinear", "trilinear")  # by the number of axes


def interpolate(
    input: Input,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """x of shape (N, C, ...) resampled along the axes behind C, to a size or by a factor, rounded down.

    An element of the result is the nearest one ("nearest", at floor(i / factor), or "nearest-exact", which counts from
    the middle of an element), or interpolated between neighbours: "linear", "bilinear" and "trilinear" along one, two
    and three axes. With `align_corners` the first and the last elements of both lie on each other; otherwise their
    outer edges do. With `recompute_scale_factor` the factor is the ratio of the lengths. Raises ShapeError,
    ArgumentError, and DTypeError where it is to interpolate between integers.
    """
    tensor = ops.as_tensor(input)
    axes = tensor.ndim - 2
    if axes < 1:
        raise ShapeError(f"interpolate takes inputs of shape (N, C, ...) with positions, got {tensor.shape}.")
    if mode not in (*NEAREST, *LINEAR[axes - 1 : axes]):
        allowed = ", ".join(f'"{name}"' for name in (*NEAREST, *LINEAR[axes - 1 : axes]))
        raise ArgumentError(f"interpolate along {axes} axes takes mode={allowed}, got {mode!r}.")
    if align_corners is not None and mode in NEAREST:
        raise ArgumentError(f"interpolate takes align_corners where it interpolates, got mode={mode!r}.")
    if mode not in NEAREST and not tensor.dtype.is_float:
        raise DTypeError(f'interpolate takes floats in mode="{mode}", got {tensor.dtype}.')
    shape = tensor.shape[2:]
    for axis, (length, factor) in reversed(list(enumerate(_lengths(shape, size, scale_factor), 2))):
        if recompute_scale_factor:
            factor = length / tensor.shape[axis]
        if length == tensor.shape[axis] and factor == 1.0:
            continue
        if mode in NEAREST:
            tensor = _nearest(tensor, axis, length, factor, mode)
        else:
            tensor = _linear(tensor, axis, length, factor, bool(align_corners))
    return tensor


def _lengths(
    shape: Sequence[int], size: int | Sequence[int] | None, scale_factor: float | Sequence[float] | None
) -> list[tuple[int, float]]:
    """For each axis the length of the result, and by how much it is longer."""
    if size is not None and scale_factor is None:
        lengths = [int(length) for length in _for_each(shape, size)]
        factors = [length / extent if extent else 1.0 for extent, length in zip(shape, lengths, strict=True)]
    elif scale_factor is not None and size is None:
        factors = [float(factor) for factor in _for_each(shape, scale_factor)]
        lengths = [math.floor(extent * factor) for extent, factor in zip(shape, factors, strict=True)]
    else:
        raise ArgumentError("interpolate takes either size or scale_factor.")
    if min(*lengths, *shape) < 1:
        raise ArgumentError(f"interpolate gives at least one element along each axis, got {lengths} from {shape}.")
    return list(zip(lengths, factors, strict=True))


def _for_each(shape: Sequence[int], given: float | Sequence[float]) -> list[float]:
    values = list(given) if isinstance(given, Sequence) else [given] * len(shape)
    if len(values) != len(shape):
        raise ArgumentError(f"interpolate takes a value for each of {len(shape)} axes, got {given!r}.")
    return values


def _nearest(x: Tensor, axis: int, length: int, factor: float, mode: str) -> Tensor:
    extent = x.shape[axis]
    if length % extent == 0 and factor == length // extent:  # each element some times, in both modes
        spread = (*x.shape[: axis + 1], length // extent, *x.shape[axis + 1 :])
        return ops.broadcast_to(x.unsqueeze(axis + 1), spread).reshape(*x.shape[:axis], length, *x.shape[axis + 1 :])
    middle = 0.5 if mode == "nearest-exact" else 0.0
    places = (np.arange(length, dtype=np.float32) + np.float32(middle)) * np.float32(1.0 / factor)  # as PyTorch rounds
    return _at(x, axis, np.minimum(places.astype(np.int64), extent - 1))


def _linear(x: Tensor, axis: int, length: int, factor: float, align_corners: bool) -> Tensor:
    extent, dtype = x.shape[axis], x.dtype.numpy
    steps = np.arange(length, dtype=dtype)
    if align_corners:
        places = steps * dtype.type((extent - 1) / (length - 1) if length > 1 else 0.0)
    else:
        places = np.maximum((steps + dtype.type(0.5)) * dtype.type(1.0 / factor) - dtype.type(0.5), dtype.type(0.0))
    first = np.minimum(places.astype(np.int64), extent - 1)
    weight = ops.as_tensor((places - first).astype(dtype)).reshape(length, *(1,) * (x.ndim - 1 - axis))
    before, after = _at(x, axis, first), _at(x, axis, np.minimum(first + 1, extent - 1))
    return before * (1.0 - weight) + after * weight


def _at(x: Tensor, axis: int, places: Array) -> Tensor:
    return ops.take(x, places, axis)


def pixel_shuffle(input: Input, upscale_factor: int) -> Tensor:
    """Channels as pixels: (..., C r^2, H, W) becomes (..., C, H r, W r), r being upscale_factor. Raises ShapeError.

    Shi et al., "Real-time single image and video super-resolution", 2016, equation 4.
    """
    tensor = ops.as_tensor(input)
    (r,) = each_axis("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if tensor.ndim < 3 or tensor.shape[-3] % r**2:
        raise ShapeError(f"pixel_shuffle takes channels on axis -3 that {r**2} divides, got shape {tensor.shape}.")
    *batch, channels, height, width = tensor.shape
    parts = tensor.reshape(math.prod(batch), channels // r**2, r, r, height, width).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(*batch, channels // r**2, height * r, width * r)


def pixel_unshuffle(input: Input, downscale_factor: int) -> Tensor:
    """Pixels as channels, the inverse of `pixel_shuffle`: (..., C, H r, W r) becomes (..., C r^2, H, W). Raises
    ShapeError."""
    tensor = ops.as_tensor(input)
    (r,) = each_axis("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if tensor.ndim < 3 or tensor.shape[-1] % r or tensor.shape[-2] % r:
        raise ShapeError(f"pixel_unshuffle takes rows and columns that {r} divides, got shape {tensor.shape}.")
    *batch, channels, height, width = tensor.shape
    parts = tensor.reshape(math.prod(batch), channels, height // r, r, width // r, r).permute(0, 1, 3, 5, 2, 4)
    return parts.reshape(*batch, channels * r**2, height // r, width // r)


def channel_shuffle(input: Input, groups: int) -> Tensor:
    """Channels of x (N, C, ...) dealt out: those of `groups` groups of neighbours come in turn. Raises ShapeError.

    Zhang et al., "ShuffleNet", arXiv:1707.01083, section 3.1.
    """
    tensor = ops.as_tensor(input)
    (count,) = each_axis("channel_shuffle", "groups", groups, 1)
    if tensor.ndim < 3 or tensor.shape[1] % count:
        raise ShapeError(
            f"channel_shuffle takes inputs of shape (N, C, ...) with channels that {count} divides, got {tensor.shape}."
        )
    split = tensor.reshape(tensor.shape[0], count, tensor.shape[1] // count, *tensor.shape[2:])
    return split.transpose(1, 2).reshape(tensor.shape)


def unfold(input: Input, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """The windows of x (N, C, H, W), or (C, H, W), as columns: (N, C taps, positions), zeros where they reach beyond x.

    Raises ShapeError and ArgumentError.
    """
    geometry = _geometry("unfold", kernel_size, dilation, padding, stride)

    def columns(x: Tensor) -> Tensor:
        positions = _positions("unfold", x.shape[2:], *geometry)
        kernel, by, low, steps = geometry
        found = windows(x, kernel, positions, steps, by, low).permute(0, 1, 4, 5, 2, 3)
        return found.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(positions))

    return with_batch("unfold", input, 2, columns)


def fold(
    input: Input, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Tensor:
    """The transpose of `unfold`: columns (N, C taps, positions), or without N, summed where windows overlap, as (N, C,
    *output_size). Raises ShapeError and ArgumentError."""
    geometry = _geometry("fold", kernel_size, dilation, padding, stride)
    spatial = each_axis("fold", "output_size", output_size, 2)
    kernel, by, low, steps = geometry
    positions = _positions("fold", spatial, *geometry)

    def images(x: Tensor) -> Tensor:
        count, rows, columns = x.shape
        if rows % math.prod(kernel) or columns != math.prod(positions):
            raise ShapeError(
                f"fold takes columns of a multiple of {math.prod(kernel)} taps at {math.prod(positions)} positions, "
                f"got shape {x.shape}."
            )
        parts = x.reshape(count, rows // math.prod(kernel), *kernel, *positions).permute(0, 1, 4, 5, 2, 3)
        return sum_of_windows(parts, spatial, steps, by, low)

    return with_batch("fold", input, 1, images)


Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _geometry(name: str, kernel_size: Size, dilation: Size, padding: Size, stride: Size) -> Geometry:
    return (
        each_axis(name, "kernel_size", kernel_size, 2),
        each_axis(name, "dilation", dilation, 2),
        each_axis(name, "padding", padding, 2, at_least=0),
        each_axis(name, "stride", stride, 2),
    )


def _positions(
    name: str,
    spatial: Sequence[int],
    kernel: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> tuple[int, ...]:
    axes = zip(spatial, kernel, dilation, padding, stride, strict=True)
    found = tuple((extent + 2 * pad - by * (taps - 1) - 1) // step + 1 for extent, taps, by, pad, step in axes)
    if min(found) < 1:
        raise ShapeError(f"{name} with windows of {tuple(kernel)} does not fit into {tuple(spatial)} elements.")
    return found
