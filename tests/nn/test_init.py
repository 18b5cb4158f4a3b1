"""Initial values: from the specified stream, in place. Distributions are compared with PyTorch's in tests/parity."""

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid.errors import ArgumentError, ShapeError


def test_values_keep_identity_and_dtype() -> None:
    parameter = nn.Parameter(np.zeros((4, 4)))
    for fill in (nn.init.ones_, nn.init.uniform_, nn.init.xavier_uniform_, nn.init.normal_):
        assert fill(parameter) is parameter
        assert str(parameter.dtype) == "float64"
        assert parameter.numpy().any()
    assert nn.init.zeros_(parameter).tolist() == [[0.0] * 4] * 4
    assert nn.init.constant_(parameter, 2.5).tolist() == [[2.5] * 4] * 4


def test_each_takes_one_draw() -> None:
    lucid.seed(0)
    nn.init.uniform_(lucid.zeros(3))
    nn.init.normal_(lucid.zeros(3))
    assert lucid.random.get_state() == (0, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.init.xavier_uniform_(lucid.zeros(3)), ShapeError, r"\(out, in, ...\)"),
        (lambda: nn.init.kaiming_uniform_(lucid.zeros(3, 3), mode="in"), ArgumentError, "fan_in"),
        (lambda: nn.init.calculate_gain("swish"), ArgumentError, "swish"),
    ],
)
def test_wrong_use(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
