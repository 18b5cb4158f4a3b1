"""Words of the specified random stream, inside the kernel that uses them."""

from __future__ import annotations

from collections.abc import Sequence

from lucid.codegen.cpu.access import Access
from lucid.codegen.cpu.scalars import Term
from lucid.codegen.kernel import RandomElement
from lucid.ir.philox import philox
from lucid.ir.types import uint32, uint64


def random_element(access: Access, value: RandomElement, operands: Sequence[Term]) -> Term:
    """The element of a random op in each lane, from the terms of its operands."""
    s = access.s
    seed, first, *parameters = operands
    draw = s.add(first, s.constant(value.op.draw, uint64))

    def halves(x: Term) -> tuple[Term, Term]:
        return s.cast(x, uint32), s.cast(s.shift_right(x, 32), uint32)

    if value.position.bounds[1] < 2**32:
        position = access.position(value.position, uint32)
        counter = s.shift_right(position, 2), s.constant(0, uint32)
    else:
        wide = access.position(value.position, uint64)
        position = s.cast(wide, uint32)
        counter = halves(s.shift_right(wide, 2))
    words = philox(s, (*counter, *halves(draw)), halves(seed))
    if access.is_aligned(value.position, 4):
        position = access.lane_numbers(uint32)
    which = s.bit_and(position, s.constant(3, uint32))
    word = words[3]
    for number in (2, 1, 0):
        word = s.select(s.equal(which, s.constant(number, uint32)), words[number], word)
    return value.op.scalar(s, word, *parameters)
