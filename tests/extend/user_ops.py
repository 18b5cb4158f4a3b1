"""Ops as a user writes them, one of each family."""

from __future__ import annotations

from typing import Any

import lucid
from lucid.extend import Binary, Comparison, Elementwise, Movement, Piece, Random, Reduction, Unary, op


@op("tests")
class Softsign(Unary):
    """x / (1 + |x|), elementwise."""

    floats_only = True

    def scalar(self, s: Any, x: Any) -> Any:
        return s.divide(x, s.add(s.constant_like(1.0, x), s.absolute(x)))

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        slope = 1.0 - abs(y)
        return (g * slope * slope,)


@op("tests")
class Hypot(Binary):
    """sqrt(x * x + y * y), elementwise."""

    floats_only = True

    def scalar(self, s: Any, x: Any, y: Any) -> Any:
        return s.sqrt(s.add(s.multiply(x, x), s.multiply(y, y)))

    def vjp(self, g: Any, z: Any, x: Any, y: Any) -> Any:
        return g * x / z, g * y / z


@op("tests")
class IsClose(Comparison):
    """|x - y| <= 1, elementwise."""

    def scalar(self, s: Any, x: Any, y: Any) -> Any:
        return s.less_equal(s.absolute(s.subtract(x, y)), s.constant_like(1, x))


@op("tests")
class Mix(Elementwise):
    """x * share + y * (1 - share), elementwise, in float64."""

    share: float
    arity = 2

    def result(self, x: Any, y: Any) -> Any:
        return lucid.float64

    def scalar(self, s: Any, x: Any, y: Any) -> Any:
        first, second = (s.constant(number, lucid.float64) for number in (self.share, 1.0 - self.share))
        x, y = (s.cast(z, lucid.float64) for z in (x, y))
        return s.add(s.multiply(x, first), s.multiply(y, second))

    def vjp(self, g: Any, z: Any, x: Any, y: Any) -> Any:
        return (g * self.share).cast(x.dtype), (g * (1.0 - self.share)).cast(y.dtype)


@op("tests")
class Roll(Movement):
    """x with its last axis rotated to the right by `by`."""

    by: int

    def infer(self, operands: Any) -> Any:
        return operands

    def pieces(self, index: Any, operands: Any) -> Any:
        *rows, column = index
        return (Piece(0, (*rows, (column - self.by) % operands[0].shape[-1])),)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return (g.apply(Roll(-self.by)),)


@op("tests")
class Shift(Movement):
    """x moved to the right along its last axis by `by`, with zeros behind it."""

    by: int

    def infer(self, operands: Any) -> Any:
        return operands

    def pieces(self, index: Any, operands: Any) -> Any:
        *rows, column = index
        moved = column - self.by
        return (Piece(0, (*rows, moved), ((moved, operands[0].shape[-1]),)),)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        return (g.apply(Shift(-self.by)),)


@op("tests")
class SumOfSquares(Reduction):
    """The sum of x * x along axes."""

    axes: tuple[int, ...]
    lanes: int = 0

    def result(self, operand: Any) -> Any:
        return operand

    def identity(self, s: Any, dtype: Any) -> Any:
        return (s.constant(0, dtype),)

    def lift(self, s: Any, x: Any, position: Any) -> Any:
        return (s.multiply(x, x),)

    def combine(self, s: Any, a: Any, b: Any) -> Any:
        return (s.add(a[0], b[0]),)

    def vjp(self, g: Any, y: Any, x: Any) -> Any:
        kept = tuple(1 if axis in self.axes else extent for axis, extent in enumerate(x.shape))
        return (g.reshape(kept).broadcast(x.shape) * x * 2.0,)


@op("tests")
class RandomSign(Random):
    """-scale or scale, each with probability 1/2."""

    draw: int
    shape: tuple[int, ...]
    parameters = 1

    def result(self) -> Any:
        return lucid.float32

    def scalar(self, s: Any, word: Any, scale: Any) -> Any:
        size = s.cast(scale, lucid.float32)
        return s.select(s.less(word, s.constant(2**31, lucid.uint32)), s.negate(size), size)


def declared(body: str = "", base: str = "Unary", namespace: str = "tests", doc: str = "A test.") -> Any:
    """A class like one in a cell of a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    lines = [f'"""{doc}"""' if doc else "pass", *body.splitlines()]
    source = "\n".join(
        [
            "from lucid.extend import *",
            "from lucid.extend import op",
            "from lucid.ir.scalar_numpy import NumpyScalars",
            f"@op({namespace!r})",
            f"class Cell({base}):",
            *(f"    {line}" for line in lines),
        ]
    )
    exec(source, names)
    return names["Cell"]


SCALAR = "def scalar(self, s, x): return {}"
