"""Index expressions and bounds in C, whose / and % round towards zero: they are only given what is not negative."""

from __future__ import annotations

from lucid.codegen.kernel import Bounds
from lucid.ir.index import Atom, Axis, Index, Known, Quotient, Remainder


def index_expression(index: Index) -> str:
    """The text of an index. Axis number n is the variable `i<n>`, value number n is `v<n>`.

    >>> from lucid.ir.index import of
    >>> i, j = of(Axis(0, 4)), of(Axis(1, 8))
    >>> index_expression(i * 8 + j - 3)
    '8 * i0 + i1 - 3'
    >>> index_expression((j - i) // 5 * 2)
    '2 * ((-i0 + i1 + 5) / 5 - 1)'
    """
    signed = [(coefficient < 0, _scaled(atom, abs(coefficient))) for atom, coefficient in index.terms]
    if index.constant or not signed:
        signed.append((index.constant < 0, str(abs(index.constant))))
    (negative, first), *others = signed
    return ("-" if negative else "") + first + "".join(f" {'-' if minus else '+'} {part}" for minus, part in others)


def bounds_condition(bounds: Bounds) -> str:
    """The text of the condition that every bound holds, without the sides that always do.

    >>> from lucid.ir.index import of
    >>> bounds_condition(((of(Axis(0, 4)) - 1, 9),))
    'i0 - 1 >= 0'
    """
    conditions = []
    for index, extent in bounds:
        low, high = index.bounds
        conditions += [f"{index_expression(index)} >= 0"] if low < 0 else []
        conditions += [f"{index_expression(index)} < {extent}"] if high >= extent else []
    return " && ".join(conditions) or "true"


def magnitude(index: Index) -> int:
    """What no number exceeds that C meets on the way to an index, in either direction.

    >>> from lucid.ir.index import of
    >>> magnitude(of(Axis(0, 4)) * 8 - of(Axis(1, 6)) - 3)
    32
    >>> magnitude((of(Axis(0, 4)) - of(Axis(1, 6))) // 4 * 2)
    16
    """
    total, inside = abs(index.constant), 0
    for atom, coefficient in index.terms:
        total += abs(coefficient) * max(map(abs, atom.bounds))
        if isinstance(atom, Quotient | Remainder):
            inside = max(inside, magnitude(atom.index) + _turns(atom) * atom.divisor)
    return max(total, inside)


def _scaled(atom: Atom, coefficient: int) -> str:
    if isinstance(atom, Axis | Known):
        text = f"{'i' if isinstance(atom, Axis) else 'v'}{atom.number}"
    else:
        text = _divided(atom)
    return text if coefficient == 1 else f"{coefficient} * {text}"


def _divided(atom: Quotient | Remainder) -> str:
    """A quotient or remainder, of its index moved up by whole divisors until it is not negative."""
    turns = _turns(atom)
    moved = index_expression(atom.index + turns * atom.divisor)
    moved = f"({moved})" if " " in moved else moved
    if not isinstance(atom, Quotient):
        return f"({moved} % {atom.divisor})"
    return f"({moved} / {atom.divisor} - {turns})" if turns else f"({moved} / {atom.divisor})"


def _turns(atom: Quotient | Remainder) -> int:
    """How many divisors make the index of an atom not negative."""
    return max(-(atom.index.bounds[0] // atom.divisor), 0)
