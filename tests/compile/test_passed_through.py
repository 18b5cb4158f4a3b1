"""A tensor that a compiled function returns as it came is that tensor, as in eager code."""

import lucid
import lucid.nn as nn
from lucid import Tensor


def test_an_argument_of_many_elements_comes_back_itself() -> None:
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    result, doubled = lucid.compile(lambda x: (x, x * 2.0))(x)
    assert result is x
    assert doubled.tolist() == [[2.0, 4.0]]


def test_a_zero_comes_back_itself() -> None:
    x = Tensor(0.0)
    assert lucid.compile(lambda x: x)(x) is x


def test_dropout_in_evaluation_passes_its_input_on() -> None:
    x = Tensor([1.0, 2.0])
    assert lucid.compile(nn.Dropout(0.5).eval())(x) is x
