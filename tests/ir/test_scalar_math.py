"""The transcendental functions, through LLVM and in NumPy: error bounds and special values; equal bits at every vector
width.

float32 is held against float64 libraries over all exponents; float64 against mpmath.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
from mpmath import mp

from lucid.ir.scalar_math import (
    error_function,
    exponential,
    gamma_functions,
    hyperbolic,
    inverse_trigonometric,
    normal_numbers,
    powers,
    trigonometric,
)
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import DType, float32, float64, uint32, uint64
from tests.codegen.elementwise_loop import compile_elementwise
from tests.ir.fit_polynomials import round_to, tables, zero_of_digamma
from tests.ir.scalar_cases import BINARY, CASES, POINTS, Case, compiled, inf, nan

Array = npt.NDArray[Any]

FLOATS = (float32, float64)
WIDTHS = (1, 16)
STRIDE = 30011  # float32 is tried at every so many of its bit patterns; a prime, so that all low bits occur

POWER_BOUND = 1.5
ATAN2_BOUND = 4.0


def interpreted(name: str, *operands: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(getattr(NumpyScalars(), name)(*operands))


def samples(case: Case, dtype: DType) -> Array:
    """Points over the whole range, at its ends, and dense around the trouble spots."""
    generator = np.random.default_rng(0)
    low, high = case.low[dtype], case.high[dtype]
    spread = [
        spot * (1 + generator.uniform(-1, 1, 150) * 10.0 ** generator.uniform(-16, -1, 150)) for spot in case.dense
    ]
    small = generator.choice([-1.0, 1.0], 1000) * 10.0 ** generator.uniform(-30, 1, 1000)
    x = np.concatenate([generator.uniform(low, high, case.points), *spread, small, [low, high]])
    with np.errstate(over="ignore"):
        x = x.astype(dtype.numpy)
    if dtype == float32:
        bits = np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32)
        x = np.concatenate([x, bits.view(np.float32)])
    inside: Array = x[(x >= low) & (x <= high) & (x != 0)]
    return inside


def exact_parts(function: Callable[..., Any], *operands: Array) -> tuple[Array, Array]:
    """The value with 100 bits, as the nearest float64 and what is left."""
    with mp.workprec(100):
        values = [function(*map(mpmath.mpf, numbers)) for numbers in zip(*(x.tolist() for x in operands), strict=True)]
        high = [float(value) for value in values]
        return np.array(high), np.array(
            [float(v - h) if math.isfinite(h) else 0.0 for v, h in zip(values, high, strict=True)]
        )


def errors(got: Array, high: Array, low: Array | float = 0.0) -> Array:
    """The distance of results from high + low, in units in the last place of that."""
    info = np.finfo(got.dtype)
    exponent = np.maximum(np.frexp(high)[1] - 1, info.minexp)
    with np.errstate(over="ignore", invalid="ignore"):
        distance = np.abs((got.astype(np.float64) - high) - low) / np.ldexp(1.0, exponent - info.nmant)
    overflowed = (np.abs(high) >= info.max) & (got == np.copysign(np.inf, high))
    return np.where(overflowed, 0.0, np.where(np.isfinite(got), distance, np.inf))


def assert_within(bound: float, found: Array, *operands: Array) -> None:
    worst = int(np.argmax(found))
    assert found[worst] <= bound, f"{found[worst]:.3f} ulp at {[x[worst].item() for x in operands]}"
    assert found[worst] > 0.49 * min(bound, 1.0), "an error below half a unit: the samples or the reference are wrong"


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_error_bound(name: str, dtype: DType) -> None:
    case = CASES[name]
    x = samples(case, dtype)
    with np.errstate(over="ignore", under="ignore"):
        exact = exact_parts(case.exact, x) if dtype == float64 else (case.double(x.astype(np.float64)), 0.0)
    assert_within(case.bound, errors(compiled(name, dtype, 16)(x), *exact), x)
    assert_within(case.interpreted, errors(interpreted(name, x), *exact), x)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_error_bound_of_power(dtype: DType) -> None:
    generator = np.random.default_rng(0)
    count = 200_000 if dtype == float32 else POINTS
    info = np.finfo(dtype.numpy)
    widest = np.log(float(info.max))
    log_x = generator.choice([1.0, 1e-1, 1e-3, 1e-6], count) * generator.uniform(-widest, widest, count)
    x = np.exp(log_x).astype(dtype.numpy)
    x = np.where(x == 1, dtype.numpy.type(1.5), x)
    # Exponents that lead all over the range of results, subnormal ones included.
    y = (generator.uniform(-1.15 * widest, widest, count) / np.log(x.astype(np.float64))).astype(dtype.numpy)
    if dtype == float64:
        exact = exact_parts(mpmath.power, x, y)
    else:
        exact = np.power(x.astype(np.float64), y.astype(np.float64)), np.zeros(count)
    for got in (compiled("power", dtype, 16)(x, y), interpreted("power", x, y)):
        assert_within(POWER_BOUND, errors(got, *exact), x, y)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_error_bound_of_atan2(dtype: DType) -> None:
    generator = np.random.default_rng(0)
    count, decades = (200_000, 38) if dtype == float32 else (POINTS, 308)
    spread = generator.choice([0.5, 3.0, decades], (2, count))
    y, x = (generator.choice([-1.0, 1.0], (2, count)) * 10.0 ** generator.uniform(-spread, spread)).astype(dtype.numpy)
    if dtype == float64:
        exact = exact_parts(mpmath.atan2, y, x)
    else:
        exact = np.arctan2(y.astype(np.float64), x.astype(np.float64)), np.zeros(count)
    for got in (compiled("atan2", dtype, 16)(y, x), interpreted("atan2", y, x)):
        assert_within(ATAN2_BOUND, errors(got, *exact), y, x)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_special_values_of_atan2(dtype: DType, width: int) -> None:
    """Every pair of telling values gives what the C library's atan2 gives."""
    numbers = [sign * value for value in (0.0, 0.5, 1.0, 1e-40, 3e38, inf) for sign in (1.0, -1.0)] + [nan]
    y, x = (grid.reshape(-1).astype(dtype.numpy) for grid in np.meshgrid(numbers, numbers))
    expected = np.arctan2(y.astype(np.float64), x.astype(np.float64)).astype(dtype.numpy)
    got = compiled("atan2", dtype, width)(y, x)
    np.testing.assert_allclose(got, expected, rtol=2 * float(np.finfo(dtype.numpy).eps), atol=0)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(expected[~np.isnan(expected)]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_special_values(name: str, dtype: DType, width: int) -> None:
    x, expected = np.array(CASES[name].special, dtype.numpy).T
    for got in (compiled(name, dtype, width)(x), interpreted(name, x)):
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(expected[~np.isnan(expected)]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_special_values_of_power(dtype: DType, width: int) -> None:
    """Every pair of telling values gives what the C library's pow gives."""
    bases = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 1e-40, 1e38, inf]
    exponents = [0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 1e30, 16777215.0, 16777216.0, 1e-40, inf]
    signed = [[sign * value for value in values for sign in (1.0, -1.0)] + [nan] for values in (bases, exponents)]
    x, y = (grid.reshape(-1).astype(dtype.numpy) for grid in np.meshgrid(*signed))
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64)).astype(dtype.numpy)
    got = compiled("power", dtype, width)(x, y)
    np.testing.assert_allclose(got, expected, rtol=2 * float(np.finfo(dtype.numpy).eps), atol=0)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(expected[~np.isnan(expected)]))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", [*CASES, *BINARY])
