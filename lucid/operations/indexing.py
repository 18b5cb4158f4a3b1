"""Indexing by integers, slices, `...` and None, and bounds of indices that are data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import lucid.eager as eager
from lucid.core import TensorCore
from lucid.errors import ArgumentError, CheckError
from lucid.ir.ops import elementwise as ew
from lucid.ir.ops import movement as mv
from lucid.ir.ops import reduction as rd
from lucid.ir.ops.structure import Check
from lucid.ir.types import (
    Shape,
    TensorType,
    bool_,
)
from lucid.operations.elementwise import where
from lucid.operations.movement import reshape
from lucid.operations.operands import apply_op, broadcast_to, cast, constant

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def get_item(x: Tensor, key: Any) -> Tensor:
    """x[key] for integers, slices, `...` and None, as in NumPy."""
    start, step, counts, shape = _basic_index(x, key)
    if (start, counts) == ((0,) * x.ndim, x.shape) and all(s == 1 for s in step):
        return reshape(x, shape)
    return reshape(apply_op(mv.Slice(start, step, counts), x), shape)


def with_item(x: Tensor, key: Any, value: Tensor) -> Tensor:
    """x with x[key] replaced: what `x[key] = value` assigns."""
    start, step, counts, shape = _basic_index(x, key)
    part = reshape(broadcast_to(cast(value, x.dtype), shape), counts)
    spread = apply_op(mv.ScatterSlice(start, step, x.shape), part)
    inside = apply_op(mv.ScatterSlice(start, step, x.shape), constant(True, TensorType(bool_, counts)))
    return apply_op(ew.Where(), inside, spread, x)


def _basic_index(x: Tensor, key: Any) -> tuple[tuple[int, ...], tuple[int, ...], Shape, Shape]:
    """Start, step and count along each axis of x, and the shape of the result."""
    keys = list(key) if isinstance(key, tuple) else [key]
    for item in keys:
        if not (item is None or item is Ellipsis or isinstance(item, slice)) and not hasattr(item, "__index__"):
            raise ArgumentError(f"tensors are indexed by integers, slices, `...` and None, got {item!r}.")
        if isinstance(item, np.ndarray | TensorCore) and item.ndim:
            raise ArgumentError(
                "tensors are indexed by integers, slices, `...` and None, got an array.",
                hint="compare with lucid.arange and select with lucid.where",
            )
    used = sum(item is not None and item is not Ellipsis for item in keys)
    ellipses = [at for at, item in enumerate(keys) if item is Ellipsis]  # keys may be tensors, which == would compare
    if used > x.ndim or len(ellipses) > 1:
        raise CheckError(f"too many indices for a tensor of shape {x.shape}: {used}.")
    fill: list[Any] = [slice(None)] * (x.ndim - used)
    if ellipses:
        keys[ellipses[0] : ellipses[0] + 1] = fill
    else:
        keys += fill
    start, step, counts, shape, axis = [], [], [], [], 0
    for item in keys:
        if item is None:
            shape.append(1)
            continue
        extent = x.shape[axis]
        if isinstance(item, slice):
            first, last, stride = item.indices(extent)
            count = len(range(first, last, stride))
            start.append(first if count else 0)
            step.append(stride if count else 1)
            counts.append(count)
            shape.append(count)
        else:
            position = int(item.__index__())
            if not -extent <= position < extent:
                raise CheckError(f"index {position} is out of range for axis {axis} with extent {extent}.")
            start.append(position % extent)
            step.append(1)
            counts.append(1)
        axis += 1
    return tuple(start), tuple(step), tuple(counts), tuple(shape)


def check_index(index: Tensor, extent: int, name: str, valid: Tensor | None = None) -> None:
    """Raise CheckError, when this runs, unless every element of an integer tensor lies in 0 ... extent - 1.

    In a compiled step the check comes before anything is written. Where `valid` is given, elements for which it is
    false are not looked at.
    """
    inside = (index >= 0) & (index < extent)
    if valid is not None:
        inside = inside | ~valid
    position = apply_op(rd.FirstFalse(tuple(range(index.ndim))), inside) if index.ndim else where(inside, -1, 0)
    sentence = f"{name} {{value}} at position {{position}} is out of range: expected 0 to {extent - 1}."
    eager.apply(Check(sentence), (position, index))
