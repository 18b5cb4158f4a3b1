"""Inputs read at points that are data: spatial transformers."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence

import numpy as np

import lucid.operations as ops
from lucid.errors import DTypeError, ShapeError
from lucid.nn.functional.windows import Input
from lucid.operations.arguments import as_choice, as_flag, as_integers
from lucid.operations.gathering import elements
from lucid.tensor import Tensor

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def affine_grid(theta: Input, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The points of `grid_sample` for affine maps theta (N, 2, 3), or (N, 3, 4), of an output of a size.

    size: (N, C, H, W), or (N, C, D, H, W); the result is (N, H, W, 2), or (N, D, H, W, 3), theta @ (x, y, 1) for each
    position of the output, whose coordinates go from -1 to 1: from the middle of the first element to that of the last
    one with `align_corners`, else from edge to edge. Raises ShapeError and DTypeError.
    Jaderberg et al., "Spatial transformer networks", arXiv:1506.02025, equation 1.
    """
    size = as_integers("affine_grid takes integers as size", size)
    maps, spatial = ops.as_tensor(theta), size[2:]
    axes = len(spatial)
    if axes not in (2, 3) or maps.shape != (size[0], axes, axes + 1) or min(size) < 1:
        raise ShapeError(
            "affine_grid takes theta (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) for (N, C, D, H, W), "
            f"got {maps.shape} and {tuple(size)}."
        )
    if not maps.dtype.is_float:
        raise DTypeError(f"affine_grid takes floats, got {maps.dtype}.")
    lines = []
    for extent in spatial:
        line = np.linspace(-1.0, 1.0, extent) if extent > 1 else np.zeros(1)
        lines.append(line if as_flag("align_corners", align_corners) else line * (extent - 1) / extent)
    points = np.stack([*reversed(np.meshgrid(*lines, indexing="ij")), np.ones(spatial)], -1)  # x comes first
    points = points.reshape(-1, axes + 1).astype(maps.dtype.numpy)
    return (ops.as_tensor(points) @ maps.transpose(1, 2)).reshape(size[0], *spatial, axes)


def grid_sample(
    input: Input,
    grid: Input,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """x (N, C, H, W), or (N, C, D, H, W), read at points (N, ..., 2), or (N, ..., 3): (N, C, ...).

    The coordinates of a point begin with that of the last axis of x; -1 and 1 are the middles of the first and the last
    element with `align_corners`, else their outer edges. `mode` says whether a point is the nearest element
    ("nearest", a tie being the even one), a mix of the 4, or 8, around it ("bilinear", of three axes as well), or of
    the 16 around it ("bicubic", of two axes: see `interpolate`). What lies outside is 0 ("zeros"), the element at the
    edge ("border"), or what a mirror there shows ("reflection"). Raises ShapeError, ArgumentError and DTypeError.
    Jaderberg et al., "Spatial transformer networks", arXiv:1506.02025, section 3.3.
    """
    x, points = ops.as_tensor(input), ops.as_tensor(grid)
    axes = x.ndim - 2
    if axes not in (2, 3) or points.ndim != x.ndim or points.shape[0] != x.shape[0] or points.shape[-1] != axes:
        raise ShapeError(
            "grid_sample takes an input (N, C, H, W) and a grid (N, H, W, 2), or with D and 3 coordinates, "
            f"got {x.shape} and {points.shape}."
        )
    if 0 in x.shape[2:]:
        raise ShapeError(f"grid_sample takes an input with positions, got {x.shape}.")
    modes = MODES[: 5 - axes]  # "bicubic" is of two axes
    as_choice(f"grid_sample takes mode={', '.join(map(repr, modes))}", mode, modes)
    as_choice(f"grid_sample takes padding_mode={', '.join(map(repr, PADDINGS))}", padding_mode, PADDINGS)
    if not (x.dtype.is_float and points.dtype.is_float):
        raise DTypeError(f"grid_sample takes floats, got {x.dtype} and {points.dtype}.")
    spatial = x.shape[2:]
    taps = [
        _taps(
            points[..., axes - 1 - axis].flatten(1), extent, mode, padding_mode, as_flag("align_corners", align_corners)
        )
        for axis, extent in enumerate(spatial)
    ]
    elements_of_channels = x.reshape(*x.shape[:2], math.prod(spatial))
    terms = [_read(elements_of_channels, spatial, chosen) for chosen in itertools.product(*taps)]
    return sum(terms[1:], start=terms[0]).reshape(*x.shape[:2], *points.shape[1:-1])


Tap = tuple[Tensor, Tensor]  # positions along an axis, as floats, and weights, for each point


def _taps(at: Tensor, extent: int, mode: str, padding: str, align_corners: bool) -> list[Tap]:
    """The elements along an axis that are mixed at coordinates."""
    place = (at + 1.0) * (0.5 * (extent - 1)) if align_corners else ((at + 1.0) * float(extent) - 1.0) * 0.5
    if mode == "bicubic":
        first = ops.floor(place)
        beside = place - first
        found = [(first + float(tap), _cubic(beside - float(tap))) for tap in (-1, 0, 1, 2)]
        return [(_inside(tap, extent, padding, align_corners), weight) for tap, weight in found]
    place = _inside(place, extent, padding, align_corners)
    if mode == "nearest":
        return [(ops.round(place), ops.ones_like(place))]
    first = ops.floor(place)
    return [(first, 1.0 - (place - first)), (first + 1.0, place - first)]


def _inside(place: Tensor, extent: int, padding: str, align_corners: bool) -> Tensor:
    """Positions along an axis with those outside moved to where they are read; with "zeros" they stay outside."""
    if padding == "zeros":
        return place
    if padding == "reflection":
        low, span = (0.0, extent - 1.0) if align_corners else (-0.5, float(extent))
        distance = abs(place - low)
        turns = ops.floor(distance / span) if span else ops.zeros_like(place)
        left = distance - turns * span
        even = turns - ops.floor(turns * 0.5) * 2.0 == 0.0
        place = ops.where(even, left, span - left) + low if span else turns
    within = ops.logical_and(place > 0.0, place < extent - 1.0)  # at the ends, as outside, there is no gradient
    return ops.where(within, place, ops.clip(place, 0.0, extent - 1.0).detach())


def _cubic(distance: Tensor) -> Tensor:
    """The weight of an element at a distance of at most 2: Keys' kernel with a = -3/4."""
    d = abs(distance)
    near = (d * 1.25 - 2.25) * d * d + 1.0
    return ops.where(d <= 1.0, near, ((d - 5.0) * d + 8.0) * d * -0.75 + 3.0)


def _read(x: Tensor, spatial: Sequence[int], taps: Sequence[Tap]) -> Tensor:
    """What taps along all axes add to each point: an element of x (N, C, elements) times its weights, or 0 outside."""
    pairs = [(place, extent) for (place, _), extent in zip(taps, spatial, strict=True)]
    holds = [ops.logical_and(place >= 0.0, place <= extent - 1.0) for place, extent in pairs]
    inside = functools.reduce(ops.logical_and, holds)
    weight = functools.reduce(operator.mul, [factor for _, factor in taps])
    position = ops.zeros_like(inside, dtype="int64")
    for place, extent in pairs:
        position = position * extent + ops.where(inside, place, 0.0).astype("int64")
    found = elements(x, position.unsqueeze(1), 2) * weight.unsqueeze(1)
    return ops.where(inside.unsqueeze(1), found, 0.0)
