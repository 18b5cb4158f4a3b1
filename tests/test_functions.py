"""Functions that are made of ops: zeros of both signs."""

from __future__ import annotations

import numpy as np

import lucid
from lucid import Tensor


def test_of_zeros_of_both_signs_fmax_and_fmin_give_the_first() -> None:
    x, y = Tensor([-0.0, 0.0]), Tensor([0.0, -0.0])
    for function in (lucid.fmax, lucid.fmin):
        for run in (function, lucid.compile(function)):
            assert np.signbit(run(x, y).numpy()).tolist() == [True, False]
