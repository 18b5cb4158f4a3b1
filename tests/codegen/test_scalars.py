"""Every primitive of the LLVM vocabulary against NumPy's, on edge values, as scalars and as vectors."""

from __future__ import annotations

import inspect
import re
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from lucid.codegen.cpu.scalars import LLVMScalars, Term, llvm_type
from lucid.ir.ops.random import RandomKeep
from lucid.ir.scalar import Scalars
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import DTYPES, DType, bool_, float32, float64, int32, int64, uint32, uint64
from tests.codegen.elementwise_loop import Array, ScalarFunction, compile_elementwise, elementwise_module

WIDTHS = (1, 16)
FLOATS = (float32, float64)
INTEGERS = tuple(dtype for dtype in DTYPES if dtype.is_integer)
NUMBERS = (*INTEGERS, *FLOATS)


def edge_values(dtype: DType) -> Array:
    """Numbers at which arithmetic, comparison and conversion of a dtype may go wrong."""
    if dtype == bool_:
        return np.array([False, True])
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        near = [0, 1, 2, 3, 7, 100, info.max - 1, info.max, info.max // 2, info.min, info.min + 1]
        # Around 2^24 and 2^53 integers stop being floats.
        wide = [
            2**24 - 1,
            2**24 + 1,
            2**24 + 3,
            2**53 + 1,
            2**53 + 3,
            2**63 - 513,
            2**63 + 1025,
            -1,
            -2,
            -100,
            -(2**24) - 1,
        ]
        return np.array([v for v in [*near, *wide] if info.min <= v <= info.max], dtype.numpy)
    limits = np.finfo(dtype.numpy)
    smallest = float(limits.smallest_subnormal)
    ends = [float(limits.tiny), smallest, 3 * smallest, float(limits.max), float(np.inf)]
    whole = [2.0**k for k in (7, 8, 31, 32, 63, 64)]
    numbers = [0.0, 0.1, 0.5, 1.0, 1.5, 2.5, 3.7, 255.9, 256.5, 1e-3, 1e10, 2.0**31 - 0.5, *whole, *ends]
    return np.array([*numbers, *(-number for number in numbers), np.nan], dtype.numpy)


def edge_operands(*dtypes: DType) -> list[Array]:
    """Arrays that together run through all combinations of edge values."""
    grids = np.meshgrid(*(edge_values(dtype) for dtype in dtypes), indexing="ij")
    return [grid.reshape(-1) for grid in grids]


def assert_same_bits(got: Array, expected: Array) -> None:
    """Equality that tells -0.0 from 0.0 and takes all NaNs for one."""
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    if got.dtype.kind == "f":
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(got[number]), np.signbit(expected[number]))


def check(function: ScalarFunction, *dtypes: DType) -> None:
    operands = edge_operands(*dtypes)
    with np.errstate(all="ignore"):
        expected = np.asarray(function(NumpyScalars(), *operands))
    for width in WIDTHS:
        assert_same_bits(compile_elementwise(function, dtypes, width)(*operands), expected)


def method(name: str) -> ScalarFunction:
    return lambda s, *operands: getattr(s, name)(*operands)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "less", "less_equal", "equal", "not_equal"])
def test_arithmetic_and_comparison(name: str, dtype: DType) -> None:
    check(method(name), dtype, dtype)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
@pytest.mark.parametrize("name", ["absolute", "negate"])
def test_sign(name: str, dtype: DType) -> None:
    check(method(name), dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_functions_of_floats(dtype: DType) -> None:
    check(method("divide"), dtype, dtype)
    for name in ("sqrt", "floor", "ceil", "round", "truncate", "is_nan"):
        check(method(name), dtype)


@pytest.mark.parametrize("dtype", [bool_, *INTEGERS], ids=str)
def test_bits(dtype: DType) -> None:
    for name in ("bit_and", "bit_or", "bit_xor", "equal"):
        check(method(name), dtype, dtype)
    check(method("bit_not"), dtype)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_shifts(dtype: DType) -> None:
    for count in (0, 1, dtype.bits - 1):
        check(lambda s, x, count=count: s.shift_left(x, count), dtype)
        check(lambda s, x, count=count: s.shift_right(x, count), dtype)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_shifts_by_lanes(dtype: DType) -> None:
    """Each lane has a count of its own, taken modulo the width to stay in range."""
    for name in ("shift_left_by", "shift_right_by"):
        check(
            lambda s, x, y, name=name: getattr(s, name)(x, s.bit_and(y, s.constant_like(dtype.bits - 1, y))),
            *(dtype, dtype),
        )


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_division_with_signs(name: str, dtype: DType) -> None:
    check(method(name), dtype, dtype)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integer_division_rounds_towards_zero(dtype: DType) -> None:
    x, y = edge_operands(dtype, dtype)
    overflows = (x == np.iinfo(dtype.numpy).min) & (y == -1) if dtype.signed else np.zeros(x.shape, bool)
    x, y = (z[(y != 0) & ~overflows] for z in (x, y))
    pairs = zip(x.tolist(), y.tolist(), strict=True)
    expected = [abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1) for a, b in pairs]
    for width in WIDTHS:
        got = compile_elementwise(method("divide"), (dtype, dtype), width)(x, y)
        assert_same_bits(got, np.array(expected, dtype.numpy))
    assert_same_bits(NumpyScalars().divide(x, y), np.array(expected, dtype.numpy))


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integer_power(dtype: DType) -> None:
    check(method("power"), dtype, dtype)


