"""Functions that are made of ops: zeros of both signs, and arrays in the other byte order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor
from lucid.ir.scalar_numpy import MANY


def test_of_zeros_of_both_signs_fmax_and_fmin_give_the_first() -> None:
    x, y = Tensor([-0.0, 0.0]), Tensor([0.0, -0.0])
    for function in (lucid.fmax, lucid.fmin):
        for run in (function, lucid.compile(function)):
            assert np.signbit(run(x, y).numpy()).tolist() == [True, False]


@pytest.mark.parametrize("size", [3, MANY])
@pytest.mark.parametrize(
    "function", [F.relu, F.elu, lucid.erf, lucid.exp, lucid.lgamma, lambda x: lucid.where(x > 0, 0.0, x)]
)
def test_arrays_in_the_other_byte_order_count_as_the_same_numbers(function: Callable[..., Tensor], size: int) -> None:
    x = np.linspace(-2.0, 2.5, size, dtype=np.float32)
    other = x.astype(x.dtype.newbyteorder())
    expected = function(x).numpy()
    for run in (function, lucid.compile(function)):
        found = run(other).numpy()
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert lucid.as_tensor(other).numpy().dtype == np.float32
