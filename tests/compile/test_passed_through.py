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


def test_a_captured_view_comes_back_itself() -> None:
    view = Tensor([1.0, 2.0]).detach()

    @lucid.compile
    def update(x: Tensor) -> Tensor:
        return view.copy_(x)

    assert update(Tensor([3.0, 4.0])) is view
    assert view.tolist() == [3.0, 4.0]


def test_a_tensor_that_is_returned_twice_is_one() -> None:
    @lucid.compile
    def twice(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        y = x + 1.0
        return y, {"again": y, "twice": y * 2.0}

    for _ in range(2):
        y, rest = twice(Tensor([1.0, 2.0]))
        assert rest["again"] is y
        assert rest["twice"].tolist() == [4.0, 6.0]
