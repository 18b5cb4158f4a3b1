"""Padding, and enlarging by repetition."""

from __future__ import annotations

from collections.abc import Sequence

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.operations.arguments import as_integers
from lucid.tensor import Array, Number, Tensor

Input = Tensor | Array

MODES = ("constant", "reflect", "replicate", "circular")


def pad(x: Input, pad: Sequence[int], mode: str = "constant", value: Number = 0.0) -> Tensor:
    """x with elements added at both ends of its last axes.

    `pad` holds the numbers before and after for the last axis, then for the one before it, and so on; a negative one
    crops. What is added is `value`, the elements mirrored at the edge ("reflect"), the edge itself ("replicate"), or
    the elements of the other end ("circular"). Raises ShapeError where there are too few elements for that.
    """
    tensor = ops.as_tensor(x)
    if mode not in MODES:
        raise ArgumentError(f"pad takes mode={', '.join(map(repr, MODES))}, got {mode!r}.")
    pad = as_integers("pad takes numbers of elements", pad)
    if len(pad) % 2 or len(pad) > 2 * tensor.ndim:
        raise ShapeError(f"pad takes two numbers for each of the last axes, got {pad} for shape {tensor.shape}.")
    for i in range(0, len(pad), 2):
        tensor = _pad_axis(tensor, tensor.ndim - 1 - i // 2, pad[i], pad[i + 1], mode, value)
    return tensor


def _pad_axis(x: Tensor, axis: int, before: int, after: int, mode: str, value: Number) -> Tensor:
    if min(before, after) < 0:
        if x.shape[axis] + min(before, 0) + min(after, 0) < 0:
            raise ShapeError(f"pad crops {-min(before, 0) - min(after, 0)} elements of axis {axis} of shape {x.shape}.")
        x = _part(x, axis, max(-before, 0), x.shape[axis] - max(-after, 0))
        before, after = max(before, 0), max(after, 0)
    extent = x.shape[axis]
    most = {"reflect": extent - 1, "circular": extent, "replicate": max(before, after) if extent else 0}
    if max(before, after) > most.get(mode, max(before, after)):
        raise ShapeError(
            f"{mode} padding of axis {axis} of shape {x.shape} adds at most {most[mode]}, got {before} and {after}."
        )
    parts = [x]
    if before:
        parts.insert(0, _added(x, axis, before, mode, value, at_end=False))
    if after:
        parts.append(_added(x, axis, after, mode, value, at_end=True))
    return ops.concatenate(parts, axis) if len(parts) > 1 else x


def _added(x: Tensor, axis: int, count: int, mode: str, value: Number, at_end: bool) -> Tensor:
    """What stands before or after x along an axis."""
    extent = x.shape[axis]
    if mode == "reflect":
        first = extent - 2 if at_end else count
        key = slice(first, first - count if first >= count else None, -1)
        return x[(*(slice(None),) * axis, key)]
    if mode == "circular":
        return _part(x, axis, 0, count) if at_end else _part(x, axis, extent - count, extent)
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    if mode == "replicate":
        edge = extent - 1 if at_end else 0
        return ops.broadcast_to(_part(x, axis, edge, edge + 1), shape)
    return ops.full(shape, value, x.dtype)


def _part(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    return x[(*(slice(None),) * axis, slice(start, stop))]


def interpolate(
    x: Input,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
) -> Tensor:
    """x of shape (N, C, ...) enlarged along the axes behind C, to a size or by a factor, each element repeated.

    Each extent becomes a whole multiple of itself, and `mode` is "nearest": others raise ArgumentError.
    """
    tensor = ops.as_tensor(x)
    if tensor.ndim < 3:
        raise ShapeError(f"interpolate takes inputs of shape (N, C, ...) with positions, got {tensor.shape}.")
    if mode != "nearest":
        raise ArgumentError(f'interpolate takes mode="nearest", got {mode!r}.')
    result = tensor
    for axis, count in enumerate(_repetitions(tensor.shape[2:], size, scale_factor), 2):
        if count > 1:
            spread = (*result.shape[: axis + 1], count, *result.shape[axis + 1 :])
            joined = (*result.shape[:axis], result.shape[axis] * count, *result.shape[axis + 1 :])
            result = ops.broadcast_to(result.unsqueeze(axis + 1), spread).reshape(joined)
    return result


def _repetitions(
    shape: tuple[int, ...], size: int | Sequence[int] | None, scale_factor: float | Sequence[float] | None
) -> list[int]:
    """How often the elements of each axis are repeated."""
    if size is not None and scale_factor is None:
        name, given = "size", _for_each(shape, size)
        factors = [value / extent if extent else 1.0 for extent, value in zip(shape, given, strict=True)]
    elif scale_factor is not None and size is None:
        name, given = "scale_factor", _for_each(shape, scale_factor)
        factors = given
    else:
        raise ArgumentError("interpolate takes either size or scale_factor.")
    if any(factor < 1 or factor != int(factor) for factor in factors):
        raise ArgumentError(
            f"interpolate makes each extent of {shape} a whole multiple of itself, got {name}={tuple(given)}."
        )
    return [int(factor) for factor in factors]


def _for_each(shape: tuple[int, ...], given: float | Sequence[float]) -> list[float]:
    values = list(given) if isinstance(given, Sequence) else [given] * len(shape)
    if len(values) != len(shape):
        raise ArgumentError(f"interpolate takes a value for each of {len(shape)} axes, got {given!r}.")
    return values
