"""Inputs resampled to another number of elements along their axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.nn.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from lucid.nn.functional.windows import Input
from lucid.operations.arguments import as_choice, as_flag, as_integer, as_number
from lucid.tensor import Array, Tensor

NEAREST = ("nearest", "nearest-exact")
MODES = {  # by the number of axes
    1: (*NEAREST, "area", "linear"),
    2: (*NEAREST, "area", "bilinear", "bicubic"),
    3: (*NEAREST, "area", "trilinear"),
}
AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}
SMOOTHED = ("bilinear", "bicubic")  # what antialias is for


def interpolate(
    input: Input,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x of shape (N, C, ...) resampled along the axes behind C, to a size or by a factor, rounded down.

    An element of the result is the nearest one ("nearest", at floor(i / factor), or "nearest-exact", which counts from
    the middle of an element), the mean of those in its place ("area", as in `adaptive_avg_pool1d`), or interpolated
    between neighbours: "linear", "bilinear" and "trilinear" along one, two and three axes, and "bicubic" between four
    along each of two (Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 4, with
    a = -3/4). With `align_corners` the first and the last elements of both lie on each other; otherwise their outer
    edges do. With `recompute_scale_factor` the factor is the ratio of the lengths. With `antialias`, for "bilinear" and
    "bicubic" (whose a is -1/2 then), what makes an input smaller has wider windows, in proportion: each element counts.
    Raises ShapeError, ArgumentError, and DTypeError where it is to interpolate between integers.
    """
    tensor = ops.as_tensor(input)
    axes = tensor.ndim - 2
    if axes < 1:
        raise ShapeError(f"interpolate takes inputs of shape (N, C, ...) with positions, got {tensor.shape}.")
    modes = MODES.get(axes, NEAREST)
    allowed = ", ".join(f'"{name}"' for name in modes)
    as_choice(f"interpolate along {axes} axes takes mode={allowed}", mode, modes)
    if align_corners is not None and mode in (*NEAREST, "area"):
        raise ArgumentError(f"interpolate takes align_corners where it interpolates, got mode={mode!r}.")
    if as_flag("antialias", antialias) and mode not in SMOOTHED:
        raise ArgumentError(f'interpolate takes antialias with mode="bilinear" or "bicubic", got mode={mode!r}.')
    if mode not in NEAREST and not tensor.dtype.is_float:
        raise DTypeError(f'interpolate takes floats in mode="{mode}", got {tensor.dtype}.')
    lengths = _lengths(tensor.shape[2:], size, scale_factor)
    if mode == "area":
        return AREA[axes](tensor, [length for length, _ in lengths])
    for axis, (length, factor) in reversed(list(enumerate(lengths, 2))):
        if as_flag("recompute_scale_factor", recompute_scale_factor):
            factor = length / tensor.shape[axis]
        if length == tensor.shape[axis] and factor == 1.0:
            continue
        if mode in NEAREST:
            tensor = _nearest(tensor, axis, length, factor, mode)
        else:
            tensor = _mixed(
                tensor,
                axis,
                *_taps(tensor, axis, length, factor, mode, as_flag("align_corners", align_corners), antialias),
            )
    return tensor


def _lengths(
    shape: Sequence[int], size: int | Sequence[int] | None, scale_factor: float | Sequence[float] | None
) -> list[tuple[int, float]]:
    """For each axis the length of the result, and by how much it is longer."""
    if size is not None and scale_factor is None:
        lengths = [as_integer("interpolate takes integers as size", length) for length in _for_each(shape, size)]
        factors = [length / extent if extent else 1.0 for extent, length in zip(shape, lengths, strict=True)]
    elif scale_factor is not None and size is None:
        factors = [as_number("interpolate takes numbers as scale_factor", f) for f in _for_each(shape, scale_factor)]
        if not all(map(math.isfinite, factors)):
            raise ArgumentError(f"interpolate takes finite numbers as scale_factor, got {scale_factor!r}.")
        lengths = [math.floor(extent * factor) for extent, factor in zip(shape, factors, strict=True)]
    else:
        raise ArgumentError("interpolate takes either size or scale_factor.")
    if max(lengths) >= 2**31:
        raise ArgumentError(f"interpolate gives fewer than 2^31 elements along each axis, got {lengths}.")
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
    return ops.take(x, np.minimum(places.astype(np.int64), extent - 1), axis)


def _mixed(x: Tensor, axis: int, places: Array, weights: Array) -> Tensor:
    """Along an axis, the sums of the elements at places (length, taps) times their weights."""
    factors = ops.as_tensor(weights.astype(x.dtype.numpy))
    return (ops.take(x, places, axis) * factors.reshape(*weights.shape, *(1,) * (x.ndim - 1 - axis))).sum(axis + 1)


def _taps(
    x: Tensor, axis: int, length: int, factor: float, mode: str, align_corners: bool, antialias: bool
) -> tuple[Array, Array]:
    """The elements that an interpolation along an axis mixes, and their weights: both (length, taps)."""
    extent, dtype = x.shape[axis], x.dtype.numpy
    step = dtype.type(1.0 / factor)
    if align_corners:
        step = dtype.type((extent - 1) / (length - 1) if length > 1 else 0.0)
    count = np.arange(length, dtype=dtype)
    if antialias:
        return _smoothed(extent, (count + dtype.type(0.5)) * step, max(float(step), 1.0), mode)
    places = count * step if align_corners else (count + dtype.type(0.5)) * step - dtype.type(0.5)
    if mode == "bicubic":
        first = np.floor(places)
        beside = np.arange(-1, 3)
        found = (first[:, None] + beside).astype(np.int64)
        return np.clip(found, 0, extent - 1), _cubic((places - first)[:, None] - beside, -0.75)
    places = np.maximum(places, dtype.type(0.0))
    first = np.minimum(places.astype(np.int64), extent - 1)
    weight = places - first
    return np.minimum(first[:, None] + np.arange(2), extent - 1), np.stack([1.0 - weight, weight], 1)


def _smoothed(extent: int, middles: Array, width: float, mode: str) -> tuple[Array, Array]:
    """The taps of windows around points, whose kernels are as many times wider than those between neighbours."""
    reach, kernel = KERNELS[mode]
    first = np.maximum((middles - reach * width + 0.5).astype(np.int64), 0)
    last = np.minimum((middles + reach * width + 0.5).astype(np.int64), extent) - 1
    taps = first[:, None] + np.arange((last - first).max() + 1)
    weights = np.where(taps <= last[:, None], kernel((taps - middles[:, None] + 0.5) / width), 0.0)
    return np.minimum(taps, last[:, None]), weights / weights.sum(1, keepdims=True)


def _cubic(distance: Array, a: float) -> Array:
    """The weight of an element at a distance."""
    d = np.abs(distance)
    near = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    return np.asarray(np.where(d <= 1.0, near, np.where(d < 2.0, ((d - 5.0) * d + 8.0) * d * a - 4.0 * a, 0.0)))


KERNELS: dict[str, tuple[float, Callable[[Array], Array]]] = {  # how far they reach, and weights at distances
    "bilinear": (1.0, lambda distance: np.asarray(np.maximum(1.0 - np.abs(distance), 0.0))),
    "bicubic": (2.0, lambda distance: _cubic(distance, -0.5)),
}
