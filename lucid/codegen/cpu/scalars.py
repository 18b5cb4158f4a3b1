"""The scalar vocabulary in LLVM IR: each method appends instructions to a block and gives a term."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lucid.codegen.cpu import llvm_ir as ir
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, Kind, bool_, int32


class Term(NamedTuple):
    """An LLVM value, a scalar or a vector of lanes, and the element type that it stands for."""

    dtype: DType
    value: ir.Value


def llvm_type(dtype: DType, width: int) -> ir.Type:
    """The type that holds an element of dtype in a register, or `width` of them where width is above 1.

    A bool is an i1 here; in memory it is a byte.

    >>> print(llvm_type(bool_, 1), llvm_type(bool_, 8))
    i1 <8 x i1>
    """
    floats = {32: ir.FloatType(), 64: ir.DoubleType()}
    element = floats[dtype.bits] if dtype.is_float else ir.IntType(dtype.bits)
    return element if width == 1 else ir.VectorType(element, width)


class LLVMScalars(Scalars[Term]):
    """The vocabulary on LLVM scalars (width 1) or vectors of `width` independent lanes.

    No instruction has a fast-math flag, and every intrinsic is exact or correctly rounded: so the bits depend neither
    on the width nor on the machine. A machine without fused multiply-add or rounding instructions runs them as calls
    of the C library's fma and floor.
    """

    def __init__(self, builder: ir.IRBuilder, width: int) -> None:
        self.builder = builder
        self.width = width

    def splat(self, x: Term) -> Term:
        """A scalar term repeated in every lane."""
        if self.width == 1:
            return x
        zeros = self.constant(0, x.dtype).value
        first = self.builder.insert_element(zeros, x.value, ir.IntType(32)(0))
        return Term(x.dtype, self.builder.shuffle_vector(first, zeros, self.constant(0, int32).value))

    def dtype(self, x: Term) -> DType:
        return x.dtype

    def constant(self, value: bool | int | float, dtype: DType) -> Term:
        with np.errstate(all="ignore"):
            rounded = np.asarray(value, dtype=dtype.numpy).item()
        return Term(dtype, ir.Constant(llvm_type(dtype, self.width), rounded))

    def add(self, x: Term, y: Term) -> Term:
        add = self.builder.fadd if x.dtype.is_float else self.builder.add
        return Term(x.dtype, add(x.value, y.value))

    def subtract(self, x: Term, y: Term) -> Term:
        subtract = self.builder.fsub if x.dtype.is_float else self.builder.sub
        return Term(x.dtype, subtract(x.value, y.value))

    def multiply(self, x: Term, y: Term) -> Term:
        multiply = self.builder.fmul if x.dtype.is_float else self.builder.mul
        return Term(x.dtype, multiply(x.value, y.value))

    def divide(self, x: Term, y: Term) -> Term:
        if x.dtype.is_float:
            return Term(x.dtype, self.builder.fdiv(x.value, y.value))
        divide = self.builder.sdiv if x.dtype.signed else self.builder.udiv
        return Term(x.dtype, divide(x.value, y.value))

    def fma(self, x: Term, y: Term, z: Term) -> Term:
        return Term(x.dtype, self._intrinsic("fma", x.value, y.value, z.value))

    def sqrt(self, x: Term) -> Term:
        return Term(x.dtype, self._intrinsic("sqrt", x.value))

    def floor(self, x: Term) -> Term:
        return Term(x.dtype, self._intrinsic("floor", x.value))

    def absolute(self, x: Term) -> Term:
        if x.dtype.is_float:
            return Term(x.dtype, self._intrinsic("fabs", x.value))
        return self.select(self.less(x, self.constant_like(0, x)), self.negate(x), x) if x.dtype.signed else x

    def equal(self, x: Term, y: Term) -> Term:
        return self._compare("==", x, y)

    def less(self, x: Term, y: Term) -> Term:
        return self._compare("<", x, y)

    def less_equal(self, x: Term, y: Term) -> Term:
        return self._compare("<=", x, y)

    def bit_and(self, x: Term, y: Term) -> Term:
        return Term(x.dtype, self.builder.and_(x.value, y.value))

    def bit_or(self, x: Term, y: Term) -> Term:
        return Term(x.dtype, self.builder.or_(x.value, y.value))

    def bit_xor(self, x: Term, y: Term) -> Term:
        return Term(x.dtype, self.builder.xor(x.value, y.value))

    def shift_left_by(self, x: Term, count: Term) -> Term:
        return Term(x.dtype, self.builder.shl(x.value, count.value))

    def shift_right_by(self, x: Term, count: Term) -> Term:
        shift = self.builder.ashr if x.dtype.signed else self.builder.lshr
        return Term(x.dtype, shift(x.value, count.value))

    def select(self, condition: Term, x: Term, y: Term) -> Term:
        return Term(x.dtype, self.builder.select(condition.value, x.value, y.value))

    def cast(self, x: Term, dtype: DType) -> Term:
        if dtype == x.dtype:
            return x
        if dtype == bool_:
            return self.not_equal(x, self.constant_like(0, x))
        if x.dtype == bool_:  # one instruction, where a conversion of the bit is three
            return self.select(x, self.constant(1, dtype), self.constant(0, dtype))
        to = llvm_type(dtype, self.width)
        match x.dtype.kind, dtype.kind:
            case Kind.FLOAT, Kind.FLOAT:
                convert = self.builder.fpext if dtype.bits > x.dtype.bits else self.builder.fptrunc
            case Kind.FLOAT, _:
                return Term(dtype, self._intrinsic("fptosi.sat" if dtype.signed else "fptoui.sat", x.value, result=to))
            case _, Kind.FLOAT:
                convert = self.builder.sitofp if x.dtype.signed else self.builder.uitofp
            case _ if dtype.bits == x.dtype.bits:
                return Term(dtype, x.value)
            case _ if dtype.bits < x.dtype.bits:
                convert = self.builder.trunc
            case _:
                convert = self.builder.sext if x.dtype.signed else self.builder.zext
        return Term(dtype, convert(x.value, to))

    def bitcast(self, x: Term, dtype: DType) -> Term:
        return Term(dtype, self.builder.bitcast(x.value, llvm_type(dtype, self.width)))

    def _compare(self, predicate: str, x: Term, y: Term) -> Term:
        if x.dtype.is_float:
            compare = self.builder.fcmp_ordered
        else:
            compare = self.builder.icmp_signed if x.dtype.signed else self.builder.icmp_unsigned
        return Term(bool_, compare(predicate, x.value, y.value))

    def _intrinsic(self, name: str, *operands: ir.Value, result: ir.Type | None = None) -> ir.Value:
        """Call `llvm.<name>`, overloaded on the type of its operands and, where given, of its result."""
        operand = operands[0].type
        overloads = [operand] if result is None else [result, operand]
        full_name = ".".join(["llvm", name, *(type.intrinsic_name for type in overloads)])
        function = self.builder.module.globals.get(full_name)
        if function is None:
            signature = ir.FunctionType(overloads[0], [operand] * len(operands))
            function = ir.Function(self.builder.module, signature, full_name)
        return self.builder.call(function, operands)