def test_bits_do_not_depend_on_the_vector_width(name: str, dtype: DType) -> None:
    generator = np.random.default_rng(0)
    operands = [generator.standard_normal(5001) * 10.0 ** generator.uniform(-3, 2, 5001) for _ in range(2)]
    if name not in BINARY:
        operands.pop()
    operands[0][:5] = [0.0, -0.0, inf, -inf, nan]
    operands = [x.astype(dtype.numpy) for x in operands]
    scalar, vector = (compiled(name, dtype, width)(*operands) for width in WIDTHS)
    number = ~np.isnan(scalar)
    np.testing.assert_array_equal(number, ~np.isnan(vector))
    assert scalar[number].tobytes() == vector[number].tobytes()


@pytest.mark.parametrize("dtype", FLOATS)
def test_an_exponential_that_is_zero_comes_of_no_product_that_underflows(dtype: DType) -> None:
    x = np.array([-inf, -1e30, -800.0], dtype.numpy)
    with np.errstate(under="raise"):
        assert not exponential.exp(NumpyScalars(), x).any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_moderate_exponential_has_the_bits_of_any(dtype: DType) -> None:
    x = np.random.default_rng(0).uniform(-80, 80, 10_000).astype(dtype.numpy)
    s = NumpyScalars()
    assert np.array_equal(exponential.exp_of_moderate(s, x), exponential.exp(s, x))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_gamma_functions_below_zero(name: str, dtype: DType) -> None:
    """Where zeros lie next to each other: within 8 ulp of the larger of the result and 1."""
    generator = np.random.default_rng(0)
    x = -np.concatenate([generator.uniform(0, 10, 2000), 10.0 ** generator.uniform(-20, 3, 500)]).astype(dtype.numpy)
    x = x[np.floor(x) != x]
    exact = {"lgamma": lambda x: mpmath.re(mpmath.loggamma(x)), "digamma": mpmath.digamma}[name]
    high, low = exact_parts(exact, x)
    distance = np.abs((compiled(name, dtype, 16)(x).astype(np.float64) - high) - low)
    assert_within(8.0, distance / np.maximum(np.abs(high), 1.0) / np.finfo(dtype.numpy).eps, x)


