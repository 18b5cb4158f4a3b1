"""Padding."""

from __future__ import annotations

from collections.abc import Sequence

import lucid.operations as ops
from lucid.errors import ShapeError
from lucid.operations.arguments import as_choice, as_integers
from lucid.tensor import Array, Number, Tensor

Input = Tensor | Array

MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Input, pad: Sequence[int], mode: str = "constant", value: Number | None = None) -> Tensor:
    """x with elements added at both ends of its last axes.

    `pad` holds the numbers before and after for the last axis, then for the one before it, and so on; a negative one
    crops. What is added is `value` (0 unless given), the elements mirrored at the edge ("reflect"), the edge itself
    ("replicate"), or the elements of the other end ("circular"). Raises ShapeError where there are too few elements for
    that.
    """
    tensor = ops.as_tensor(input)
    as_choice(f"pad takes mode={', '.join(map(repr, MODES))}", mode, MODES)
    pad = as_integers("pad takes numbers of elements", pad)
    if len(pad) % 2 or len(pad) > 2 * tensor.ndim:
        raise ShapeError(f"pad takes two numbers for each of the last axes, got {pad} for shape {tensor.shape}.")
    for i in range(0, len(pad), 2):
        tensor = _pad_axis(tensor, tensor.ndim - 1 - i // 2, pad[i], pad[i + 1], mode, 0.0 if value is None else value)
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
