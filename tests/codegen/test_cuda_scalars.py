"""The CUDA vocabulary: its text is C that a host compiler runs with the bits of LLVM, and that NVRTC accepts."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from lucid.codegen.cuda.scalars import C_TYPES, CTerm, CudaScalars
from lucid.ir.types import DTYPES, DType, bool_, float32, float64, int32, int64, uint8, uint32, uint64
from tests.codegen.elementwise_loop import Array, ScalarFunction, compile_elementwise
from tests.codegen.nvrtc import ARCHITECTURES, compile_with_nvrtc
from tests.codegen.simulated import compile_on_host
from tests.codegen.test_scalars import assert_same_bits, edge_operands, method

FUNCTIONS = (
    *("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "tanh", "sinh", "cosh", "sigmoid", "logit", "erf"),
    *("sin", "cos", "tan", "asin", "acos", "atan", "ceil", "round", "truncate"),
    *("erfc", "erfinv", "lgamma", "digamma"),
)


@dataclass(frozen=True)
class Case:
    name: str
    function: ScalarFunction
    operands: tuple[DType, ...]


def by_count_in_range(name: str) -> ScalarFunction:
    return lambda s, x, y: getattr(s, name)(x, s.bit_and(y, s.constant_like(s.dtype(x).bits - 1, y)))


def cases() -> Iterator[Case]:
    """Every primitive for every dtype that it takes, and every function of floats."""
    for dtype in DTYPES:
        yield Case(f"select_{dtype}", method("select"), (bool_, dtype, dtype))
        for other in DTYPES:
            yield Case(f"cast_{dtype}_{other}", lambda s, x, to=other: s.cast(x, to), (dtype,))
        binary = ["equal"]
        unary = []
        if dtype != bool_:
            binary += ["add", "subtract", "multiply", "less", "less_equal", "not_equal", "maximum"]
            binary += ["floor_divide", "remainder", "fmod", "power"]
            unary += ["absolute", "negate"]
        if dtype.is_float:
            binary += ["divide", "atan2"]
            unary += ["sqrt", "floor", *FUNCTIONS]
            yield Case(f"fma_{dtype}", method("fma"), (dtype, dtype, dtype))
        else:
            binary += ["bit_and", "bit_or", "bit_xor"]
            unary += ["bit_not"]
        if dtype.is_integer:
            for name in ("shift_left_by", "shift_right_by"):
                yield Case(f"{name}_{dtype}", by_count_in_range(name), (dtype, dtype))
            for count in (1, dtype.bits - 1):
                yield Case(f"left_{dtype}_{count}", lambda s, x, n=count: s.shift_left(x, n), (dtype,))
                yield Case(f"right_{dtype}_{count}", lambda s, x, n=count: s.shift_right(x, n), (dtype,))
        yield from (Case(f"{name}_{dtype}", method(name), (dtype, dtype)) for name in binary)
        yield from (Case(f"{name}_{dtype}", method(name), (dtype,)) for name in unary)
    for a, b in [(float32, int32), (float32, uint32), (float64, int64), (uint64, float64), (int32, uint32)]:
        yield Case(f"bits_{a}_{b}", lambda s, x, to=b: s.bitcast(x, to), (a,))
        yield Case(f"bits_{b}_{a}", lambda s, x, to=a: s.bitcast(x, to), (b,))
    yield Case("low_word", lambda s, x, y: s.multiply_wide(x, y)[0], (uint32, uint32))
    yield Case("high_word", lambda s, x, y: s.multiply_wide(x, y)[1], (uint32, uint32))


CASES = tuple(cases())


def source(qualifiers: str, case: Case) -> str:
    """A C function of a result, operands and a length that loops over elements."""
    lines: list[str] = []
    operands = [CTerm(dtype, f"x{number}[i]") for number, dtype in enumerate(case.operands)]
    result = case.function(CudaScalars(lines), *operands)
    parameters = [f"{C_TYPES[result.dtype]}* y", *(f"const {C_TYPES[x.dtype]}* {x.text[:-3]}" for x in operands)]
    body = "\n".join(f"        {line}" for line in [*lines, f"y[i] = {result.text};"])
    return (
        f"{qualifiers} void {case.name}({', '.join(parameters)}, long long n) {{\n"
        f"    for (long long i = 0; i < n; ++i) {{\n{body}\n    }}\n}}\n"
    )


@pytest.fixture(scope="module")
def host_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    text = "".join(source('extern "C"', case) for case in CASES)
    return compile_on_host(text, tmp_path_factory.mktemp("cuda_scalars"))


def run(library: ctypes.CDLL, name: str, result: DType, operands: Sequence[Array]) -> Array:
    output = np.empty(operands[0].size, result.numpy)
    arrays = [output, *(np.ascontiguousarray(x) for x in operands)]
    library[name](*(ctypes.c_void_p(x.ctypes.data) for x in arrays), ctypes.c_longlong(output.size))
    return output


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_host_runs_the_text_with_the_bits_of_llvm(case: Case, host_library: ctypes.CDLL) -> None:
    operands = edge_operands(*case.operands)
    if all(dtype.is_float for dtype in case.operands):
        generator = np.random.default_rng(0)
        more = [generator.standard_normal(1000) * 10.0 ** generator.uniform(-3, 2, 1000) for _ in operands]
        operands = [np.concatenate([x, y.astype(x.dtype)]) for x, y in zip(operands, more, strict=True)]
    expected = compile_elementwise(case.function, case.operands, 16)(*operands)
    result = case.function(CudaScalars([]), *(CTerm(dtype, "x") for dtype in case.operands)).dtype
    assert_same_bits(run(host_library, case.name, result, operands), expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_the_text(architecture: str) -> None:
    found = compile_with_nvrtc("".join(source('extern "C" __global__', case) for case in CASES), architecture).figures
    assert set(found) == {case.name for case in CASES}
    assert all(figure.spilled == figure.stack == 0 for figure in found.values())


def test_text_names_each_step() -> None:
    lines: list[str] = []
    s = CudaScalars(lines)
    x, k, w = CTerm(float32, "x"), CTerm(int32, "k"), CTerm(uint32, "w")
    s.select(s.less(s.fma(x, s.constant(0.1, float32), x), s.constant(np.inf, float32)), x, s.negate(x))
    s.add(k, s.constant(-(2**31), int32))
    s.multiply_wide(w, s.constant(0xD2511F53, uint32))
    s.cast(x, uint8)
    assert lines == [
        "const float t0 = fmaf(x, 0.1f, x);",
        "const bool t1 = t0 < __uint_as_float(0x7f800000u);",
        "const float t2 = -0.0f - x;",
        "const float t3 = t1 ? x : t2;",
        "const int t4 = (unsigned int)k + (unsigned int)(-2147483647 - 1);",
        "const unsigned int t5 = w * 3528531795u;",
        "const unsigned int t6 = __umulhi(w, 3528531795u);",
        "const unsigned char t7 = x != x ? 0 : x >= 256.0f ? 255 : x <= 0.0f ? 0 : (unsigned char)x;",
    ]


def test_a_name_replaces_the_latest_local_and_copies_any_other() -> None:
    lines: list[str] = []
    s = CudaScalars(lines)
    x = CTerm(float32, "x")
    y = s.name(s.add(x, x), "y")
    z = s.name(y, "z")
    early = s.multiply(z, x)
    s.sqrt(early)
    s.name(early, "w")
    assert lines == [
        "const float y = x + x;",
        "const float z = y;",
        "const float t0 = z * x;",
        "const float t1 = sqrtf(t0);",
        "const float w = t0;",
    ]