def test_lgamma_at_the_lower_end_of_float64() -> None:
    x = np.array([-1.7e308])
    with np.errstate(all="ignore"):
        assert compiled("lgamma", float64, 16)(x) == NumpyScalars().lgamma(x) == math.inf


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_error_bound_of_polygamma(n: int, dtype: DType) -> None:
    generator = np.random.default_rng(0)
    x = np.concatenate([generator.uniform(0.1, 12, 300), 10.0 ** generator.uniform(-1, 2, 200)]).astype(dtype.numpy)
    got = compile_elementwise(lambda s, x: s.polygamma(n, x), (dtype,), 16)(x)
    assert_within(4.0 + 3 * n, errors(got, *exact_parts(lambda x: mpmath.polygamma(n, x), x)), x)
    below = -np.concatenate([generator.uniform(0.1, 0.9, 50) + k for k in range(3)]).astype(dtype.numpy)
    got = compile_elementwise(lambda s, x: s.polygamma(n, x), (dtype,), 1)(below)
    exact, _ = exact_parts(lambda x: mpmath.polygamma(n, x), below)
    smallest = np.abs(exact).min()
    rtol = 200 * (n + 1) * float(np.finfo(dtype.numpy).eps)
    np.testing.assert_allclose(got, exact, rtol=rtol, atol=rtol * max(smallest, 1.0))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_normal_numbers(dtype: DType) -> None:
    """Within 4 ulp, never falling, symmetric, and the same bits in NumPy and at every vector width."""
    kind, bits = (uint32, 32) if dtype == float32 else (uint64, 53)
    near = [0, 2**bits // 10, 2 ** (bits - 1), 9 * 2**bits // 10, 2**bits]
    parts = [range(0, 2**bits, 20011 * 2 ** (bits - 32)), *(range(n - 500, n + 500) for n in near)]
    ends = [2**at for at in range(bits - 1)] if dtype == float64 else []
    upper = sorted({n for part in (*parts, ends) for n in part if 0 <= n < 2**bits})
    words = np.array(upper, kind.numpy) << kind.numpy.type(kind.bits - bits)
    got = NumpyScalars().normal(words, dtype)
    for width in WIDTHS:
        assert (compile_elementwise(lambda s, word: s.normal(word, dtype), (kind,), width)(words) == got).all()
    assert (np.diff(got) >= 0.0).all()
    np.testing.assert_array_equal(NumpyScalars().normal(~words, dtype), -got)
    largest = 6.3379577545537895 if dtype == float32 else 8.29236107581359
    np.testing.assert_allclose(got[[0, -1]], [-largest, largest], rtol=1e-6)
    few = [*upper[:60], *upper[60 :: len(upper) // 2000]]
    fewer = NumpyScalars().normal(np.array(few, kind.numpy) << kind.numpy.type(kind.bits - bits), dtype)
    whole = np.array([float(n) for n in few])  # exact: n has at most 53 bits
    exact = exact_parts(lambda n: -mpmath.sqrt(2) * mpmath.erfinv(1 - (2 * n + 1) / 2**bits), whole)
    assert_within(4.0, errors(fewer, *exact), whole)


def test_tables_are_what_the_derivation_gives() -> None:
    derived = tables()
    modules = (error_function, exponential, gamma_functions, hyperbolic, inverse_trigonometric, normal_numbers)
    written = {
        name: vars(module)[name]
        for module in (*modules, powers, trigonometric)
        for name in derived
        if name in vars(module)
    }
    assert written == derived


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_constants_in_parts(dtype: DType) -> None:
    """Each part is the number of the dtype that is nearest to what the parts before it leave."""
    with mp.workprec(300):
        for parts, rest in [
            (exponential.LN2[dtype], mpmath.log(2)),
            (powers.TWO_THIRDS[dtype], mpmath.mpf(2) / 3),
            (powers.PER_LN2[dtype], 1 / mpmath.log(2)),
            (powers.PER_LN10[dtype], 1 / mpmath.log(10)),
            (trigonometric.HALF_PI[dtype], mpmath.pi / 2),
            (inverse_trigonometric.QUARTER_PI[dtype], mpmath.pi / 4),
            (gamma_functions.DIGAMMA_ZERO[dtype], zero_of_digamma()),
        ]:
            for part in parts:
                assert part == round_to(rest, dtype)
                rest -= mpmath.mpf(float(dtype.numpy.type(part)))
