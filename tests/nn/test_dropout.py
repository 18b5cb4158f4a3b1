"""Dropout: its arithmetic, its mask, its argument, and the documented programs."""

import math

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import ArgumentError, DTypeError
from lucid.ir import philox


def test_the_documented_program() -> None:
    input_tensor = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    dropout = nn.Dropout(p=0.5)
    output = dropout(input_tensor)
    mask = dropout.mask.numpy()
    expected = (np.array([[1.0, 2.0, 3.0, 4.0]]) * mask * 2.0).tolist()
    assert str(output) == f"Tensor({expected}, grad=None)"
    output.backward()
    assert str(input_tensor.grad) == str((mask * 2.0).tolist())


def test_the_documented_model() -> None:
    class DropoutModel(nn.Module):
        def __init__(self) -> None:
            super(DropoutModel, self).__init__()  # noqa: UP008  as the documentation writes it
            self.linear = nn.Linear(in_features=4, out_features=2)
            self.dropout = nn.Dropout(p=0.5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.linear(x)
            x = self.dropout(x)
            return x  # noqa: RET504

    model = DropoutModel()
    input_data = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    output = model(input_data)
    assert str(output).startswith("Tensor([[")
    output.backward()
    expected = (model.dropout.mask.numpy() * 2.0) @ model.linear.weight.numpy()
    np.testing.assert_allclose(input_data.grad.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
def test_arithmetic(p: float, dtype: str) -> None:
    """Bit for bit: y = (x * mask) * scale, and the gradient (g * mask) * scale, with scale rounded to the dtype."""
    data, seed = np.random.default_rng(0).standard_normal((2, 7, 9)).astype(dtype)
    x, dropout = Tensor(data, requires_grad=True), nn.Dropout(p)
    y = dropout(x)
    mask = dropout.mask.numpy().astype(dtype)
    scale = np.dtype(dtype).type(0.0 if p == 1.0 else 1.0 / (1.0 - p))
    assert str(y.dtype) == dtype
    assert (y.numpy() == data * mask * scale).all()
    y.backward(seed)
    assert (x.grad.numpy() == seed * mask * scale).all()


def test_the_mask_is_the_specified_stream() -> None:
    lucid.seed(7)
    dropout = nn.Dropout(0.3)
    for draw in range(3):
        dropout(lucid.ones(5, 11))
        words = philox.words(7, draw, 55).reshape(5, 11)
        assert (dropout.mask.numpy() == (words >= round(0.3 * 2**32))).all()


def test_masks_differ_from_call_to_call_and_repeat_with_the_seed() -> None:
    dropout, x = nn.Dropout(0.5), lucid.ones(64)
    lucid.seed(1)
    first, second = dropout(x).tolist(), dropout(x).tolist()
    assert first != second
    lucid.seed(1)
    assert [dropout(x).tolist(), dropout(x).tolist()] == [first, second]


def test_the_kept_share() -> None:
    lucid.seed(0)
    kept = nn.Dropout(0.2)(lucid.ones(100_000)).astype("bool").astype("float64").mean().item()
    assert abs(kept - 0.8) < 0.005


def test_mask_before_and_after_a_call() -> None:
    dropout = nn.Dropout(0.5)
    assert dropout.mask is None
    dropout.eval()(lucid.ones(3))
    assert dropout.mask is None
    y = dropout.train()(lucid.ones(3, 4))
    assert dropout.mask.tolist() == dropout.mask.tolist() == (y / 2.0).tolist()
    dropout(lucid.ones(2))
    assert dropout.mask.shape == (2,)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_of_the_range_draw_too(p: float) -> None:
    lucid.seed(0)
    y = nn.Dropout(p)(lucid.ones(4))
    assert y.tolist() == [1.0 - p] * 4
    assert lucid.random.get_state() == (0, 1)


def test_evaluation_passes_the_input_and_draws_nothing() -> None:
    lucid.seed(0)
    x = lucid.ones(4)
    assert nn.Dropout(0.5).eval()(x) is x
    assert F.dropout(x, 0.5, training=False) is x
    assert lucid.random.get_state() == (0, 0)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, math.inf, "0.5", None, True, 1j])
def test_p_outside_its_range(p: object) -> None:
    with pytest.raises(ValueError, match=f"p={p!r}".replace("+", r"\+")):
        nn.Dropout(p)
    dropout = nn.Dropout(0.25)
    with pytest.raises(ArgumentError, match="probability p from 0 to 1"):
        dropout.p = p
    assert dropout.p == 0.25
    with pytest.raises(ArgumentError, match="probability p from 0 to 1"):
        F.dropout(lucid.ones(2), p)


def test_p_may_be_any_real_number_and_set_anew() -> None:
    dropout = nn.Dropout(np.float32(0.5))
    assert type(dropout.p) is float
    dropout.p = 1
    assert dropout(lucid.ones(2)).tolist() == [0.0, 0.0]


def test_integers_are_not_dropped() -> None:
    with pytest.raises(DTypeError, match=r"in Dropout\(p=0.5\): dropout takes floats, got int64"):
        nn.Dropout()(Tensor([1, 2]))


def test_the_function_takes_a_draw_of_the_same_stream() -> None:
    x = lucid.ones(32)
    lucid.seed(5)
    expected = nn.Dropout(0.4)(x).tolist()
    lucid.seed(5)
    assert F.dropout(x, 0.4).tolist() == expected
