"""What an op does, as a text: how the disk cache knows a user's op, and what checks it before code is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.ir.index import Axis, of
from lucid.ir.ops.base import Element, Elementwise, Movement, Op, Piece, Reduction
from lucid.ir.ops.random import Random
from lucid.ir.scalar_record import Record, Term
from lucid.ir.types import DType, TensorType, int64, uint32


def meaning(op: Op, operands: Sequence[TensorType]) -> str:
    """What an op of a family does to operands of some types: equal texts compute the same.

    Its scalar functions run on a record, and its pieces are followed. Raises DTypeError, ShapeError or ArgumentError
    where they do not fit the vocabulary or the type rule.
    """
    (result,) = op.infer(operands)
    types = ", ".join(map(str, operands))
    account = _Account(op, Record(op.name), [f"{op.name} {op.attributes()} ({types}) -> {result}"])
    match op:
        case Elementwise():
            account.elementwise(op, operands, result.dtype)
        case Random():
            account.random(op, operands, result.dtype)
        case Reduction():
            account.reduction(op, operands[0].dtype, result.dtype)
        case Movement():
            account.movement(op, operands, result)
    return "\n".join([*account.lines, *account.record.lines])


@dataclass
class _Account:
    """Collects what an op does."""

    op: Op
    record: Record
    lines: list[str] = field(default_factory=list)

    def elementwise(self, op: Elementwise, operands: Sequence[TensorType], result: DType) -> None:
        self.expect("scalar", op.scalar(self.record, *(self.record.operand(x.dtype) for x in operands)), result)

    def random(self, op: Random, operands: Sequence[TensorType], result: DType) -> None:
        word, *parameters = (self.record.operand(dtype) for dtype in (uint32, *(x.dtype for x in operands[2:])))
        self.expect("scalar", op.scalar(self.record, word, *parameters), result)

    def reduction(self, op: Reduction, operand: DType, result: DType) -> None:
        start = op.identity(self.record, operand)
        dtypes = [term.dtype for term in start]
        for term, dtype in zip(start, dtypes, strict=True):
            self.expect("identity", term, dtype)
        lifted = op.lift(self.record, self.record.operand(operand), self.record.operand(int64))
        self.expect_all("lift", lifted, dtypes)
        combined = op.combine(self.record, start, lifted)
        self.expect_all("combine", combined, dtypes)
        self.expect("finish", op.finish(self.record, combined), result)

    def movement(self, op: Movement, operands: Sequence[TensorType], result: TensorType) -> None:
        index = tuple(of(Axis(number, extent)) for number, extent in enumerate(result.shape))
        for piece in op.pieces(index, operands) if result.size else ():
            _expect_inside(op, piece, operands)
            self.lines.append(repr(piece))
        self.lines.append(f"else {op.fill!r}")

    def expect(self, method: str, found: object, dtype: DType) -> None:
        """Note what a method returns, which is an element of a dtype."""
        if not isinstance(found, Term):
            raise ArgumentError(f"{self.op.name}: `{method}` returns an element, got {found!r}.")
        if found.dtype != dtype:
            raise DTypeError(
                f"{self.op.name}: `{method}` gives {found.dtype.name} where {dtype.name} is expected.",
                hint="convert with s.cast(x, dtype).",
            )
        self.lines.append(f"{method} = {found.number}")

    def expect_all(self, method: str, found: object, dtypes: Sequence[DType]) -> None:
        """Note what a method returns, which is an accumulator."""
        if not isinstance(found, tuple) or len(found) != len(dtypes):
            raise ArgumentError(
                f"{self.op.name}: `{method}` returns as many elements as `identity`, {len(dtypes)}, got {found!r}."
            )
        for term, dtype in zip(found, dtypes, strict=True):
            self.expect(method, term, dtype)


def _expect_inside(op: Op, piece: Piece, operands: Sequence[TensorType]) -> None:
    """Raise unless a piece of a movement reads an operand, and only where that has elements."""
    if not 0 <= piece.operand < len(operands) or len(piece.index) != operands[piece.operand].rank:
        raise ShapeError(f"{op.name}: a piece has an index for each axis of an operand, got {piece}.")
    operand = operands[piece.operand]
    for index, extent in zip(piece.index, operand.shape, strict=True):
        if isinstance(index, Element):  # which is brought into range
            _expect_inside(op, Piece(index.operand, index.index, piece.bounds), operands)
            continue
        low, high = index.bounds
        for bounded, end in piece.bounds:
            if bounded == index:
                low, high = max(low, 0), min(high, end - 1)
        if low <= high and (low < 0 or high >= extent):
            raise ShapeError(
                f"{op.name}: a piece may read {operand} at positions from {low} to {high}.",
                hint="give the piece a bound, (index, extent): what lies outside of it is `fill`.",
            )
