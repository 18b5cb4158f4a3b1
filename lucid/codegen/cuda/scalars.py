"""The scalar vocabulary in CUDA C: each method appends a declaration to a list of lines and gives a term."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, bool_, float32, float64, int32, int64, uint8, uint32, uint64

# Options that make NVRTC's code bit-equal to the other targets: no contraction of a * b + c, subnormals kept, division
# and square root correctly rounded.
NVRTC_OPTIONS = ("--fmad=false", "--ftz=false", "--prec-div=true", "--prec-sqrt=true")

C_TYPES = {
    bool_: "bool",
    uint8: "unsigned char",
    uint32: "unsigned int",
    uint64: "unsigned long long",
    int32: "int",
    int64: "long long",
    float32: "float",
    float64: "double",
}
# Signed arithmetic goes through the unsigned type of its width: that wraps around, C leaves signed overflow undefined.
_UNSIGNED = {int32: uint32, int64: uint64}
_SUFFIXES = {uint32: "u", uint64: "ull", int64: "ll", float32: "f"}
_BITCASTS = {
    (float32, int32): "__float_as_int",
    (float32, uint32): "__float_as_uint",
    (int32, float32): "__int_as_float",
    (uint32, float32): "__uint_as_float",
    (float64, int64): "__double_as_longlong",
    (int64, float64): "__longlong_as_double",
}


@dataclass(frozen=True)
class CTerm:
    """A C expression without side effects, a name or a literal, and its element type."""

    dtype: DType
    text: str


class CudaScalars(Scalars[CTerm]):
    """The vocabulary as C statements, `const float t3 = t1 + t2;`, appended to `lines`.

    Arithmetic is written with plain operators, so that the source reads as C and a host compiler can run it too: it
    must be compiled with NVRTC_OPTIONS (or -ffp-contract=off). A multiply-add is fused exactly where the text says
    fmaf. Names are t0, t1, ...: one CudaScalars names the locals of one kernel, whichever list it appends to.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self._count = 0

    def declare(self, dtype: DType, expression: str) -> CTerm:
        """Append a new local of dtype that holds the value of a C expression."""
        name = f"t{self._count}"
        self._count += 1
        self.lines.append(f"const {C_TYPES[dtype]} {name} = {expression};")
        return CTerm(dtype, name)

    def name(self, x: CTerm, name: str) -> CTerm:
        """A local of this name that holds x: the one that was declared last is renamed, all else is copied.

        A term for the renamed local that is still around is not valid any more.
        """
        latest = f"const {C_TYPES[x.dtype]} t{self._count - 1} = "
        if x.text == f"t{self._count - 1}" and self.lines and self.lines[-1].startswith(latest):
            self._count -= 1
            self.lines[-1] = f"const {C_TYPES[x.dtype]} {name} = {self.lines[-1].removeprefix(latest)}"
        else:
            self.lines.append(f"const {C_TYPES[x.dtype]} {name} = {x.text};")
        return CTerm(x.dtype, name)

    def dtype(self, x: CTerm) -> DType:
        return x.dtype

    def constant(self, value: bool | int | float, dtype: DType) -> CTerm:
        with np.errstate(all="ignore"):
            return CTerm(dtype, _literal(np.asarray(value, dtype=dtype.numpy).item(), dtype))

    def add(self, x: CTerm, y: CTerm) -> CTerm:
        return self._arithmetic(x, "+", y)

    def subtract(self, x: CTerm, y: CTerm) -> CTerm:
        return self._arithmetic(x, "-", y)

    def multiply(self, x: CTerm, y: CTerm) -> CTerm:
        return self._arithmetic(x, "*", y)

    def divide(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{x.text} / {y.text}")

    def fma(self, x: CTerm, y: CTerm, z: CTerm) -> CTerm:
        return self._call("fma", x, y, z)

    def sqrt(self, x: CTerm) -> CTerm:
        return self._call("sqrt", x)

    def floor(self, x: CTerm) -> CTerm:
        return self._call("floor", x)

    def absolute(self, x: CTerm) -> CTerm:
        if x.dtype.is_float:
            return self._call("fabs", x)
        return self.select(self.less(x, self.constant_like(0, x)), self.negate(x), x) if x.dtype.signed else x

    def equal(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(bool_, f"{x.text} == {y.text}")

    def not_equal(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(bool_, f"{x.text} != {y.text}")

    def less(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(bool_, f"{x.text} < {y.text}")

    def less_equal(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(bool_, f"{x.text} <= {y.text}")

    def bit_and(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{x.text} & {y.text}")

    def bit_or(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{x.text} | {y.text}")

    def bit_xor(self, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{x.text} ^ {y.text}")

    def shift_left_by(self, x: CTerm, count: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{self._wrapping(x)} << {count.text}")

    def shift_right_by(self, x: CTerm, count: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{x.text} >> {count.text}")

    def shift_left(self, x: CTerm, count: int) -> CTerm:
        return self.shift_left_by(x, CTerm(int32, str(count)))

    def shift_right(self, x: CTerm, count: int) -> CTerm:
        return self.shift_right_by(x, CTerm(int32, str(count)))

    def select(self, condition: CTerm, x: CTerm, y: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{condition.text} ? {x.text} : {y.text}")

    def cast(self, x: CTerm, dtype: DType) -> CTerm:
        if dtype == x.dtype:
            return x
        if dtype == bool_:
            return self.not_equal(x, self.constant_like(0, x))
        converted = f"({C_TYPES[dtype]}){x.text}"
        if x.dtype.is_float and dtype.is_integer:
            # C leaves what is out of range undefined, and the hardware treats NaN differently by width.
            low, high = (self.constant(end, dtype).text for end in _integer_range(dtype))
            above = self.constant(2.0 ** (dtype.bits - int(dtype.signed)), x.dtype).text
            below = self.constant(float(_integer_range(dtype)[0]), x.dtype).text
            number = f"{x.text} >= {above} ? {high} : {x.text} <= {below} ? {low} : {converted}"
            return self.declare(dtype, f"{x.text} != {x.text} ? {self.constant(0, dtype).text} : {number}")
        return self.declare(dtype, converted)

    def bitcast(self, x: CTerm, dtype: DType) -> CTerm:
        if (x.dtype, dtype) in _BITCASTS:
            return self.declare(dtype, f"{_BITCASTS[x.dtype, dtype]}({x.text})")
        if x.dtype.is_float == dtype.is_float:
            return self.declare(dtype, f"({C_TYPES[dtype]}){x.text}")
        # CUDA reads the bits of a double only as signed.
        return self.bitcast(self.bitcast(x, int64), dtype)

    def multiply_wide(self, x: CTerm, y: CTerm) -> tuple[CTerm, CTerm]:
        return self.multiply(x, y), self.declare(uint32, f"__umulhi({x.text}, {y.text})")

    def _arithmetic(self, x: CTerm, operator: str, y: CTerm) -> CTerm:
        return self.declare(x.dtype, f"{self._wrapping(x)} {operator} {self._wrapping(y)}")

    def _wrapping(self, x: CTerm) -> str:
        return f"({C_TYPES[_UNSIGNED[x.dtype]]}){x.text}" if x.dtype in _UNSIGNED else x.text

    def _call(self, function: str, *operands: CTerm) -> CTerm:
        """Call a function of C's mathematics library that is exact or correctly rounded."""
        dtype = operands[0].dtype
        suffix = "f" if dtype == float32 else ""
        return self.declare(dtype, f"{function}{suffix}({', '.join(x.text for x in operands)})")


def _integer_range(dtype: DType) -> tuple[int, int]:
    info = np.iinfo(dtype.numpy)
    return int(info.min), int(info.max)


def _literal(value: bool | int | float, dtype: DType) -> str:
    """A C literal of exactly this value of dtype.

    >>> _literal(0.5, float32), _literal(-3, int64)
    ('0.5f', '-3ll')
    """
    if dtype == bool_:
        return "true" if value else "false"
    suffix = _SUFFIXES.get(dtype, "")
    if dtype.is_integer:
        # C reads -2147483648 as minus an int that does not exist.
        is_lowest = dtype.signed and value == _integer_range(dtype)[0]
        return f"({value + 1}{suffix} - 1)" if is_lowest else f"{value}{suffix}"
    number = np.asarray(value, dtype=dtype.numpy)
    if not np.isfinite(number):
        bits = int(number.view(f"u{dtype.itemsize}"))
        return f"__uint_as_float(0x{bits:08x}u)" if dtype == float32 else f"__longlong_as_double(0x{bits:016x}ll)"
    return f"{number[()]!s}{suffix}"  # the shortest decimal that rounds to it
