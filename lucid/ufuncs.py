"""NumPy's functions of elements, called on Tensors: `np.sqrt(tensor)` is `lucid.sqrt(tensor)`, in a trace too.

Results follow Lucid's rules: integers become float32 where NumPy would give float64, and dtypes promote as they do
among Tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError

if TYPE_CHECKING:
    from lucid.operations import Operand
    from lucid.tensor import Tensor


# The counterparts that have another name; the others are found by NumPy's.
RENAMED: Mapping[np.ufunc, Callable[..., Tensor]] = {
    np.arccos: ops.acos,
    np.arccosh: ops.acosh,
    np.arcsin: ops.asin,
    np.arcsinh: ops.asinh,
    np.arctan: ops.atan,
    np.arctan2: ops.atan2,
    np.arctanh: ops.atanh,
    np.fabs: ops.absolute,
    np.invert: ops.bitwise_not,
    np.rint: ops.round,
}


def apply(ufunc: np.ufunc, method: str, operands: tuple[Operand, ...], options: Mapping[str, Any]) -> Tensor:
    """What `Tensor.__array_ufunc__` is asked for. Raises ArgumentError where Lucid has no counterpart."""
    name = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
    if options.get("out"):
        raise ArgumentError(
            f"{name} can't write what it computes from a Tensor into an array.",
            hint="let it make a Tensor (`a = a + t` instead of `a += t`), or convert the Tensor first: t.numpy().",
        )
    operation = RENAMED.get(ufunc) or (getattr(ops, ufunc.__name__, None) if ufunc.__name__ in ops.__all__ else None)
    if operation is None or method != "__call__" or options:
        given = "".join(f" with {option}=" for option in options)
        raise ArgumentError(
            f"{name}{given} has no counterpart for Tensors.",
            hint="convert the Tensor first, outside a trace: t.numpy().",
        )
    result: Tensor = operation(*operands)
    return result
