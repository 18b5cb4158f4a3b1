"""Words of the specified random stream, inside the kernel that uses them."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from lucid.codegen.cpu.access import Access
from lucid.codegen.cpu.control import I32, Values, i64, loop
from lucid.codegen.cpu.scalars import Term
from lucid.codegen.cpu.uniform import UniformScalars
from lucid.codegen.kernel import RandomElement
from lucid.ir.index import Axis, Index, Known
from lucid.ir.philox import ROUNDS, Key, Words, philox, philox_round
from lucid.ir.types import int64, uint32, uint64

# Philox gives this many words at a time.
WORDS = 4


def random_element(access: Access, value: RandomElement, operands: Sequence[Term]) -> Term:
    """The element of a random op in each lane, from the terms of its operands."""
    s = access.s
    seed, first, *parameters = operands
    draw = s.add(first, s.constant(value.op.draw, uint64))
    aligned = (
        access.lane_axis is not None and access.width % WORDS == 0 and is_aligned(value.position, access.lane_axis)
    )
    word = (_whole_quads if aligned else _any_words)(access, value.position, draw, seed)
    return value.op.scalar(s, word, *parameters)


def is_aligned(position: Index, lane_axis: Axis) -> bool:
    """Whether neighbouring lanes of an axis, from any multiple of 4 on, read neighbouring words, from a multiple of 4
    on."""
    others = (coefficient for atom, coefficient in position.terms if atom != lane_axis)
    return (
        not any(isinstance(leaf, Known) for leaf in position.leaves())
        and position.coefficient(lane_axis) == 1
        and position.constant % WORDS == 0
        and all(coefficient % WORDS == 0 for coefficient in others)
    )


def _halves(s: UniformScalars, x: Term) -> tuple[Term, Term]:
    """The low and the high word of a 64-bit integer."""
    return s.cast(x, uint32), s.cast(s.shift_right(x, 32), uint32)


def _philox(s: UniformScalars, counter: Words[Term], key: Key[Term]) -> Words[Term]:
    """`philox`, with a loop over the rounds: written out, they take longer to compile than all else in a kernel."""
    if s.builder.block is s.entry:  # which is one block, and runs once
        return philox(s, counter, key)

    def step(_: ir.Value, carried: Values) -> Values:
        x0, x1, x2, x3, k0, k1 = (Term(uint32, value) for value in carried)
        mixed, next_key = philox_round(s, (x0, x1, x2, x3), (k0, k1))
        return [*(s.splat(x).value for x in mixed), *(k.value for k in next_key)]

    start = [*(s.splat(x).value for x in counter), *(k.value for k in key)]
    x0, x1, x2, x3, *_ = (Term(uint32, value) for value in loop(s.builder, i64(0), i64(ROUNDS), 1, start, step))
    return x0, x1, x2, x3


def _whole_quads(access: Access, position: Index, draw: Term, seed: Term) -> Term:
    """The words of lanes that make up whole quads: each quad is computed once, and its words dealt to four lanes."""
    builder, quads = access.builder, access.width // WORDS
    s = UniformScalars(builder, access.s.entry, quads)
    start = s.shift_right(Term(int64, access.first(position)), 2)
    if quads == 1:
        number = s.cast(start, uint64)
    else:
        steps = Term(int64, ir.Constant(ir.VectorType(ir.IntType(64), quads), list(range(quads))))
        number = s.cast(s.add(start, steps), uint64)
    counter = _halves(s, number)
    words = [s.splat(word).value for word in _philox(s, (*counter, *_halves(s, draw)), _halves(s, seed))]
    if quads == 1:
        dealt = ir.Constant(ir.VectorType(I32, WORDS), ir.Undefined)
        for lane, word in enumerate(words):
            dealt = builder.insert_element(dealt, word, I32(lane))
        return Term(uint32, dealt)

    def deal(x: ir.Value, y: ir.Value) -> ir.Value:
        """Lanes of x and y in turn."""
        count = x.type.count
        order = [lane // 2 + lane % 2 * count for lane in range(2 * count)]
        return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, 2 * count), order))

    return Term(uint32, deal(deal(words[0], words[2]), deal(words[1], words[3])))


def _any_words(access: Access, position: Index, draw: Term, seed: Term) -> Term:
    """The words of lanes anywhere: each lane computes its quad and takes one word of it."""
    s = access.s
    if position.bounds[1] < 2**32:
        place = access.position(position, uint32)
        counter = s.shift_right(place, 2), s.constant(0, uint32)
    else:
        wide = access.position(position, uint64)
        place = s.cast(wide, uint32)
        counter = _halves(s, s.shift_right(wide, 2))
    words = _philox(s, (*counter, *_halves(s, draw)), _halves(s, seed))
    which = s.bit_and(place, s.constant(WORDS - 1, uint32))
    word = words[WORDS - 1]
    for number in reversed(range(WORDS - 1)):
        word = s.select(s.equal(which, s.constant(number, uint32)), words[number], word)
    return word