@pytest.mark.parametrize("dtype", NUMBERS, ids=str)
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_extrema(name: str, dtype: DType) -> None:
    operands = edge_operands(dtype, dtype)
    expected = method(name)(NumpyScalars(), *operands)
    for width in WIDTHS:  # of 0.0 and -0.0 either may be the larger: equality by value
        np.testing.assert_array_equal(compile_elementwise(method(name), (dtype, dtype), width)(*operands), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_select(dtype: DType) -> None:
    check(method("select"), bool_, dtype, dtype)


@pytest.mark.parametrize(("source", "target"), product(DTYPES, DTYPES), ids=str)
def test_cast(source: DType, target: DType) -> None:
    check(lambda s, x: s.cast(x, target), source)


@pytest.mark.parametrize(
    ("source", "target"),
    [(float32, int32), (int32, float32), (float32, uint32), (int32, uint32), (float64, int64), (uint64, float64)],
    ids=str,
)
def test_bitcast(source: DType, target: DType) -> None:
    check(lambda s, x: s.bitcast(x, target), source)


def test_multiply_wide() -> None:
    operands = edge_operands(uint32, uint32)
    low, high = NumpyScalars().multiply_wide(*operands)
    for width in WIDTHS:
        found = compile_elementwise(method("multiply_wide"), (uint32, uint32), width)(*operands)
        np.testing.assert_array_equal(found, (low, high))


def test_random_keep_compares_words_with_every_threshold() -> None:
    words = np.array([0, 1, 2**31, 2**32 - 2, 2**32 - 1], np.uint32)
    # round(p * 2^32) is 0, 0 (a tie), 1, 2^31, 2^32 - 1, 2^32 (a tie) and 2^32
    ps = [0.0, 2.0**-33, 2.0**-32, 0.5, 1 - 2.0**-32, 1 - 2.0**-33, 1.0]
    word, p = (grid.reshape(-1) for grid in np.meshgrid(words, ps, indexing="ij"))
    expected = [int(w) >= round(Fraction(float(q)) * 2**32) for w, q in zip(word, p, strict=True)]
    keep = RandomKeep(0, ()).scalar
    np.testing.assert_array_equal(keep(NumpyScalars(), word, p), expected)
    for width in WIDTHS:
        np.testing.assert_array_equal(compile_elementwise(keep, (uint32, float64), width)(word, p), expected)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_fma_rounds_once(dtype: DType) -> None:
    generator = np.random.default_rng(0)
    x, y = (generator.uniform(0.5, 1.5, 500).astype(dtype.numpy) for _ in range(2))
    z = (-x * y * generator.choice([1.0, 0.3, 1e-7], 500).astype(dtype.numpy)).astype(dtype.numpy)
    exact = [Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)) for a, b, c in zip(x, y, z, strict=True)]
    expected = np.array([rounded(value, np.finfo(dtype.numpy).nmant) for value in exact], dtype.numpy)
    assert not np.array_equal(x * y + z, expected), "the samples must tell rounding once from rounding twice"
    for width in WIDTHS:
        assert_same_bits(compile_elementwise(method("fma"), (dtype, dtype, dtype), width)(x, y, z), expected)


def rounded(value: Fraction, fraction_bits: int) -> float:
    """The nearest normal number with so many bits after the first; ties go to the even one."""
    if value == 0:
        return 0.0
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if abs(value) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (exponent - fraction_bits)
    return float(round(value / unit) * unit)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_constant(dtype: DType) -> None:
    def always(value: Any) -> ScalarFunction:
        return lambda s, x: s.select(x, s.constant(value, dtype), s.constant(value, dtype))

    for value in edge_values(dtype).tolist():
        check(always(value), bool_)


def test_constant_rounds_to_its_dtype() -> None:
    check(lambda s, x: s.select(x, s.constant(0.1, float32), s.constant(1e300, float32)), bool_)


def test_splat_repeats_a_scalar() -> None:
    def function(s: LLVMScalars, x: Term) -> Term:
        return s.add(x, s.splat(Term(float32, llvm_type(float32, 1)(2.5))))

    for width in WIDTHS:
        got = compile_elementwise(function, (float32,), width)(np.arange(20, dtype=np.float32))
        np.testing.assert_array_equal(got, np.arange(20, dtype=np.float32) + np.float32(2.5))


# How those are called that take more than floats.
SPECIAL: dict[str, ScalarFunction] = {
    "polygamma": lambda s, x: s.polygamma(2, x),
    "normal": lambda s, x: s.normal(s.bitcast(x, uint32 if s.dtype(x) == float32 else uint64), s.dtype(x)),
    "select": lambda s, x, y: s.select(s.less(x, y), x, y),
}
# Those that take no floats, and those that take a value or a dtype and compute nothing or convert.
OTHERS = {
    *("bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right", "shift_left_by", "shift_right_by"),
    *("multiply_wide", "dtype", "constant", "constant_like", "cast", "bitcast"),
}
METHODS = {name: call for name, call in vars(Scalars).items() if not name.startswith("_")}


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", sorted(METHODS.keys() - OTHERS))
def test_no_function_needs_a_library_or_fast_math(name: str, dtype: DType) -> None:
    """Nor does any ask for more than processors have instructions for."""
    function = SPECIAL.get(name, method(name))
    arity = len(inspect.signature(SPECIAL.get(name, METHODS[name])).parameters) - 1
    module, _ = elementwise_module(function, [dtype] * arity, 16)
    declared = {re.split("[@(]", line)[1] for line in str(module).splitlines() if line.startswith("declare")}
    bits = f"v16f{dtype.bits}"
    assert declared <= {f"llvm.{exact}.{bits}" for exact in ("fma", "sqrt", "fabs", "floor")}
    assert "fast" not in str(module)
    assert set(re.findall(r"call [^@]*@([\w.]+)", str(module))) <= declared
    assert "frem" not in str(module), "LLVM has a library compute it"
