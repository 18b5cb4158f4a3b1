"""Words of the specified random stream, inside the kernel that uses them."""

from __future__ import annotations

from collections.abc import Sequence

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.access import Access
from lucid.codegen.cpu.control import I32, I64, Values, i64, loop
from lucid.codegen.cpu.scalars import Term
from lucid.codegen.cpu.uniform import UniformScalars, is_vector
from lucid.codegen.kernel import RandomElement
from lucid.ir.index import Axis, Index, Known
from lucid.ir.philox import ROUNDS, Key, Words, philox_round
from lucid.ir.types import DType, uint32, uint64

# Philox gives this many words at a time.
WORDS = 4

# After so many rounds, all words differ from lane to lane.
UNIFORM_ROUNDS = 2


def random_element(access: Access, value: RandomElement, operands: Sequence[Term], number: Term) -> Term:
    """The element of a random op in each lane, from the terms of its operands and the number of its draw."""
    s = access.s
    seed, first, *parameters = operands
    draw = s.add(first, number)
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


class _LowHalves(UniformScalars):
    """The vocabulary on words that lie in the low halves of 64-bit lanes, whatever is in the high ones.

    Machines multiply low halves, and the low half of a product is the next word as it lies: a round takes two products,
    two shifts and two exclusive ors of three, and nothing moves from lane to lane.
    """

    def constant(self, value: bool | int | float, dtype: DType) -> Term:
        return super().constant(value, uint64)

    def multiply_wide(self, x: Term, y: Term) -> tuple[Term, Term]:
        product = self.multiply(self.low(x), self.low(y))
        return product, self.shift_right(product, 32)

    def low(self, x: Term) -> Term:
        """A word with zeros above it, as constants are: an instruction would hide from LLVM what is in them."""
        return x if isinstance(x.value, ir.Constant) else self.bit_and(x, self.constant(0xFFFFFFFF, uint64))


def _philox(s: _LowHalves, position: Index, quad: Term, draw: Term, seed: Term) -> Words[Term]:
    """`philox` for quads of a number each, with a loop over the rounds: written out, they take longer to compile than
    all else in a kernel.

    At the start only the number of the quad differs from lane to lane, and after each round twice as many words do: the
    two rounds before the loop compute the others once, in the function's entry.
    """
    high = s.shift_right(quad, 32) if position.bounds[1] >= WORDS << 32 else s.constant(0, uint64)
    words: Words[Term] = quad, high, draw, s.shift_right(draw, 32)
    key: Key[Term] = seed, s.shift_right(seed, 32)
    for _ in range(ROUNDS if s.builder.block is s.entry else UNIFORM_ROUNDS):
        words, key = philox_round(s, words, key)
    if s.builder.block is s.entry:  # which is one block, and runs once
        return words

    def step(_: ir.Value, carried: Values) -> Values:
        x0, x1, x2, x3, k0, k1 = (Term(uint64, value) for value in carried)
        mixed, next_key = philox_round(s, (x0, x1, x2, x3), (k0, k1))
        return [*(s.splat(x).value for x in mixed), *(k.value for k in next_key)]

    start = [*(s.splat(x).value for x in words), *(k.value for k in key)]
    x0, x1, x2, x3, *_ = (
        Term(uint64, value) for value in loop(s.builder, i64(UNIFORM_ROUNDS), i64(ROUNDS), 1, start, step)
    )
    return x0, x1, x2, x3


def _whole_quads(access: Access, position: Index, draw: Term, seed: Term) -> Term:
    """The words of lanes that make up whole quads: each quad is computed once, and its words dealt to four lanes."""
    builder, quads = access.builder, access.width // WORDS
    s = _LowHalves(builder, access.s.entry, quads)
    number = s.shift_right(Term(uint64, access.first(position)), 2)
    if quads > 1:  # the second half of the quads in the odd lanes, where dealing takes it from
        order = [lane // 2 + lane % 2 * (quads // 2) for lane in range(quads)]
        number = s.add(number, Term(uint64, ir.Constant(ir.VectorType(I64, quads), order)))
    x0, x1, x2, x3 = _philox(s, position, number, draw, seed)
    low, high = [s.bit_or(s.low(x), s.shift_left(y, 32)).value for x, y in ((x0, x1), (x2, x3))]

    def deal(first: int) -> ir.Value:
        """The pairs of each other quad, one after the other."""
        order = [quad + half * quads for quad in range(first, quads, 2) for half in range(2)]
        return builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(I32, len(order)), order))

    if quads == 1:
        dealt: ir.Value = ir.Constant(ir.VectorType(I64, 2), ir.Undefined)
        for lane, pair in enumerate((low, high)):
            dealt = builder.insert_element(dealt, pair, I32(lane))
    else:
        order = list(range(2 * quads))
        dealt = builder.shuffle_vector(deal(0), deal(1), ir.Constant(ir.VectorType(I32, len(order)), order))
    return Term(uint32, builder.bitcast(dealt, ir.VectorType(I32, access.width)))


def _any_words(access: Access, position: Index, draw: Term, seed: Term) -> Term:
    """The words of lanes anywhere: each lane computes its quad and takes one word of it. Where all lanes are at one
    place, as behind a reduction over them, there is one word, a scalar like all that lanes share."""
    place = access.position(position, uint64)
    s = _LowHalves(access.builder, access.s.entry, access.width if is_vector(place) else 1)
    words = _philox(s, position, s.shift_right(place, 2), draw, seed)
    which = s.bit_and(place, s.constant(WORDS - 1, uint64))
    word = words[WORDS - 1]
    for number in reversed(range(WORDS - 1)):
        word = s.select(s.equal(which, s.constant(number, uint64)), words[number], word)
    return access.s.cast(word, uint32)
