"""Gradients end at the same leaves as in eager code: those that a function updates, makes or captures as views, and
none that a result does not depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import TraceError
from tests.compile.worlds import assert_same_gradients, normal

X = normal(3)


def leaf(seed: int = 1) -> Tensor:
    return Tensor(normal(3, seed=seed), requires_grad=True)


def product(a: Tensor, b: Tensor) -> Tensor:
    with lucid.no_grad():
        unrecorded = b * 2.0
    return a * unrecorded


UNTOUCHED = {
    "detached": lambda a, b: a * (b * 2.0).detach(),
    "compared": lambda a, b: a * (b > 0.0),
    "cast": lambda a, b: a * b.astype("int64"),
    "unrecorded": product,
    "a constant slope": lambda a, b: a + lucid.grad((a * b).sum(), b, create_graph=True),
}


@pytest.mark.parametrize("function", UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_no_gradient_gets_to_has_none(function: Any) -> None:
    """And not zeros, with which an optimizer would update it: by weight decay, or by its momentum."""

    def program(wrap: Any) -> list[Any]:
        a, b = leaf(1), leaf(2)
        optimizer = optim.SGD([a, b], lr=0.1, weight_decay=0.5)
        wrap(lambda x: function(a, b) * x)(X).sum().backward()
        optimizer.step()
        return [a, b, a.grad, b.grad]

    assert_same_gradients(program)


def test_each_result_has_the_leaves_that_are_behind_it() -> None:
    def program(wrap: Any) -> list[Any]:
        shared, policy, value = nn.Linear(3, 3), nn.Linear(3, 2), nn.Linear(3, 1)

        def heads(x: Any) -> tuple[Tensor, Tensor]:
            hidden = shared(x).tanh()
            return policy(hidden), value(hidden)

        first, _ = wrap(heads)(X)
        first.sum().backward()
        seen = [p.grad for p in (*shared.parameters(), *policy.parameters(), *value.parameters())]
        first, second = wrap(heads)(X)
        (first.sum() + second.sum()).backward()
        return [*seen, *(p.grad for p in (*shared.parameters(), *policy.parameters(), *value.parameters()))]

    assert_same_gradients(program)


def test_a_result_without_any_leaf_behind_it() -> None:
    def program(wrap: Any) -> list[Any]:
        w = leaf()
        wrap(lambda x: lucid.grad((w * x).sum(), w, create_graph=True))(X).sum().backward()
        return [w.grad]

    assert_same_gradients(program)


def test_a_leaf_that_is_updated_before_it_is_read() -> None:
    def program(wrap: Any) -> list[Any]:
        w = leaf()

        def clipped(x: Any) -> Tensor:
            with lucid.no_grad():
                w.copy_(w.clip(-0.5, 0.5))
            return w * w * x

        wrap(clipped)(X).sum().backward()
        return [w, w.grad]

    assert_same_gradients(program)


def test_the_loss_behind_the_step_of_an_optimizer() -> None:
    def program(wrap: Any) -> list[Any]:
        model = nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), lr=0.1)

        def step(x: Any) -> Tensor:
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
            return model(x).square().sum()

        step = wrap(step)
        for _ in range(2):
            step(X).backward()
        return [p for parameter in model.parameters() for p in (parameter, parameter.grad)]

    assert_same_gradients(program)


def test_a_leaf_that_the_function_makes_and_returns() -> None:
    def program(wrap: Any) -> list[Any]:
        w = leaf()

        def made(x: Any) -> tuple[Tensor, Tensor, Tensor]:
            c, ones = x.detach().requires_grad_(), Tensor(np.ones(3, np.float32), requires_grad=True)
            with lucid.no_grad():
                ones += w
            (c * c).sum().backward()
            return c, ones, c * w * ones

        made = wrap(made)
        found = []
        for _ in range(2):
            c, ones, y = made(Tensor(X))
            found += [float(c.is_leaf), c.grad]
            y.sum().backward()
            found += [c.grad, ones, ones.grad]
        return [*found, w.grad]

    assert_same_gradients(program)


def test_a_leaf_that_the_function_makes_and_updates() -> None:
    def program(wrap: Any) -> list[Any]:
        def made(x: Any) -> Any:
            c, base = (x * 2.0).detach().requires_grad_(), x * 3.0
            view = base[None].requires_grad_()
            with lucid.no_grad():
                c.copy_(c + 1.0)
                base.copy_(base * 2.0)
            (c * c * view).sum().backward()
            return c.grad, view.grad

        return list(wrap(made)(Tensor(X)))

    assert_same_gradients(program)


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
@pytest.mark.parametrize("view", [lambda w: w.detach(), lambda w: w.detach()[None], lambda w: w.detach()[::-1]])
def test_a_captured_view_that_is_a_leaf(view: Any, inside: bool) -> None:
    def program(wrap: Any) -> list[Any]:
        w = leaf()
        v = view(w).requires_grad_()

        def loss(x: Any) -> Tensor | None:
            result = (v * v * w * x).sum()
            return result.backward() if inside else result

        loss = wrap(loss)
        for _ in range(2):
            result = loss(X)
            if result is not None:
                result.backward()
        return [w.grad, v.grad]

    assert_same_gradients(program)


def test_training_detached_parameters() -> None:
    def program(wrap: Any) -> list[Any]:
        weights = [p.detach().requires_grad_() for p in nn.Linear(3, 3).parameters()]
        optimizer = optim.SGD(weights, lr=0.1, momentum=0.9)

        def step(x: Any) -> Tensor:
            optimizer.zero_grad()
            loss = (weights[0] @ x + weights[1]).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        return [*(step(X) for _ in range(3)), *weights]

    assert_same_gradients(program)


def test_the_flag_of_a_captured_view_is_guarded() -> None:
    v = Tensor(X)[None].detach()
    f = lucid.compile(lambda x: (v * x).sum())
    assert not f(X).requires_grad
    v.requires_grad_()
    result = f(X)
    assert result.requires_grad
    result.backward()
    np.testing.assert_allclose(v.grad, X[None], rtol=1e-6)
    v.requires_grad_(False)
    assert not f(X).requires_grad
    assert len(f.programs) == 2


def test_leaves_that_take_over_one_value() -> None:
    def program(wrap: Any) -> list[Any]:
        first, second = leaf(1), leaf(2)

        def targets(x: Tensor) -> None:
            with lucid.no_grad():
                first.copy_(x)
                second.copy_(x)
            (first * second * x * second).sum().backward()

        wrap(targets)(Tensor(X))
        return [first.grad, second.grad]

    assert_same_gradients(program)


def test_a_made_tensor_that_takes_over_what_was_recorded() -> None:
    """No gradient goes on through it, also not in a loop or a view."""

    def program(wrap: Any) -> list[Any]:
        w = leaf()

        def step(x: Tensor) -> None:
            average, other = lucid.zeros(3), lucid.zeros(3)
            view, hidden = average[None], w * x
            with lucid.no_grad():
                average.copy_(hidden)
            other.copy_(average)
            total, _ = lucid.scan(lambda c, e: (c + w * average * e, None), lucid.zeros(3), x)
            (total + w * average + w * view + w * other).sum().backward()

        wrap(step)(Tensor(X))
        return [w.grad]

    assert_same_gradients(program)


def test_a_view_of_a_leaf_that_is_updated() -> None:
    """The view goes on to be one of the leaf; eager code refuses that backward."""
    w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    @lucid.compile
    def step(x: Tensor) -> Tensor:
        row = w[0]
        with lucid.no_grad():
            w.copy_(w * 2.0)
        return (row * x).sum() + (w[1] * x).sum()

    step(Tensor([5.0, 6.0])).backward()
    assert w.grad is not None
    assert w.grad.tolist() == [[5.0, 6.0], [5.0, 6.0]]


def test_a_flag_that_is_read_is_guarded() -> None:
    """Also of a weight that nothing else is read of."""
    model = nn.Linear(3, 1)
    model.bias.requires_grad_(False)

    @lucid.compile
    def penalty() -> Tensor:
        return sum(((p * p).sum() for p in model.parameters() if p.requires_grad), lucid.zeros(()))

    for flag in (False, True, False):
        model.bias.requires_grad_(flag)
        expected = sum(float((p.numpy() ** 2).sum()) for p in model.parameters() if p.requires_grad)
        np.testing.assert_allclose(penalty().item(), expected, rtol=1e-6)
    assert len(penalty.programs) == 2


def test_elements_of_a_computed_tensor_are_not_written_behind_its_gradient() -> None:
    w = leaf()

    @lucid.compile
    def step(x: Tensor) -> Tensor:
        hidden = w * x
        hidden.data = x
        return hidden

    with pytest.raises(TraceError, match="updated in place, behind its gradient") as error:
        step(Tensor(X))
    assert "write x = x + (new - x).detach()" in str(error.value)


def test_what_the_hint_gives_instead() -> None:
    def program(wrap: Any) -> list[Any]:
        w = leaf()

        def step(x: Any) -> Tensor:
            hidden = w * x
            hidden = hidden + (hidden.clip(-0.1, 0.1) - hidden).detach()
            return hidden * hidden

        y = wrap(step)(X)
        y.sum().backward()
        return [y, w.grad]

    assert_same_gradients(program)


def test_a_detached_leaf_is_not_an_argument_and_captured() -> None:
    v = leaf().detach().requires_grad_()

    @lucid.compile
    def step(x: Tensor) -> None:
        (v * x).sum().backward()

    with pytest.raises(
        TraceError, match="was given a detached tensor that requires a gradient, and captures it"
    ) as error:
        step(v)
    assert "read the argument alone, or pass its .detach()" in str(error.value)
    step(v.detach())
    assert v.grad is not None
    np.testing.assert_array_equal(v.grad.numpy(), v.numpy())
