"""Bounds of indices that are data, checked when a step runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lucid.eager as eager
from lucid.errors import CheckError, DTypeError
from lucid.ir.ops import reduction as rd
from lucid.ir.ops.structure import Check
from lucid.ir.types import int64, uint64
from lucid.operations.arguments import as_integer
from lucid.operations.elementwise import logical_and, logical_not, logical_or, where
from lucid.operations.operands import Operand, apply_op, as_tensor, cast

if TYPE_CHECKING:
    from lucid.tensor import Tensor


def check_index(index: Operand, extent: int, name: str, valid: Tensor | None = None) -> None:
    """Raise CheckError, when this runs, unless every element of an integer tensor lies in 0 ... extent - 1.

    In a compiled step the check comes before anything is written. Where `valid` is given, elements for which it is
    false are not looked at.
    """
    index, extent = as_tensor(index), as_integer("check_index takes an integer as extent", extent)
    if not index.dtype.is_integer:
        raise DTypeError(f"only integer tensors can index, got {index.dtype}.")
    wide = cast(index, uint64 if index.dtype == uint64 else int64)
    inside = wide < extent
    if index.dtype.signed:
        inside = logical_and(wide >= 0, inside)
    if valid is not None:
        inside = logical_or(inside, logical_not(valid))
    place = " at position {position}" if index.ndim else ""
    _check(inside, index, f"{name} {{value}}{place} is out of range: expected 0 to {extent - 1}.")


def check_position(index: Tensor, extent: int, axis: int) -> None:
    """Raise CheckError, when this runs, unless every element of an integer tensor is a position on an axis: from
    -extent, the first counted from the end, to extent - 1. Raises DTypeError for other tensors."""
    if not index.dtype.is_integer:
        raise DTypeError(f"only integer tensors can index, got {index.dtype}.")
    if not index.size:
        return
    if not extent:
        raise CheckError(f"there is no index for axis {axis} with extent 0.")
    wide = cast(index, uint64 if index.dtype == uint64 else int64)
    inside = wide < extent
    if index.dtype.signed:
        inside = logical_and(wide >= -extent, inside)
    place = " at position {position}" if index.ndim else ""
    _check(inside, index, f"index {{value}}{place} is out of range for axis {axis} with extent {extent}.")


def check_holds(holds: Tensor, what: str, instead: str = "") -> None:
    """Raise CheckError, when this runs, unless all elements of a tensor of bools are true: it says what is taken, and
    the row-major position of the first element for which that is not so, and what is there `instead`."""
    place = " at position {position}" if holds.ndim else ""
    _check(holds, holds, f"{what}, which is not so{place}{instead and f'; {instead}'}.")


def _check(holds: Tensor, values: Tensor, sentence: str) -> None:
    """Raise CheckError, when this runs, at the first element that does not hold."""
    position = apply_op(rd.FirstFalse(tuple(range(holds.ndim))), holds) if holds.ndim else where(holds, -1, 0)
    eager.apply(Check(sentence), (position, values))
