"""Where the lanes of a vector stand, as far as that is known while a kernel is compiled."""

from __future__ import annotations

import math

from lucid.ir.index import Axis, Index, Known, Quotient, Remainder

Pattern = tuple[int, ...]


def lane_pattern(index: Index, axis: Axis, width: int) -> Pattern | None:
    """By how much an index exceeds its value in the first lane, for each lane, where lane l stands at the axis's value
    plus l, and that is a multiple of width; None where it depends on the axis's value or on others.

    >>> from lucid.ir.index import of
    >>> i = Axis(0, 64)
    >>> lane_pattern((of(i) + 1) // 2, i, 8), lane_pattern(of(i) % 2 * 5 + of(i), i, 4)
    ((0, 1, 1, 2, 2, 3, 3, 4), (0, 6, 2, 8))
    """
    total = [0] * width
    for atom, coefficient in index.terms:
        offsets: list[int] | None
        match atom:
            case Known():  # a value of its own in each lane, maybe
                return None
            case Axis():
                offsets = [lane if atom == axis else 0 for lane in range(width)]
            case Quotient() | Remainder():
                offsets = _divided(atom, axis, width)
        if offsets is None:
            return None
        total = [sum_ + coefficient * offset for sum_, offset in zip(total, offsets, strict=True)]
    return tuple(total)


def run_length(pattern: Pattern) -> int:
    """The largest power of two such that lanes in runs of that length read neighbouring memory, in order.

    >>> run_length((0, 1, 2, 3, 9, 10, 11, 12)), run_length((0, 1, 2, 4, 5, 6, 7, 8)), run_length((0, 2))
    (4, 1, 1)
    """
    run = len(pattern) & -len(pattern)
    while any(place != pattern[lane - lane % run] + lane % run for lane, place in enumerate(pattern)):
        run //= 2
    return run


def _divided(atom: Quotient | Remainder, axis: Axis, width: int) -> list[int] | None:
    """The pattern of an atom. What its index has in the first lane beside its constant must divide by the divisor, or
    by a part of it that lanes do not leave.

    >>> from lucid.ir.index import of
    >>> i = Axis(0, 64)
    >>> lane_pattern(of(i) // 8, i, 4), lane_pattern((of(i) + 3) // 8, i, 4), lane_pattern(of(i) % 8 * 2, i, 4)
    ((0, 0, 0, 0), None, (0, 2, 4, 6))
    """
    inner, divisor = atom.index, atom.divisor
    if axis not in inner.axes():
        return [0] * width if not any(isinstance(leaf, Known) for leaf in inner.leaves()) else None
    step = inner.coefficient(axis)
    if step is None:
        return None
    others = (coefficient for part, coefficient in inner.terms if part != axis)
    unit = math.gcd(divisor, step * width, *others)
    places = [inner.constant % unit + step * lane for lane in range(width)]
    if unit == divisor:
        found = [place // divisor if isinstance(atom, Quotient) else place % divisor for place in places]
    elif all(0 <= place < unit for place in places):
        found = [0] * width if isinstance(atom, Quotient) else places
    else:
        return None
    return [place - found[0] for place in found]
