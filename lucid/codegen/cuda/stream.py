"""Words of the specified random stream, inside the kernel that uses them."""

from __future__ import annotations

from collections.abc import Sequence

from lucid.codegen.cuda.scalars import CTerm
from lucid.codegen.cuda.writer import Writer
from lucid.codegen.kernel import RandomElement
from lucid.ir.philox import ROUNDS, philox_round
from lucid.ir.types import uint32, uint64


def random_element(writer: Writer, value: RandomElement, operands: Sequence[CTerm], name: str) -> CTerm:
    """The element of a random op, from the terms of its operands. Variables of the computation begin with `name`."""
    s = writer.s
    position = writer.position(value.position, uint64)
    x0, x1, x2, word = random_words(writer, value, operands, s.shift_right(position, 2), name)
    which = s.bit_and(s.cast(position, uint32), s.constant(3, uint32))
    for number, other in ((2, x2), (1, x1), (0, x0)):
        word = s.select(s.equal(which, s.constant(number, uint32)), other, word)
    return value.op.scalar(s, word, *operands[2:])


def random_words(
    writer: Writer, value: RandomElement, operands: Sequence[CTerm], block: CTerm, name: str
) -> Sequence[CTerm]:
    """The four words of a block of the stream that a random op draws from."""
    s = writer.s
    seed, first = operands[:2]

    def halves(x: CTerm) -> tuple[CTerm, CTerm]:
        return s.cast(x, uint32), s.cast(s.shift_right(x, 32), uint32)

    draw = s.add(first, s.constant(value.op.draw, uint64))
    start = (*halves(block), *halves(draw), *halves(seed))
    names = ("x0", "x1", "x2", "x3", "k0", "k1")
    variables = [writer.variable(f"{name}_{part}", word) for part, word in zip(names, start, strict=True)]
    x0, x1, x2, x3, k0, k1 = variables
    with writer.block(f"for (int round = 0; round < {ROUNDS}; ++round)"):
        counter, key = philox_round(s, (x0, x1, x2, x3), (k0, k1))
        writer.assign(variables, (*counter, *key))
    return variables[:4]
