"""Initial values: from the specified stream, in place. Distributions are compared with PyTorch's in tests/parity."""

import math

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid.errors import ArgumentError, ShapeError
from lucid.ir import philox


def test_uniform_is_the_specified_stream() -> None:
    lucid.seed(3)
    lucid.random.uniform((2,))
    found = lucid.random.uniform((3, 5), -2.0, 6.0).numpy()
    u = (philox.words(3, 1, 15) >> 8).astype(np.float32) / np.float32(2**24)
    assert (found == (np.float32(-2.0) + np.float32(8.0) * u).reshape(3, 5)).all()


def test_normal_is_the_specified_stream() -> None:
    lucid.seed(3)
    found = lucid.random.normal((3,), mean=1.0, std=2.0).tolist()
    v, w, x, y = (int(word) / 2**32 for word in philox.words(3, 0, 4))
    first, second = math.sqrt(-2 * math.log(v + 2**-32)), math.sqrt(-2 * math.log(x + 2**-32))
    expected = [
        first * math.cos(2 * math.pi * w),
        first * math.sin(2 * math.pi * w),
        second * math.cos(2 * math.pi * y),
    ]
    assert found == pytest.approx([1.0 + 2.0 * z for z in expected], rel=1e-6)
    assert lucid.random.get_state() == (3, 1)


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
