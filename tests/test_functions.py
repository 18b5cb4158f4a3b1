"""Functions that are made of ops: their errors, and zeros of both signs."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import lucid
from lucid import Tensor

LOGIT = 4.0  # units in the last place, as docs/ops.md has it


def _logits(x: np.ndarray, is_compiled: bool) -> np.ndarray:
    function = lucid.compile(lucid.logit) if is_compiled else lucid.logit
    return np.asarray(function(Tensor(x)).numpy(), np.float64)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_logit_of_float32(is_compiled: bool) -> None:
    """Near 1/2, too, where the logarithms of x and of 1 - x nearly cancel."""
    generator = np.random.default_rng(0)
    x = np.concatenate(
        [
            generator.integers(1, np.float32(1).view(np.uint32), 20000, dtype=np.uint32).view(np.float32),
            generator.uniform(0, 1, 20000).astype(np.float32),
            np.float32(0.5) + np.arange(-500, 500, dtype=np.float32) * np.float32(2.0**-25),
            1 - np.arange(1, 1000, dtype=np.float32) * np.float32(2.0**-24),
            np.nextafter(np.float32([0.25, 0.25, 0.75, 0.75]), np.float32([0, 1, 0, 1])),
        ]
    )
    wide = x[(x > 0) & (x < 1) & (x != 0.5)].astype(np.float64)
    exact = np.log(wide) - np.log1p(-wide)
    units = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    assert np.max(np.abs(_logits(wide.astype(np.float32), is_compiled) - exact) / units) <= LOGIT


@pytest.mark.parametrize("is_compiled", [False, True])
def test_logit_of_float64(is_compiled: bool) -> None:
    generator = np.random.default_rng(1)
    near = 0.5 + generator.uniform(-1, 1, 200) * 2.0 ** -generator.integers(2, 50, 200)
    x = np.concatenate([generator.uniform(0, 1, 200), near, 10.0 ** -generator.uniform(0, 300, 100)])
    with mpmath.workdps(40):
        exact = [mpmath.log(mpmath.mpf(value) / (1 - mpmath.mpf(value))) for value in x.tolist()]
        off = [
            abs(got - value)
            for got, value in zip(map(mpmath.mpf, _logits(x, is_compiled).tolist()), exact, strict=True)
        ]
    units = np.spacing(np.abs(np.array(exact, np.float64)))
    assert np.max(np.array(off, np.float64) / units) <= LOGIT


def test_logit_at_its_ends_and_beyond() -> None:
    x = np.array([0.0, 1.0, 0.5, -0.1, 1.1, np.nan])
    for is_compiled in (False, True):
        np.testing.assert_array_equal(_logits(x, is_compiled), [-np.inf, np.inf, 0.0, np.nan, np.nan, np.nan])


def test_of_zeros_of_both_signs_fmax_and_fmin_give_the_first() -> None:
    x, y = Tensor([-0.0, 0.0]), Tensor([0.0, -0.0])
    for function in (lucid.fmax, lucid.fmin):
        for run in (function, lucid.compile(function)):
            assert np.signbit(run(x, y).numpy()).tolist() == [True, False]
