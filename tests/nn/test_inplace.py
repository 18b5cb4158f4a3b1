"""`inplace=True`: the input holds the result, in eager and in compiled code, and gradients are right."""

from collections.abc import Callable

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import ArgumentError

X = np.array([-2.0, -0.5, 0.0, 1.0, 7.0], np.float32)
MODULES = [
    nn.ReLU,
    nn.LeakyReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.SiLU,
    nn.Mish,
    nn.Threshold,
]


def made(kind: Callable[..., nn.Module], inplace: bool) -> nn.Module:
    return kind(0.5, -1.0, inplace) if kind is nn.Threshold else kind(inplace=inplace)


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_computed_input_holds_the_result(kind: Callable[..., nn.Module], compiled: bool) -> None:
    plain, module = made(kind, False), made(kind, True)
    assert "inplace=True" in repr(module)

    def both(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = x * 2.0
        result = module(hidden)  # `hidden` is the result now, as the residual sum below shows
        x.grad = None
        total = (result + hidden).sum()
        total.backward()
        return result, hidden, total

    x = Tensor(X, requires_grad=True)
    result, hidden, _ = (lucid.compile(both) if compiled else both)(x)
    y = Tensor(X, requires_grad=True)
    expected = plain(y * 2.0)
    (expected + expected).sum().backward()
    np.testing.assert_allclose(result.numpy(), expected.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(hidden.numpy(), result.numpy())
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_a_model_whose_activations_are_in_place(compiled: bool, grad: bool) -> None:
    lucid.seed(0)
    plain = nn.Sequential(nn.Linear(5, 4), nn.Flatten(), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
    model = nn.Sequential(
        nn.Linear(5, 4), nn.Flatten(), nn.ReLU(inplace=True), nn.Dropout(0.5, inplace=True), nn.Linear(4, 2)
    )
    model.load_state_dict(plain.state_dict())
    results = []
    for each in (plain, model):
        lucid.seed(1)
        call = lucid.compile(each) if compiled else each
        if grad:
            y = call(np.stack([X, -X]))
            y.sum().backward()
            results.append([y.numpy(), *(p.grad.numpy() for p in each.parameters() if p.grad is not None)])
        else:
            with lucid.no_grad():
                results.append([call(np.stack([X, -X])).numpy()])
    assert len(results[0]) == (5 if grad else 1)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_leaf_is_updated_in_place(compiled: bool) -> None:
    x = Tensor(X)
    view = x.detach()

    def relu(x: Tensor) -> Tensor:
        return F.relu(x, inplace=True)

    result = (lucid.compile(relu) if compiled else relu)(x)
    for tensor in (result, x, view):
        np.testing.assert_array_equal(tensor.numpy(), np.maximum(X, 0))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_leaf_that_requires_a_gradient_is_refused(compiled: bool) -> None:
    x = Tensor(X, requires_grad=True)
    call = lucid.compile(nn.ReLU(True)) if compiled else nn.ReLU(True)
    with pytest.raises(ArgumentError, match="a tensor that requires a gradient was updated in place"):
        call(x)
    np.testing.assert_array_equal(x.numpy(), X)


def test_a_refused_dropout_takes_no_draw() -> None:
    x, state = Tensor(X, requires_grad=True), lucid.get_state()
    module = nn.Dropout(0.5, inplace=True)
    for call in (module, lambda x: F.dropout(x, inplace=True), lambda x: F.rrelu(x, training=True, inplace=True)):
        with pytest.raises(ArgumentError, match="a tensor that requires a gradient was updated in place"):
            call(x)
        assert lucid.get_state() == state
    assert module.mask is None
    np.testing.assert_array_equal(x.numpy(), X)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_views_of_before_keep_their_elements(compiled: bool, grad: bool) -> None:
    def program(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = x.reshape(1, 5) if not grad else x * 1.0
        view = hidden.detach()
        behind = view.reshape(5)
        F.relu(hidden, inplace=True)
        return hidden, view + 0.0, behind + 0.0

    x = Tensor(X, requires_grad=grad)
    hidden, view, behind = (lucid.compile(program) if compiled else program)(x)
    np.testing.assert_array_equal(hidden.numpy().ravel(), np.maximum(X, 0))
    np.testing.assert_array_equal(view.numpy().ravel(), X)
    np.testing.assert_array_equal(behind.numpy(), X)
    np.testing.assert_array_equal(x.numpy(), X)


def test_a_view_of_before_enters_a_compiled_function_by_itself() -> None:
    hidden = Tensor(X, requires_grad=True) * 1.0
    view = hidden.detach()
    F.relu(hidden, inplace=True)
    compiled = lucid.compile(lambda: view * 1.0)
    np.testing.assert_array_equal(compiled().numpy(), X)
    view.copy_(np.zeros(5, np.float32))
    np.testing.assert_array_equal(hidden.numpy(), np.maximum(X, 0))
    np.testing.assert_array_equal(compiled().numpy(), np.zeros(5))


def test_what_has_read_the_input_before_has_its_gradient() -> None:
    x = Tensor(X, requires_grad=True)
    hidden = x * 1.0
    square = hidden * hidden
    F.relu(hidden, inplace=True)
    (square + hidden).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), 2 * X + (X > 0))


def test_in_the_body_of_a_scan() -> None:
    def run(xs: Tensor) -> Tensor:
        def body(carry: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            hidden = carry + x
            F.relu(hidden, inplace=True)
            return hidden, hidden

        return lucid.scan(body, lucid.zeros(), xs)[1]

    xs = Tensor([1.0, -3.0, 2.0], requires_grad=True)
    for call in (run, lucid.compile(run)):
        np.testing.assert_array_equal(call(xs).numpy(), [1.0, 0.0, 2.0])
