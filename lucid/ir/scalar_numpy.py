"""The scalar vocabulary on NumPy arrays: the reference semantics that the interpreter and eager mode run."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.ir import scalar_math
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, as_dtype, bool_

Array = npt.NDArray[Any]

MANY = 4096  # elements, from which on a step more for all of them is nothing beside a slower step
BLOCK = 32768  # elements, of which a second-level cache holds a few arrays


class NumpyScalars(Scalars[Array]):
    """Primitives by NumPy's own ufuncs; transcendental functions are NumPy's where it has them, and keep the error
    bounds of the derived ones, or 1 ulp where those are closer. Callers silence floating-point warnings."""

    def dtype(self, x: Array) -> DType:
        return as_dtype(x.dtype)

    def constant(self, value: bool | int | float, dtype: DType) -> Array:
        return np.asarray(value, dtype=dtype.numpy)

    def add(self, x: Array, y: Array) -> Array:
        return np.add(x, y)

    def subtract(self, x: Array, y: Array) -> Array:
        return np.subtract(x, y)

    def multiply(self, x: Array, y: Array) -> Array:
        return np.multiply(x, y)

    def divide(self, x: Array, y: Array) -> Array:
        if x.dtype.kind == "f":
            return np.divide(x, y)
        down = np.floor_divide(x, y)
        return np.asarray(down + ((down < 0) & (down * y != x)).astype(x.dtype))

    def fma(self, x: Array, y: Array, z: Array) -> Array:
        return np.add(np.multiply(x, y), z)

    def sqrt(self, x: Array) -> Array:
        return np.sqrt(x)

    def floor(self, x: Array) -> Array:
        return np.floor(x)

    def absolute(self, x: Array) -> Array:
        return np.abs(x)

    def equal(self, x: Array, y: Array) -> Array:
        return np.equal(x, y)

    def less(self, x: Array, y: Array) -> Array:
        return np.less(x, y)

    def less_equal(self, x: Array, y: Array) -> Array:
        return np.less_equal(x, y)

    def bit_and(self, x: Array, y: Array) -> Array:
        return np.bitwise_and(x, y)

    def bit_or(self, x: Array, y: Array) -> Array:
        return np.bitwise_or(x, y)

    def bit_xor(self, x: Array, y: Array) -> Array:
        return np.bitwise_xor(x, y)

    def shift_left_by(self, x: Array, count: Array) -> Array:
        return np.asarray(np.left_shift(x, count))

    def shift_right_by(self, x: Array, count: Array) -> Array:
        return np.asarray(np.right_shift(x, count))

    def select(self, condition: Array, x: Array, y: Array) -> Array:
        return _select_bits(condition, x, y) if condition.size >= MANY else np.where(condition, x, y)

    def cast(self, x: Array, dtype: DType) -> Array:
        if dtype == bool_:
            return np.not_equal(x, 0)
        if dtype.is_integer and x.dtype.kind == "f":
            return _saturate(x, dtype)
        return x.astype(dtype.numpy)

    def bitcast(self, x: Array, dtype: DType) -> Array:
        return x.view(dtype.numpy)

    def negate(self, x: Array) -> Array:
        return np.negative(x)

    def maximum(self, x: Array, y: Array) -> Array:
        return np.maximum(x, y)

    def minimum(self, x: Array, y: Array) -> Array:
        return np.minimum(x, y)

    def floor_divide(self, x: Array, y: Array) -> Array:
        return np.asarray(np.floor_divide(x, y))

    def remainder(self, x: Array, y: Array) -> Array:
        return np.asarray(np.remainder(x, y))

    def fmod(self, x: Array, y: Array) -> Array:
        return np.asarray(np.fmod(x, y))

    def ceil(self, x: Array) -> Array:
        return np.ceil(x)

    def round(self, x: Array) -> Array:
        return np.rint(x)

    def truncate(self, x: Array) -> Array:
        return np.trunc(x)

    def exp(self, x: Array) -> Array:
        return _through_float64(np.exp, x)

    def exp2(self, x: Array) -> Array:
        return _through_float64(np.exp2, x)

    def expm1(self, x: Array) -> Array:
        return _through_float64(np.expm1, x)

    def log1p(self, x: Array) -> Array:
        return _through_float64(np.log1p, x)

    def log2(self, x: Array) -> Array:
        return _through_float64(np.log2, x)

    def log10(self, x: Array) -> Array:
        return _through_float64(np.log10, x)

    def sinh(self, x: Array) -> Array:
        return np.sinh(x)

    def cosh(self, x: Array) -> Array:
        return _through_float64(np.cosh, x)

    def asinh(self, x: Array) -> Array:
        return np.arcsinh(x)

    def acosh(self, x: Array) -> Array:
        return np.arccosh(x)

    def atanh(self, x: Array) -> Array:
        return np.arctanh(x)

    def log(self, x: Array) -> Array:
        return _through_float64(np.log, x)

    def tanh(self, x: Array) -> Array:
        return np.tanh(x)

    def sigmoid(self, x: Array) -> Array:
        return _in_blocks(_sigmoid if x.dtype == np.float32 else super().sigmoid, x)

    def logit(self, x: Array) -> Array:
        return _in_blocks(super().logit, x)

    def erf(self, x: Array) -> Array:
        return _in_blocks(super().erf, x)

    def erfc(self, x: Array) -> Array:
        return _in_blocks(super().erfc, x)

    def erfinv(self, x: Array) -> Array:
        return _in_blocks(super().erfinv, x)

    def lgamma(self, x: Array) -> Array:
        return _in_blocks(super().lgamma, x)

    def digamma(self, x: Array) -> Array:
        return _in_blocks(super().digamma, x)

    def polygamma(self, n: int, x: Array) -> Array:
        return _in_blocks(functools.partial(super().polygamma, n), x)

    def power(self, x: Array, y: Array) -> Array:
        if x.dtype.kind != "f":
            return super().power(x, y)
        # With one exponent of 0.5 for all elements NumPy takes roots, and those of -0 and -inf are not powers.
        is_no_root = (y == 0.5) & ((x == 0.0) | np.isneginf(x))
        return np.asarray(np.where(is_no_root, np.abs(x), np.power(x, y)))

    def sin(self, x: Array) -> Array:
        return np.sin(_within_range(x))

    def cos(self, x: Array) -> Array:
        return np.cos(_within_range(x))

    def tan(self, x: Array) -> Array:
        return np.tan(_within_range(x))

    def asin(self, x: Array) -> Array:
        return np.arcsin(x)

    def acos(self, x: Array) -> Array:
        return np.arccos(x)

    def atan(self, x: Array) -> Array:
        return np.arctan(x)

    def atan2(self, y: Array, x: Array) -> Array:
        return np.arctan2(y, x)


def _select_bits(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, else y, without a branch for each element: what `np.where` has, which a processor
    guesses wrong where the condition is as good as random, takes ten times as long."""
    bits = np.dtype(f"i{x.itemsize}")
    a, b = x.view(bits), y.view(bits)
    differing = a ^ b
    chosen: Array = np.multiply(
        condition, differing, out=differing if differing.shape == condition.shape else None, dtype=bits
    )
    chosen ^= b
    return chosen.view(x.dtype)


