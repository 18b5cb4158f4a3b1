"""Vector arithmetic that does once what is the same in every lane."""

from __future__ import annotations

from collections.abc import Callable

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.scalars import LLVMScalars, Term
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType


def is_vector(x: Term) -> bool:
    """Whether a term has a value for each lane, and not one for all."""
    return isinstance(x.value.type, ir.VectorType)


class UniformScalars(Scalars[Term]):
    """The vocabulary on terms of two sorts: vectors, and scalars that stand for equal lanes.

    An operation on scalars alone stays scalar, and goes to the function's entry block where all operands are known
    there: so what does not depend on a loop is computed before it, and repeated over the lanes once.
    """

    def __init__(self, builder: ir.IRBuilder, entry: ir.Block, width: int) -> None:
        self.builder = builder
        self.entry = entry
        self.width = width
        self.here = LLVMScalars(builder, 1)
        self.lanes = LLVMScalars(builder, width)
        self.splats: dict[tuple[ir.Value, DType], Term] = {}

    def splat(self, x: Term) -> Term:
        """A term with a value in every lane: itself where it is a vector."""
        if self.width == 1 or is_vector(x):
            return x
        if isinstance(x.value, ir.Constant):
            return self.lanes.constant(x.value.constant, x.dtype)
        if not self._is_known_at_entry(x):
            return self.lanes.splat(x)
        key = x.value, x.dtype
        if key not in self.splats:
            self.splats[key] = LLVMScalars(self._entry_builder(), self.width).splat(x)
        return self.splats[key]

    def _entry_builder(self) -> ir.IRBuilder:
        """A builder at the end of the entry: the builder at hand while it stands there itself."""
        return self.builder if self.builder.block is self.entry else ir.IRBuilder(self.entry)

    def _is_known_at_entry(self, x: Term) -> bool:
        return isinstance(x.value, ir.Constant) or x.value.parent is self.entry

    def _on(self, terms: tuple[Term, ...]) -> tuple[LLVMScalars, tuple[Term, ...]]:
        """Where to compute an operation, and its operands there."""
        if self.width > 1 and any(map(is_vector, terms)):
            return self.lanes, tuple(map(self.splat, terms))
        return (LLVMScalars(self._entry_builder(), 1) if all(map(self._is_known_at_entry, terms)) else self.here), terms

    def _apply(self, operation: Callable[..., Term], *terms: Term) -> Term:
        scalars, operands = self._on(terms)
        return operation(scalars, *operands)

    def dtype(self, x: Term) -> DType:
        return x.dtype

    def constant(self, value: bool | int | float, dtype: DType) -> Term:
        return self.here.constant(value, dtype)

    def add(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.add, x, y)

    def subtract(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.subtract, x, y)

    def multiply(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.multiply, x, y)

    def divide(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.divide, x, y)

    def fma(self, x: Term, y: Term, z: Term) -> Term:
        return self._apply(LLVMScalars.fma, x, y, z)

    def sqrt(self, x: Term) -> Term:
        return self._apply(LLVMScalars.sqrt, x)

    def floor(self, x: Term) -> Term:
        return self._apply(LLVMScalars.floor, x)

    def absolute(self, x: Term) -> Term:
        return self._apply(LLVMScalars.absolute, x)

    def equal(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.equal, x, y)

    def less(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.less, x, y)

    def less_equal(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.less_equal, x, y)

    def bit_and(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.bit_and, x, y)

    def bit_or(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.bit_or, x, y)

    def bit_xor(self, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.bit_xor, x, y)

    def select(self, condition: Term, x: Term, y: Term) -> Term:
        return self._apply(LLVMScalars.select, condition, x, y)

    def shift_left_by(self, x: Term, count: Term) -> Term:
        return self._apply(LLVMScalars.shift_left_by, x, count)

    def shift_right_by(self, x: Term, count: Term) -> Term:
        return self._apply(LLVMScalars.shift_right_by, x, count)

    def cast(self, x: Term, dtype: DType) -> Term:
        scalars, (operand,) = self._on((x,))
        return scalars.cast(operand, dtype)

    def bitcast(self, x: Term, dtype: DType) -> Term:
        scalars, (operand,) = self._on((x,))
        return scalars.bitcast(operand, dtype)
