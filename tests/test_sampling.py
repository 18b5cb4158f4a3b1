"""Random tensors: exactly the specified stream, eager and compiled, with the statistics that their names promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

import lucid
from lucid import Tensor
from lucid.data.sampler import permutation
from lucid.errors import ArgumentError, DTypeError, LucidError, ShapeError
from lucid.ir import philox
from lucid.ir.scalar_numpy import NumpyScalars
from lucid.ir.types import float32, float64

Array = npt.NDArray[Any]
SEED, SHAPE, COUNT = 3, (5, 7), 35
WORDS = philox.words(SEED, 0, COUNT).reshape(SHAPE)
LONG = philox.words(SEED, 0, 2 * COUNT).astype(np.uint64).reshape(*SHAPE, 2)
UNIT = (WORDS >> 8).astype(np.float32) * np.float32(2.0**-24)
WORDS64 = LONG[..., 0] + (LONG[..., 1] << np.uint64(32))
UNIT64 = (WORDS64 >> np.uint64(11)) * 2.0**-53
NORMAL, NORMAL64 = NumpyScalars().normal(WORDS, float32), NumpyScalars().normal(WORDS64, float64)
P = np.linspace(0.0, 1.0, 7, dtype=np.float32)


ORDER = np.argsort(WORDS64.reshape(-1), kind="stable")


def integers(low: int, high: int) -> Array:
    return low + np.array([int(word) * (high - low) // 2**32 for word in WORDS.reshape(-1)]).reshape(SHAPE)


CASES: dict[str, tuple[Callable[[], Tensor], Array]] = {
    "rand": (lambda: lucid.rand(*SHAPE), UNIT),
    "rand of float64": (lambda: lucid.rand(SHAPE, dtype="float64"), UNIT64),
    "rand_like": (lambda: lucid.rand_like(lucid.zeros(SHAPE, dtype="float64")), UNIT64),
    "randn": (lambda: lucid.randn(SHAPE), NORMAL),
    "randn of float64": (lambda: lucid.randn(SHAPE, dtype="float64"), NORMAL64),
    "randn_like": (lambda: lucid.randn_like(lucid.zeros(SHAPE)), NORMAL),
    "uniform": (lambda: lucid.uniform(-2.0, 6.0, SHAPE), np.float32(-2.0) + np.float32(8.0) * UNIT),
    "uniform, broadcast": (lambda: lucid.uniform(P, P + 1.0, SHAPE), P + (P + np.float32(1.0) - P) * UNIT),
    "uniform of float64": (lambda: lucid.uniform(0, 3, SHAPE, "float64"), 3.0 * UNIT64),
    "normal": (lambda: lucid.normal(1.0, 2.0, SHAPE), np.float32(1.0) + np.float32(2.0) * NORMAL),
    "normal of arrays": (lambda: lucid.normal(np.zeros((5, 1)), P.astype(np.float64)), P.astype(np.float64) * NORMAL64),
    "bernoulli": (lambda: lucid.bernoulli(0.3, SHAPE), (round(0.3 * 2**32) > WORDS).astype(np.float32)),
    "bernoulli of arrays": (lambda: lucid.bernoulli(P, SHAPE), (np.rint(P * 2.0**32) > WORDS).astype(np.float32)),
    "bernoulli of 0": (lambda: lucid.bernoulli(0, SHAPE), np.zeros(SHAPE, np.float32)),
    "bernoulli of 1": (lambda: lucid.bernoulli(1, SHAPE), np.ones(SHAPE, np.float32)),
    "randperm": (lambda: lucid.randperm(COUNT), ORDER),
    "randperm in a dtype": (lambda: lucid.randperm(COUNT, dtype="int32"), ORDER.astype("int32")),
    "randint": (lambda: lucid.randint(-3, 7, SHAPE), integers(-3, 7)),
    "randint from 0": (lambda: lucid.randint(10, SHAPE, dtype="int32"), integers(0, 10).astype(np.int32)),
    "randint of all words": (lambda: lucid.randint(2**32, SHAPE, dtype="uint32"), WORDS),
    "randint of one": (lambda: lucid.randint(4, 5, SHAPE, dtype="float32"), np.full(SHAPE, 4.0, np.float32)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_the_specified_stream(name: str) -> None:
    make, expected = CASES[name]
    for call in (make, lucid.compile(make)):
        lucid.seed(SEED)
        found = call().numpy()
        np.testing.assert_array_equal(found, expected, strict=True)
        assert lucid.get_state() == (SEED, 1)


def test_draws_follow_each_other() -> None:
    def both() -> tuple[Tensor, Tensor]:
        return lucid.randn(64), lucid.rand(64)

    for call in (both, lucid.compile(both)):
        lucid.set_state((SEED, 2**32 - 2))
        for draw in (2**32 - 2, 2**32):
            z, u = call()
            np.testing.assert_array_equal(z.numpy(), NumpyScalars().normal(philox.words(SEED, draw, 64), float32))
            np.testing.assert_array_equal(u.numpy(), (philox.words(SEED, draw + 1, 64) >> 8) * np.float32(2.0**-24))


def test_steps_in_a_loop_draw_what_calls_draw() -> None:
    @lucid.compile
    def step(x: Tensor) -> Tensor:
        return x + lucid.randn(4)

    x = np.zeros((3, 4), np.float32)
    lucid.seed(1)
    repeated = step.repeat(x).numpy()
    lucid.seed(1)
    np.testing.assert_array_equal(repeated, np.stack([step(row).numpy() for row in x]))


def test_gradients_flow_into_parameters() -> None:
    def loss(mean: Tensor, std: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return (lucid.normal(mean, std) ** 2).sum() + (lucid.uniform(low, high, (2, 3)) ** 2).sum()

    for call in (loss, lucid.compile(loss)):
        parameters = [Tensor([0.5, 1.0, 2.0], requires_grad=True) for _ in range(4)]
        mean, std, low, high = parameters
        lucid.seed(SEED)
        call(*parameters).backward()
        z = NumpyScalars().normal(philox.words(SEED, 0, 3), float32)
        x = mean.numpy() * (1.0 + z)
        np.testing.assert_allclose(mean.grad.numpy(), 2.0 * x, rtol=1e-6)
        np.testing.assert_allclose(std.grad.numpy(), 2.0 * x * z, rtol=1e-6)
        u = ((philox.words(SEED, 1, 6) >> 8) * 2.0**-24).reshape(2, 3)
        np.testing.assert_allclose(low.grad.numpy(), (2.0 * low.numpy() * (1.0 - u)).sum(0), rtol=1e-6)
        np.testing.assert_allclose(high.grad.numpy(), (2.0 * low.numpy() * u).sum(0), rtol=1e-6)


def test_a_standard_deviation_that_is_an_argument_compiles_once() -> None:
    fast = lucid.compile(lambda std: lucid.normal(0.0, std, 8))
    for std in (1.0, 2.0, 0.5):
        lucid.seed(SEED)
        np.testing.assert_array_equal(fast(std).numpy(), NORMAL.reshape(-1)[:8] * np.float32(std))
    assert len(fast.programs) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("make", "exact"), [(lucid.rand, stats.uniform), (lucid.randn, stats.norm)])
def test_distributions(make: Callable[..., Tensor], exact: Any, dtype: str) -> None:
    """Moments within 5 standard errors, and the test of Kolmogorov and Smirnov."""
    lucid.seed(11)
    x = make(200_000, dtype=dtype).numpy().astype(np.float64)
    mean, variance, skew, excess = (float(moment) for moment in exact.stats(moments="mvsk"))
    centered = x - mean
    for power, moment in ((1, 0.0), (2, variance), (3, skew * variance**1.5), (4, (excess + 3.0) * variance**2)):
        terms = centered**power
        assert abs(terms.mean() - moment) < 5.0 * terms.std() / len(x) ** 0.5
    assert stats.kstest(x, exact.cdf).pvalue > 0.01
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 5.0 / len(x) ** 0.5


def test_permutations_are_those_of_a_loader() -> None:
    lucid.set_state((9, 4))
    assert sorted(lucid.randperm(50).tolist()) == list(range(50))
    np.testing.assert_array_equal(lucid.randperm(50).numpy(), permutation(50, 9, 5))


def test_counts_of_integers() -> None:
    lucid.seed(5)
    counts = np.bincount(lucid.randint(7, (100_000,)).numpy(), minlength=7)
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lucid.rand(3, dtype="int64"), DTypeError, "rand gives floats, got dtype int64."),
        (
            lambda: lucid.normal(0.0, -1.0, 3),
            ArgumentError,
            "takes a standard deviation from 0 on, got std=-1.0.",
        ),
        (lambda: lucid.bernoulli(1.5, 3), ArgumentError, "bernoulli takes a probability from 0 to 1, got p=1.5."),
        (
            lambda: lucid.randint(3, 3, 2),
            ArgumentError,
            "randint takes bounds with 1 to 2^32 integers between them, got 3 and 3.",
        ),
        (lambda: lucid.randperm(-1), ArgumentError, "randperm takes a number of integers from 0 on, got -1."),
        (lambda: lucid.randint(300, 2, dtype="uint8"), ArgumentError, "got 300 and 2."),
        (
            lambda: lucid.randint(300, (2,), dtype="uint8"),
            DTypeError,
            "does not hold the integers from 0 to 299.",
        ),
        (
            lambda: lucid.normal(lucid.zeros(3), lucid.zeros(2)),
            ShapeError,
            "normal takes parameters that broadcast to its size, got shapes (3,) and (2,) for size None.",
        ),
        (
            lambda: lucid.bernoulli(P, (7, 2)),
            ShapeError,
            "bernoulli takes parameters that broadcast to its size, got shapes (7,) for size (7, 2).",
        ),
    ],
)
def test_wrong_use(call: Callable[[], Tensor], error: type[LucidError], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert caught.value.sentence.endswith(message)
