"""Index expressions: integer sums of axes and of known values, with division and modulus by constants.

They say which element of an operand an element of a result reads. Movement ops are defined by them, and kernels
carry them to every printer. Construction normalizes, so two expressions that this algebra can prove equal are equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lucid.ir.types import Extent, Shape


@dataclass(frozen=True)
class Axis:
    """A loop variable that runs from 0 to extent - 1. Axes of one kernel have distinct numbers."""

    number: int
    extent: Extent

    @property
    def bounds(self) -> tuple[int, int]:
        return 0, max(self.extent - 1, 0)


@dataclass(frozen=True)
class Known:
    """A value that the kernel has computed: its value number `number`, an int64 from 0 to extent - 1."""

    number: int
    extent: Extent

    @property
    def bounds(self) -> tuple[int, int]:
        return 0, max(self.extent - 1, 0)


@dataclass(frozen=True)
class Quotient:
    """index // divisor, rounded towards minus infinity."""

    index: Index
    divisor: int

    @property
    def bounds(self) -> tuple[int, int]:
        low, high = self.index.bounds
        return low // self.divisor, high // self.divisor


@dataclass(frozen=True)
class Remainder:
    """index modulo divisor, between 0 and divisor - 1."""

    index: Index
    divisor: int

    @property
    def bounds(self) -> tuple[int, int]:
        return 0, self.divisor - 1


Atom = Axis | Known | Quotient | Remainder


@dataclass(frozen=True)
class Index:
    """constant + sum of coefficient * atom."""

    terms: tuple[tuple[Atom, int], ...] = ()
    constant: int = 0

    @property
    def bounds(self) -> tuple[int, int]:
        """The smallest and the largest value that the expression can take, both possibly too wide."""
        low = high = self.constant
        for atom, coefficient in self.terms:
            ends = [coefficient * end for end in atom.bounds]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def __add__(self, other: Index | int) -> Index:
        if isinstance(other, int):
            return Index(self.terms, self.constant + other)
        return _sum([*self.terms, *other.terms], self.constant + other.constant)

    def __neg__(self) -> Index:
        return self * -1

    def __sub__(self, other: Index | int) -> Index:
        return self + -other

    def __mul__(self, factor: int) -> Index:
        if factor == 0:
            return Index()
        return Index(tuple((a, c * factor) for a, c in self.terms), self.constant * factor)

    def __floordiv__(self, divisor: int) -> Index:
        return self._divide(divisor)[0]

    def __mod__(self, divisor: int) -> Index:
        return self._divide(divisor)[1]

    def _divide(self, divisor: int) -> tuple[Index, Index]:
        """Quotient and remainder by a positive constant, with self = quotient * divisor + remainder."""
        whole, rest = self._split(divisor)
        low, high = rest.bounds
        if low // divisor == high // divisor:
            return whole + low // divisor, rest - low // divisor * divisor
        # With rest = g * u + v, 0 <= v < g and g a factor of the divisor: rest // d = u // (d / g).
        for factor in sorted({math.gcd(c, divisor) for _, c in rest.terms} - {1}, reverse=True):
            u, v = rest._split(factor)
            low, high = v.bounds
            if low >= 0 and high < factor:
                quotient, remainder = u._divide(divisor // factor)
                return whole + quotient, remainder * factor + v
        return whole + _atom(Quotient(rest, divisor)), _atom(Remainder(rest, divisor))

    def _split(self, divisor: int) -> tuple[Index, Index]:
        """The part that the divisor divides term by term, divided; and what is left, undivided."""
        divisible = tuple((a, c // divisor) for a, c in self.terms if c % divisor == 0)
        left = tuple((a, c) for a, c in self.terms if c % divisor)
        return Index(divisible, self.constant // divisor), Index(left, self.constant % divisor)

    def coefficient(self, axis: Axis) -> int | None:
        """The coefficient of an axis, or None where the axis stands inside a division or a modulus."""
        total = 0
        for atom, coefficient in self.terms:
            if atom == axis:
                total += coefficient
            elif isinstance(atom, Quotient | Remainder) and axis in atom.index.axes():
                return None
        return total

    def leaves(self) -> Iterator[Axis | Known]:
        """The axes and known values in the expression, in order, maybe several times."""
        for atom, _ in self.terms:
            if isinstance(atom, Axis | Known):
                yield atom
            else:
                yield from atom.index.leaves()

    def axes(self) -> set[Axis]:
        """The axes that the expression depends on by itself. Those that a known value depends on are not among them."""
        return {leaf for leaf in self.leaves() if isinstance(leaf, Axis)}

    def substitute(self, values: Mapping[Axis, Index]) -> Index:
        """The expression with axes replaced by expressions."""
        result = Index((), self.constant)
        for atom, coefficient in self.terms:
            match atom:
                case Axis():
                    part = values.get(atom, of(atom))
                case Known():
                    part = of(atom)
                case Quotient(index, divisor):
                    part = index.substitute(values) // divisor
                case Remainder(index, divisor):
                    part = index.substitute(values) % divisor
            result = result + part * coefficient
        return result

    def evaluate(self, values: Mapping[Axis | Known, int]) -> int:
        """The value for given values of axes and known values."""
        total = self.constant
        for atom, coefficient in self.terms:
            match atom:
                case Axis() | Known():
                    part = values[atom]
                case Quotient(index, divisor):
                    part = index.evaluate(values) // divisor
                case Remainder(index, divisor):
                    part = index.evaluate(values) % divisor
            total += part * coefficient
        return total


def of(axis: Axis | Known) -> Index:
    """The expression that is just an axis, or a known value. An axis of one step is the constant 0."""
    return Index(((axis, 1),)) if axis.extent > 1 else Index()


def _atom(atom: Atom) -> Index:
    return Index(((atom, 1),))


def constant(value: int) -> Index:
    return Index((), value)


def linear(index: Sequence[Index], shape: Shape) -> Index:
    """The row-major position of an element.

    >>> i, j = Axis(0, 4), Axis(1, 8)
    >>> linear([of(i), of(j)], (4, 8)) == of(i) * 8 + of(j)
    True
    """
    total = Index()
    for position, extent in zip(index, shape, strict=True):
        total = total * extent + position
    return total


def delinear(position: Index, shape: Shape) -> tuple[Index, ...]:
    """The index of the element at a row-major position: the inverse of `linear`."""
    index: list[Index] = []
    for extent in reversed(shape):
        if extent <= 1:
            index.append(Index())
            continue
        index.append(position % extent)
        position = position // extent
    return tuple(reversed(index))


def _sum(terms: Iterable[tuple[Atom, int]], total: int) -> Index:
    coefficients: dict[Atom, int] = {}
    for atom, coefficient in terms:
        coefficients[atom] = coefficients.get(atom, 0) + coefficient
    for atom in list(coefficients):  # k * c * (x // c) + k * (x % c) = k * x
        if isinstance(atom, Remainder) and (scale := coefficients.get(atom, 0)):
            quotient = Quotient(atom.index, atom.divisor)
            if coefficients.get(quotient) == scale * atom.divisor:
                del coefficients[atom], coefficients[quotient]
                rest = _sum(coefficients.items(), total)
                return rest + atom.index * scale
    return Index(tuple(sorted(((a, c) for a, c in coefficients.items() if c), key=_order)), total)


def _order(term: tuple[Atom, int]) -> tuple[int, str]:
    atom = term[0]
    return (atom.number, "") if isinstance(atom, Axis) else (1 << 30, repr(atom))
