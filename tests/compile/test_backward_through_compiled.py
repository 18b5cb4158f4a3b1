"""Eager code that goes back through compiled calls: each call keeps what its own backward needs."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import GradientError
from tests.compile.worlds import assert_same_gradients, normal


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.LayerNorm(8), nn.Linear(8, 3))


def test_gradients_of_inputs_and_parameters() -> None:
    def program(wrap: Any) -> list[Any]:
        model, x = mlp(), Tensor(normal(5, 4), requires_grad=True)
        y = wrap(model)(x)
        (y * y).sum().backward()
        return [y, x.grad, *(p.grad for p in model.parameters())]

    assert_same_gradients(program)


def test_the_order_of_two_backwards_does_not_matter() -> None:
    def program(wrap: Any) -> list[Any]:
        model = mlp()
        f = wrap(model)
        y1, y2, y3 = (f(normal(5, 4, seed=i)) for i in range(3))
        y2.backward(Tensor(normal(5, 3)))
        y3.sum().backward()
        y1.sum().backward()
        return [p.grad for p in model.parameters()]

    assert_same_gradients(program)


def test_inputs_that_are_no_leaves() -> None:
    def program(wrap: Any) -> list[Any]:
        first, second, w = nn.Linear(4, 4), nn.Linear(4, 4), Tensor(normal(5, 4), requires_grad=True)
        f, g = wrap(first), wrap(second)
        h = f(w * 2.0)
        out = g(h.tanh() + h) * h
        out.sum().backward()
        return [w.grad, *(p.grad for p in (*first.parameters(), *second.parameters()))]

    assert_same_gradients(program)


def test_parts_of_a_tensor_as_inputs() -> None:
    def program(wrap: Any) -> list[Any]:
        w = Tensor(normal(4, 4), requires_grad=True)
        f = wrap(lambda x, y: (x * y).sum())
        (f(w[:2], w[2:]) + f(w[0], w.T[1]) * 3.0 + f(w, w)).backward()
        return [w.grad]

    assert_same_gradients(program)


def test_a_captured_tensor_that_is_no_leaf() -> None:
    def program(wrap: Any) -> list[Any]:
        w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
        h, part = w * w, (w * 3.0)[1:]
        f = wrap(lambda x: (x * h).sum() + part.sum() * 2.0)
        f(Tensor([1.0, 2.0, 3.0])).backward()
        return [w.grad]

    assert_same_gradients(program)


def test_several_outputs() -> None:
    def program(wrap: Any) -> list[Any]:
        model, x = mlp(), Tensor(normal(5, 4), requires_grad=True)

        def forward(x: Tensor) -> Any:
            h = model[0](x)
            return {"h": h, "rest": (model(x), h.detach(), (h > 0.0), None), "x": x, "weight": model[0].weight}

        out = wrap(forward)(x)
        assert out["x"] is x
        assert out["weight"] is model[0].weight
        assert [t.requires_grad for t in out["rest"][:3]] == [True, False, False]
        (out["h"].sum() * 2.0 + (out["rest"][0] ** 2).sum() + out["x"].sum() + out["weight"].sum()).backward()
        return [out["h"], *out["rest"][:3], x.grad, *(p.grad for p in model.parameters())]

    assert_same_gradients(program)


def test_one_output_of_several() -> None:
    def program(wrap: Any) -> list[Any]:
        x = Tensor(normal(4), requires_grad=True)
        a, b = wrap(lambda x: (x * x, x.exp()))(x)
        a.sum().backward()
        first = x.grad
        a, b = wrap(lambda x: (x * x, x.exp()))(x)
        b.sum().backward()
        return [first, x.grad]

    assert_same_gradients(program)


def test_a_seed() -> None:
    def program(wrap: Any) -> list[Any]:
        x = Tensor(normal(3, 2), requires_grad=True)
        wrap(lambda x: x.exp())(x).backward(Tensor(normal(3, 2, seed=1)))
        return [x.grad]

    assert_same_gradients(program)


def test_the_gradient_function() -> None:
    def program(wrap: Any) -> list[Any]:
        x = Tensor(normal(3), requires_grad=True)
        y = wrap(lambda x: (x * x * x).sum())(x)
        return [lucid.grad(y, x), x.grad]

    assert_same_gradients(program)


def test_a_second_derivative_is_refused() -> None:
    x = Tensor([2.0], requires_grad=True)
    first = lucid.grad(lucid.compile(lambda x: x * x * x)(x), x, create_graph=True)
    with pytest.raises(GradientError, match=r"can't be differentiated again(.|\n)*hint: compute both"):
        first.backward()


def test_a_second_derivative_inside() -> None:
    def program(wrap: Any) -> list[Any]:
        x = Tensor([2.0, 3.0], requires_grad=True)
        slope = wrap(lambda x: lucid.grad((x * x * x).sum(), x, create_graph=True))(x)
        slope.sum().backward()
        return [slope, x.grad]

    assert_same_gradients(program)


def test_graphs_are_kept_and_freed() -> None:
    model = nn.Linear(4, 2)
    y = lucid.compile(model)(normal(3, 4)).sum()
    y.backward(retain_graph=True)
    first = model.weight.grad.numpy().copy()
    y.backward()
    np.testing.assert_allclose(model.weight.grad.numpy(), 2.0 * first, rtol=1e-6)
    with pytest.raises(GradientError, match="has been freed"):
        y.backward()


def test_a_backward_keeps_what_the_call_only_read() -> None:
    """Between w and what the gradient of a call gets to, there is no way: that graph is not used up."""

    def detached(a: Tensor, v: Tensor) -> Tensor:
        return a.detach() * v

    def program(wrap: Any, of: Any) -> list[Any]:
        w, v = Tensor([2.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        a = w * 3.0
        f = wrap(of)
        for _ in range(2):
            f(a, v).backward()
        lucid.grad(f(a, v), v)
        a.backward()
        return [w.grad, v.grad]

    assert_same_gradients(lambda wrap: program(wrap, detached))

    def cut(wrap: Any) -> list[Any]:
        w = Tensor([2.0, 3.0], requires_grad=True)
        a = w * 3.0

        def of(a: Tensor) -> tuple[Tensor, Tensor]:
            d = a.detach().requires_grad_()
            return d, d * d[0]

        f = wrap(of)
        for _ in range(2):
            d, y = f(a)
            y.sum().backward()
        a.sum().backward()
        return [d.grad, w.grad]

    assert_same_gradients(cut)


def test_each_result_of_a_call_leads_to_what_is_behind_it_alone() -> None:
    """The sum is reached first by a result with one input behind it, then by one with another."""

    def program(wrap: Any) -> list[Any]:
        w, v = Tensor([2.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        first, second = wrap(lambda a, b: (a * 2.0, b * b))(w * 3.0, v * 5.0)
        (first + second.exp() * first).backward()
        return [w.grad, v.grad]

    assert_same_gradients(program)


def test_a_result_whose_graph_was_freed_inside() -> None:
    model = nn.Linear(4, 2)

    @lucid.compile
    def step(x: Any) -> Tensor:
        loss = model(x).sum()
        loss.backward()
        return loss

    for wrapped in (step, step._function):
        loss = wrapped(normal(3, 4))
        assert loss.requires_grad
        assert not loss.is_leaf
        with pytest.raises(GradientError, match="has been freed"):
            loss.backward()
        with pytest.raises(GradientError, match="has been freed"):
            (loss * 2.0).backward()


@pytest.mark.parametrize("wrap", [lambda f: f, lucid.compile])
def test_a_saved_value_that_was_updated_in_place(wrap: Any) -> None:
    weight, x = nn.Parameter([1.0, 2.0]), Tensor([3.0, 4.0], requires_grad=True)
    y = wrap(lambda x: (x * weight * x).sum())(x)
    with lucid.no_grad():
        x += 1.0
    with pytest.raises(GradientError, match="updated in place"):
        y.backward()
    z = wrap(lambda x: (x * weight).sum())(x)
    with lucid.no_grad():
        weight.fill_(1.0)
    with pytest.raises(GradientError, match="updated in place"):
        z.backward()


def test_an_update_by_a_compiled_step_is_noticed() -> None:
    weight = nn.Parameter([1.0, 2.0])
    optimizer = optim.SGD([weight], lr=0.1)

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        (weight * weight).sum().backward()
        optimizer.step()

    for wrap in (lambda f: f, lucid.compile):
        y = wrap(lambda x: (x * weight).sum())(Tensor([1.0, 1.0], requires_grad=True))
        step()
        with pytest.raises(GradientError, match="updated in place"):
            y.backward()


def test_arrays_may_change_after_the_call() -> None:
    weight, x = nn.Parameter([1.0, 2.0]), np.array([3.0, 4.0], np.float32)
    y = lucid.compile(lambda x: (x * weight).sum())(x)
    x[:] = 0.0
    y.backward()
    assert weight.grad.tolist() == [3.0, 4.0]


def test_results_may_change_after_the_call() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = lucid.compile(lambda x: x.exp())(x)
    expected = y.numpy().copy()
    y.numpy()[:] = 0.0
    y.sum().backward()
    assert x.grad.tolist() in (expected.tolist(), [0.0, 0.0])  # NumPy writes go unnoticed, eagerly too


def test_scalars_belong_to_the_call() -> None:
    def program(wrap: Any) -> list[Any]:
        x = Tensor([1.0, 2.0], requires_grad=True)
        f = wrap(lambda x, s: x * s * x)
        results = [f(x, float(s)) for s in range(4)]
        found = []
        for y in results:
            x.grad = None
            y.sum().backward()
            found.append(x.grad)
        return found

    assert_same_gradients(program)


def test_masks_belong_to_the_call() -> None:
    def program(wrap: Any) -> list[Any]:
        x, f = Tensor(normal(64), requires_grad=True), wrap(nn.Dropout(0.5))
        outputs = [f(x) for _ in range(3)]
        lucid.seed(99)
        f(x)
        found: list[Any] = []
        for y in outputs:
            x.grad = None
            y.sum().backward()
            found += [y, x.grad]
            np.testing.assert_allclose(y.numpy(), (x.grad * x.detach()).numpy(), rtol=1e-6)
        return found

    assert_same_gradients(program)


def test_states_that_the_call_updates() -> None:
    x, scale = Tensor([1.0, 2.0], requires_grad=True), Tensor([2.0, 3.0])

    @lucid.compile
    def forward(x: Tensor) -> Tensor:
        y = x * scale
        scale.copy_(scale + 1.0)
        return y * y * scale

    first, second = forward(x), forward(x)
    first.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [2 * 1 * 4 * 3, 2 * 2 * 9 * 4])
    x.grad = None
    second.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [2 * 1 * 9 * 4, 2 * 2 * 16 * 5])


def test_no_grad() -> None:
    model, x = mlp().eval(), Tensor(normal(5, 4), requires_grad=True)
    fast = lucid.compile(model)
    with lucid.no_grad():
        y = fast(x)
    assert not y.requires_grad
    with pytest.raises(GradientError, match="does not require a gradient"):
        y.sum().backward()
    np.testing.assert_array_equal(fast(x).numpy(), y.numpy())

    @lucid.compile
    def inside(x: Tensor) -> tuple[Tensor, Tensor]:
        with lucid.no_grad():
            a = model(x)
            with lucid.enable_grad():
                b = model(x)
        return a, b

    a, b = inside(x)
    assert [a.requires_grad, b.requires_grad] == [False, True]
    b.sum().backward()
    assert x.grad is not None


def test_an_eager_training_loop_around_a_compiled_module() -> None:
    def program(wrap: Any) -> list[Any]:
        model = mlp()
        f, optimizer = wrap(model), optim.Adam(model.parameters(), lr=0.01)
        losses = []
        for i in range(10):
            optimizer.zero_grad()
            loss = F.cross_entropy(f(normal(5, 4, seed=i)), np.array([0, 1, 2, 0, 1]))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return [losses, *model.parameters()]

    assert_same_gradients(program, 1e-4)


def test_calls_keep_what_they_need_alive() -> None:
    x = Tensor(normal(100, 4), requires_grad=True)

    def make() -> Tensor:
        model = mlp()
        return lucid.compile(model)(x)

    outputs = [make() for _ in range(3)]
    gc.collect()
    np.zeros((1000, 1000))
    for y in outputs:
        y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_the_backward_can_be_read() -> None:
    program = lucid.compile(mlp()).lower(Tensor(normal(5, 4), requires_grad=True))
    assert program.backward is not None
    assert "return" in program.backward.ir()
    assert "define" in program.backward.llvm_ir()
    assert lucid.compile(lambda x: x * 2.0).lower(Tensor([1.0])).backward is None
