"""Functions of floats on each element that statistics needs: what erf leaves of 1, its inverse, and gamma functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.errors import ArgumentError
from lucid.ir.ops.base import Unary, op
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType

if TYPE_CHECKING:
    from lucid.ir.build import Expr

T = TypeVar("T")

HIGHEST_ORDER = 12  # of derivatives of digamma: its factorial and its sums still fit into float32


@op
class Erfc(Unary):
    """1 - erf(x), elementwise: precise also where that is tiny."""

    floats_only = True
    ulp = 5.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.erfc(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        (a,) = x
        return (g * (-(a * a)).exp() * (-2.0 / math.sqrt(math.pi)),)


@op
class Erfinv(Unary):
    """The number whose error function is x, elementwise; infinite where |x| is 1, NaN where it is above."""

    floats_only = True
    ulp = 6.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.erfinv(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * (y * y).exp() * (math.sqrt(math.pi) / 2.0),)


@op
class Lgamma(Unary):
    """The natural logarithm of |gamma(x)|, elementwise; infinite at 0 and at negative integers.

    For x below 0 the error is one of 8 units in the last place of the larger of the result and 1.
    """

    floats_only = True
    ulp = 6.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.lgamma(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * x[0].apply(Digamma()),)


@op
class Digamma(Unary):
    """The derivative of log gamma(x), elementwise; -inf at 0, inf at -0, NaN at negative integers.

    For x below 0 the error is one of 8 units in the last place of the larger of the result and 1.
    """

    floats_only = True
    ulp = 5.0

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.digamma(*x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * x[0].apply(Polygamma(1)),)


@op
class Polygamma(Unary):
    """The derivative of order n of digamma(x), elementwise, for n from 1 to 12; infinite at 0 and at negative integers.

    The error is that of n = 1 for x above 0; each further order adds 3. For x below 0 it is one of the larger terms.
    """

    n: int = 1
    floats_only = True
    ulp = 7.0

    def result(self, *operands: DType) -> DType:
        if not 1 <= self.n <= HIGHEST_ORDER:
            raise ArgumentError(f"polygamma takes an order n from 1 to {HIGHEST_ORDER}, got {self.n}.")
        return super().result(*operands)

    def scalar(self, s: Scalars[T], *x: T) -> T:
        return s.polygamma(self.n, *x)

    def vjp(self, g: Expr, y: Expr, *x: Expr) -> tuple[Expr | None, ...]:
        return (g * x[0].apply(Polygamma(self.n + 1)),)
