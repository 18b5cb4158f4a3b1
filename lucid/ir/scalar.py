"""The scalar vocabulary: what ops are written in, and what NumPy, LLVM and CUDA each implement.

An elementwise op says what it does to one element with the methods of a `Scalars`. The abstract methods are the
primitives: every target has an instruction for each, and all targets give the same bits. The others are derived from
them here and in `scalar_math`, once. `T` stands for whatever a target computes with: a NumPy array, an LLVM vector, a
C expression.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from lucid.ir import scalar_math
from lucid.ir.types import DType, uint32, uint64

T = TypeVar("T")


class Scalars(ABC, Generic[T]):
    """Arithmetic on one element, or on a vector of independent elements.

    Binary methods take operands of one dtype. Comparisons give bool. Booleans know only the logical methods,
    `select`, `cast` and `equal`.
    """

    @abstractmethod
    def dtype(self, x: T) -> DType:
        """The element type of x."""

    @abstractmethod
    def constant(self, value: bool | int | float, dtype: DType) -> T:
        """A constant, rounded to dtype."""

    @abstractmethod
    def add(self, x: T, y: T) -> T:
        """x + y; integers wrap around."""

    @abstractmethod
    def subtract(self, x: T, y: T) -> T:
        """x - y; integers wrap around."""

    @abstractmethod
    def multiply(self, x: T, y: T) -> T:
        """x * y; integers wrap around."""

    @abstractmethod
    def divide(self, x: T, y: T) -> T:
        """x / y: correctly rounded for floats; rounded towards zero for integers, where y is not 0 and the quotient
        has their dtype."""

    @abstractmethod
    def fma(self, x: T, y: T, z: T) -> T:
        """x * y + z for floats, rounded once (the NumPy vocabulary rounds as NumPy does)."""

    @abstractmethod
    def sqrt(self, x: T) -> T:
        """The correctly rounded square root of a float."""

    @abstractmethod
    def floor(self, x: T) -> T:
        """The largest integral float that is not above x."""

    @abstractmethod
    def absolute(self, x: T) -> T:
        """|x|; for floats it clears the sign bit, the smallest integer stays as it is."""

    @abstractmethod
    def equal(self, x: T, y: T) -> T:
        """x == y; false where either is NaN."""

    @abstractmethod
    def less(self, x: T, y: T) -> T:
        """x < y; false where either is NaN."""

    @abstractmethod
    def less_equal(self, x: T, y: T) -> T:
        """x <= y; false where either is NaN."""

    @abstractmethod
    def bit_and(self, x: T, y: T) -> T:
        """Bitwise and, of integers or bools."""

    @abstractmethod
    def bit_or(self, x: T, y: T) -> T:
        """Bitwise or, of integers or bools."""

    @abstractmethod
    def bit_xor(self, x: T, y: T) -> T:
        """Bitwise exclusive or, of integers or bools."""

    @abstractmethod
    def shift_left_by(self, x: T, count: T) -> T:
        """x << count for integers of one dtype, 0 <= count < bits."""

    @abstractmethod
    def shift_right_by(self, x: T, count: T) -> T:
        """x >> count for integers of one dtype, 0 <= count < bits: arithmetic for signed ones, logical for unsigned
        ones."""

    @abstractmethod
    def select(self, condition: T, x: T, y: T) -> T:
        """x where the condition holds, else y."""

    @abstractmethod
    def cast(self, x: T, dtype: DType) -> T:
        """x converted by value. Float to integer truncates and saturates, NaN gives 0; to bool is x != 0."""

    @abstractmethod
    def bitcast(self, x: T, dtype: DType) -> T:
        """The bits of x read as a dtype of the same width."""

    # Derived.

    def constant_like(self, value: bool | int | float, x: T) -> T:
        return self.constant(value, self.dtype(x))

    def shift_left(self, x: T, count: int) -> T:
        """x << count for integers, 0 <= count < bits."""
        return self.shift_left_by(x, self.constant_like(count, x))

    def shift_right(self, x: T, count: int) -> T:
        """x >> count for integers, 0 <= count < bits, as `shift_right_by`."""
        return self.shift_right_by(x, self.constant_like(count, x))

    def negate(self, x: T) -> T:
        """-x; for floats it flips the sign bit."""
        if self.dtype(x).is_float:
            return self.subtract(self.constant_like(-0.0, x), x)
        return self.subtract(self.constant_like(0, x), x)

    def bit_not(self, x: T) -> T:
        dtype = self.dtype(x)
        ones = True if dtype.short == "bool" else (-1 if dtype.signed else (1 << dtype.bits) - 1)
        return self.bit_xor(x, self.constant(ones, dtype))

    def not_equal(self, x: T, y: T) -> T:
        return self.bit_not(self.equal(x, y))

    def is_nan(self, x: T) -> T:
        return self.not_equal(x, x)

    def maximum(self, x: T, y: T) -> T:
        """The larger of the two; NaN where either is NaN."""
        larger = self.select(self.less(y, x), x, y)
        return self.select(self.is_nan(x), x, larger) if self.dtype(x).is_float else larger

    def minimum(self, x: T, y: T) -> T:
        """The smaller of the two; NaN where either is NaN."""
        smaller = self.select(self.less(x, y), x, y)
        return self.select(self.is_nan(x), x, smaller) if self.dtype(x).is_float else smaller

    def multiply_wide(self, x: T, y: T) -> tuple[T, T]:
        """The low and the high word of the 64-bit product of two 32-bit unsigned words."""
        product = self.multiply(self.cast(x, uint64), self.cast(y, uint64))
        return self.cast(product, uint32), self.cast(self.shift_right(product, 32), uint32)

    # Division with Python's signs and with C's, and rounding to integral floats: see `scalar_math.division` and
    # `rounding`.

    def floor_divide(self, x: T, y: T) -> T:
        return scalar_math.floor_divide(self, x, y)

    def remainder(self, x: T, y: T) -> T:
        return scalar_math.remainder(self, x, y)

    def fmod(self, x: T, y: T) -> T:
        return scalar_math.fmod(self, x, y)

    def ceil(self, x: T) -> T:
        return scalar_math.ceil(self, x)

    def round(self, x: T) -> T:
        return scalar_math.round(self, x)

    def truncate(self, x: T) -> T:
        return scalar_math.truncate(self, x)

    # Functions of a float, from primitives alone: error bounds are stated where they are defined.

    def exp(self, x: T) -> T:
        return scalar_math.exp(self, x)

    def log(self, x: T) -> T:
        return scalar_math.log(self, x)

    def exp2(self, x: T) -> T:
        return scalar_math.exp2(self, x)

    def expm1(self, x: T) -> T:
        return scalar_math.expm1(self, x)

    def log1p(self, x: T) -> T:
        return scalar_math.log1p(self, x)

    def log2(self, x: T) -> T:
        return scalar_math.log2(self, x)

    def log10(self, x: T) -> T:
        return scalar_math.log10(self, x)

    def sinh(self, x: T) -> T:
        return scalar_math.sinh(self, x)

    def cosh(self, x: T) -> T:
        return scalar_math.cosh(self, x)

    def asinh(self, x: T) -> T:
        return scalar_math.asinh(self, x)

    def acosh(self, x: T) -> T:
        return scalar_math.acosh(self, x)

    def atanh(self, x: T) -> T:
        return scalar_math.atanh(self, x)

    def tanh(self, x: T) -> T:
        return scalar_math.tanh(self, x)

    def sigmoid(self, x: T) -> T:
        return scalar_math.sigmoid(self, x)

    def logit(self, x: T) -> T:
        return scalar_math.logit(self, x)

    def erf(self, x: T) -> T:
        return scalar_math.erf(self, x)

    def erfc(self, x: T) -> T:
        return scalar_math.erfc(self, x)

    def erfinv(self, x: T) -> T:
        return scalar_math.erfinv(self, x)

    def lgamma(self, x: T) -> T:
        return scalar_math.lgamma(self, x)

    def digamma(self, x: T) -> T:
        return scalar_math.digamma(self, x)

    def polygamma(self, n: int, x: T) -> T:
        return scalar_math.polygamma(self, n, x)

    def power(self, x: T, y: T) -> T:
        return scalar_math.power(self, x, y)

    def sin(self, x: T) -> T:
        return scalar_math.sin(self, x)

    def cos(self, x: T) -> T:
        return scalar_math.cos(self, x)

    def tan(self, x: T) -> T:
        return scalar_math.tan(self, x)

    def asin(self, x: T) -> T:
        return scalar_math.asin(self, x)

    def acos(self, x: T) -> T:
        return scalar_math.acos(self, x)

    def atan(self, x: T) -> T:
        return scalar_math.atan(self, x)

    def atan2(self, y: T, x: T) -> T:
        return scalar_math.atan2(self, y, x)

    # From a word of the random stream.

    def normal(self, word: T, dtype: DType) -> T:
        return scalar_math.normal(self, word, dtype)