def _in_blocks(function: Callable[[Array], Array], x: Array) -> Array:
    """A function of floats that takes many steps, of so many elements at once that they stay in the cache meanwhile."""
    if x.size <= BLOCK:
        return function(x)
    result = np.empty(x.shape, x.dtype)
    elements, results = x.reshape(-1), result.reshape(-1)
    for start in range(0, x.size, BLOCK):
        results[start : start + BLOCK] = function(elements[start : start + BLOCK])
    return result


def _through_float64(function: np.ufunc, x: Array) -> Array:
    """A function of floats, whose float32 version in NumPy errs by more than ours may: that of float64, rounded."""
    if x.dtype != np.float32:
        return np.asarray(function(x))
    return np.asarray(function(x, np.empty_like(x), dtype=np.float64, casting="same_kind"))


def _sigmoid(x: Array) -> Array:
    """The sigmoid of float32: that of float64, rounded."""
    return np.asarray(1.0 / (1.0 + np.exp(-x.astype(np.float64))), np.float32)


def _within_range(x: Array) -> Array:
    """x, but NaN where the derived trigonometric functions are NaN."""
    largest = x.dtype.type(scalar_math.TRIGONOMETRIC_RANGE[as_dtype(x.dtype)])
    return np.where(np.abs(x) <= largest, x, x.dtype.type(np.nan))


def _saturate(x: Array, dtype: DType) -> Array:
    """Truncate floats to integers; values out of range go to the nearest end, NaN to 0."""
    info = np.iinfo(dtype.numpy)
    # The upper end is exclusive, and a power of two: exact in every float dtype.
    above = x >= x.dtype.type(2.0 ** (dtype.bits - int(dtype.signed)))
    below = x <= x.dtype.type(float(info.min))
    inside = np.where(above | below | np.isnan(x), x.dtype.type(0), x).astype(dtype.numpy)
    return np.where(above, info.max, np.where(below, info.min, inside)).astype(dtype.numpy)
