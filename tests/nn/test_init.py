"""Initial values: from the specified stream, in place. Distributions are compared with PyTorch's in tests/parity."""

import numpy as np
import pytest
from scipy import stats

import lucid
import lucid.nn as nn
from lucid.errors import ArgumentError, ShapeError
from tests.parity.compare import torch


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


@pytest.mark.parametrize("bounds", [(-2.0, 2.0), (0.5, 1.0), (-8.0, -1.0), (3.0, 9.0)])
def test_truncated_normal_numbers(bounds: tuple[float, float]) -> None:
    lucid.seed(2)
    x = nn.init.trunc_normal_(lucid.zeros(20_000), 1.0, 2.0, *bounds).numpy()
    assert bounds[0] <= x.min() < x.max() <= bounds[1]
    exact = stats.truncnorm((bounds[0] - 1.0) / 2.0, (bounds[1] - 1.0) / 2.0, 1.0, 2.0)
    assert stats.kstest(x, exact.cdf).pvalue > 0.01
    fast = lucid.compile(lambda x: nn.init.trunc_normal_(x, 1.0, 2.0, *bounds))
    lucid.seed(2)
    np.testing.assert_array_equal(fast(lucid.zeros(20_000)).numpy(), x)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3), (4, 2, 3), (6, 2, 2)])
def test_orthogonal_matrices(shape: tuple[int, ...]) -> None:
    w = nn.init.orthogonal_(lucid.zeros(shape, dtype="float64"), gain=2.0).numpy().reshape(shape[0], -1)
    product = w @ w.T if shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4.0 * np.eye(min(w.shape)), atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 6, 3, 2), (8, 1, 1, 2, 5)])
def test_dirac(shape: tuple[int, ...], groups: int) -> None:
    expected = torch.nn.init.dirac_(torch.ones(shape), groups)
    np.testing.assert_array_equal(nn.init.dirac_(lucid.ones(shape), groups).numpy(), expected)


def test_eye() -> None:
    assert nn.init.eye_(lucid.zeros(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: nn.init.trunc_normal_(lucid.zeros(3), std=0.0),
            ArgumentError,
            r"a below b, got std=0\.0",
        ),
        (
            lambda: nn.init.trunc_normal_(lucid.zeros(3), a=9.0, b=9.5),
            ArgumentError,
            r"no normal .* between 9\.0",
        ),
        (lambda: nn.init.orthogonal_(lucid.zeros(3)), ShapeError, r"at least two axes, got shape \(3,\)"),
        (lambda: nn.init.eye_(lucid.zeros(3)), ShapeError, r"two axes, got shape \(3,\)"),
        (lambda: nn.init.dirac_(lucid.zeros(3, 3)), ShapeError, r"3 to 5 axes, got shape \(3, 3\)"),
        (lambda: nn.init.dirac_(lucid.zeros(3, 3, 1), 2), ArgumentError, "groups that divide 3 output channels, got 2"),
        (lambda: nn.init.xavier_uniform_(lucid.zeros(3)), ShapeError, r"\(out, in, ...\)"),
        (lambda: nn.init.kaiming_uniform_(lucid.zeros(3, 3), mode="in"), ArgumentError, "fan_in"),
        (lambda: nn.init.calculate_gain("swish"), ArgumentError, "swish"),
    ],
)
def test_wrong_use(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
