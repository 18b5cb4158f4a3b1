"""Other resolutions: channels as pixels, and windows as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lucid.operations as ops
from lucid.errors import ShapeError
from lucid.nn.functional.windows import Input, Size, each_axis, with_batch
from lucid.operations.windows import sum_of_windows, windows
from lucid.tensor import Tensor


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
