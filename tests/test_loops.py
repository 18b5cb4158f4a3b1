"""lucid.scan: what the loop that it stands for does, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.errors import CheckError
from tests.oracle import Array, assert_close

Function = Callable[..., Any]
MODES: list[Any] = [pytest.param(lambda f: f, id="eager"), pytest.param(lucid.compile, id="compiled")]


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def tensor(*shape: int, seed: int = 0) -> lucid.Tensor:
    return lucid.Tensor(normal(*shape, seed=seed), requires_grad=True)


def looped(f: Function, carry: Any, xs: Any, reverse: bool = False) -> tuple[Any, Any]:
    """What `lucid.scan` of one tensor does, in Python."""
    places = range(xs.shape[0])
    ys: list[Any] = [None for _ in places]
    for place in reversed(places) if reverse else places:
        carry, ys[place] = f(carry, xs[place])
    return carry, lucid.stack(ys)


# Meaning.


class Pair(NamedTuple):
    left: lucid.Tensor
    right: lucid.Tensor


@pytest.mark.parametrize("mode", MODES)
def test_trees_of_tensors(mode: Function) -> None:
    a, b = normal(4, 3), np.arange(4)

    def run(a: lucid.Tensor, b: lucid.Tensor) -> Any:
        def body(carry: dict[str, Any], x: Pair) -> Any:
            new = {"sum": carry["sum"] + x.left, "rest": [carry["rest"][0] + x.right, None]}
            return new, (carry["sum"], None, Pair(x.left * 2.0, x.right * 2))

        return lucid.scan(body, {"sum": np.zeros(3, np.float32), "rest": [0, None]}, Pair(a, b))

    carry, (before, nothing, doubled) = mode(run)(lucid.Tensor(a), lucid.Tensor(b))
    assert_close(np.cumsum(a, 0)[-1], carry["sum"].numpy())
    assert (carry["rest"][0].item(), carry["rest"][1], nothing) == (6, None, None)
    assert_close(np.concatenate([np.zeros((1, 3), np.float32), np.cumsum(a, 0)[:-1]]), before.numpy())
    np.testing.assert_array_equal(doubled.left.numpy(), 2 * a)
    np.testing.assert_array_equal(doubled.right.numpy(), 2 * b)


@pytest.mark.parametrize("mode", MODES)
def test_a_length_alone_counts(mode: Function) -> None:
    last, powers = mode(lambda x: lucid.scan(lambda h, _: (h * x, h), 1.0, length=5))(lucid.Tensor(2.0))
    assert (last.item(), powers.tolist()) == (32.0, [1.0, 2.0, 4.0, 8.0, 16.0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 4])
def test_lengths_and_directions(mode: Function, length: int, reverse: bool) -> None:
    h, xs, w = tensor(2, 3), tensor(length, 2, 3, seed=1), tensor(3, 3, seed=2)

    def step(loop: Function) -> Function:
        def run(h: lucid.Tensor, xs: lucid.Tensor) -> lucid.Tensor:
            last, ys = loop(lambda h, x: ((h @ w + x).tanh(), h * x), h, xs, reverse=reverse)
            loss = (last * 1.5).sum() + (ys * ys).sum()
            loss.backward()
            return loss

        return run

    def results(loop: Function, mode: Function) -> list[Array]:
        for leaf in (h, xs, w):
            leaf.grad = None
        return [mode(step(loop))(h, xs).numpy(), *(leaf.grad.numpy() for leaf in (h, xs, w))]  # type: ignore[union-attr]

    if length:
        for expected, got in zip(results(looped, lambda f: f), results(lucid.scan, mode), strict=True):
            assert_close(expected, got)
    else:
        loss, to_h, to_xs, to_w = results(lucid.scan, mode)
        assert_close(1.5 * h.detach().numpy().sum(), loss)
        np.testing.assert_array_equal(to_h, np.full((2, 3), 1.5, np.float32))
        assert to_xs.shape == (0, 2, 3)
        assert not to_w.any()


# What a body uses from outside.


@pytest.mark.parametrize("mode", MODES)
def test_a_body_reads_modules_arrays_views_and_floats_from_outside(mode: Function) -> None:
    layer, table = nn.Linear(3, 3), normal(3, seed=3)

    def run(loop: Function) -> Function:
        def inner(x: lucid.Tensor, factor: float) -> lucid.Tensor:
            part = layer.weight[0]

            def body(h: lucid.Tensor, x: lucid.Tensor) -> Any:
                bias = layer.bias.reshape(1, 3)  # type: ignore[union-attr]
                h = layer(h) * factor + x * table + part + layer.weight.T[1] + bias
                return h, h.mean()

            return loop(body, lucid.zeros((2, 3)), x)[1].sum()

        return inner

    x, function = lucid.Tensor(normal(4, 2, 3)), mode(run(lucid.scan))
    for factor in (0.5, 0.25):
        for leaf in layer.parameters():
            leaf.grad = None
        expected = run(looped)(x, factor)
        expected.backward()
        gradients = [leaf.grad.numpy() for leaf in layer.parameters()]  # type: ignore[union-attr]
        for leaf in layer.parameters():
            leaf.grad = None
        got = function(x, factor)
        got.backward()
        assert_close(expected.detach().numpy(), got.detach().numpy())
        for before, leaf in zip(gradients, layer.parameters(), strict=True):
            assert_close(before, leaf.grad.numpy())  # type: ignore[union-attr]
    assert len(getattr(function, "programs", [None])) == 1


def test_a_body_sees_what_the_step_has_updated_before() -> None:
    def steps(loop: Function, mode: Function) -> list[float]:
        w = lucid.Tensor([[0.5, -0.3], [0.2, 0.4]], requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        @mode
        def step(x: lucid.Tensor) -> lucid.Tensor:
            for _ in range(2):
                optimizer.zero_grad()
                last, _ = loop(lambda h, x: ((h @ w + x).tanh(), h), x[0] * 0.0, x)
                loss = (last * last).sum()
                loss.backward()
                optimizer.step()
            return loss

        x = lucid.Tensor(normal(3, 2, 2))
        return [step(x).item() for _ in range(3)]

    expected = steps(looped, lambda f: f)
    np.testing.assert_allclose(steps(lucid.scan, lambda f: f), expected, rtol=1e-5)
    np.testing.assert_allclose(steps(lucid.scan, lucid.compile), expected, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_recorded_is_cut_off_in_a_body_too(mode: Function) -> None:
    w = tensor(3)

    def gradient(loop: Function, mode: Function) -> Array:
        def body(h: lucid.Tensor, x: lucid.Tensor) -> Any:
            with lucid.no_grad():
                scale = (h * w).sigmoid()
                scale[1] = x[0] * 0.5
                scale *= 2.0
            h = h * w + x * scale + h.detach()
            return h, scale

        def step(x: lucid.Tensor) -> lucid.Tensor:
            last, scales = loop(body, x[0], x)
            loss = (last * last).sum() + scales.sum()
            loss.backward()
            return loss

        w.grad = None
        mode(step)(lucid.Tensor(normal(4, 3)))
        return w.grad.numpy()  # type: ignore[union-attr]

    assert_close(gradient(looped, lambda f: f), gradient(lucid.scan, mode))


@pytest.mark.parametrize("mode", MODES)
def test_gradients_inside_a_body(mode: Function) -> None:
    """Descent on an inner loss, and the gradient of where it leads."""
    w = tensor(3)

    def descend(loop: Function) -> Function:
        def body(h: lucid.Tensor, x: lucid.Tensor) -> Any:
            inner = ((h * w - x) * (h * w - x)).sum() + (h * h * h).sum()
            (slope,) = lucid.grad(inner, [h], create_graph=True)
            (again,) = lucid.grad((h * w).sum(), [h], retain_graph=True)
            return h - 0.1 * slope, inner + again.sum()

        def run(x: lucid.Tensor) -> Any:
            start = lucid.ones((3,)).requires_grad_()
            last, losses = loop(body, start, x)
            return lucid.grad((last * last).sum() + losses.sum(), [w])[0]

        return run

    x = lucid.Tensor(normal(4, 3))
    assert_close(descend(looped)(x).numpy(), mode(descend(lucid.scan))(x).numpy())


# Derivatives.


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives(mode: Function) -> None:
    xs = lucid.Tensor(np.random.default_rng(0).standard_normal((4, 2)))

    def slope(w: lucid.Tensor) -> lucid.Tensor:
        last, ys = lucid.scan(lambda h, x: ((h * w + x).tanh(), h * h * w), xs[0], xs)
        (first,) = lucid.grad((last * last).sum() + ys.sum(), [w], create_graph=True)
        return (first * first).sum()

    def both(w: lucid.Tensor) -> tuple[lucid.Tensor, lucid.Tensor]:
        total = slope(w)
        return total, lucid.grad(total, [w])[0]

    w, step = np.array([0.3, -0.8]), 1e-6
    run = mode(both)
    _, got = run(lucid.Tensor(w, requires_grad=True))
    for axis in range(2):
        values = []
        for sign in (1, -1):
            moved = w.copy()
            moved[axis] += sign * step
            values.append(run(lucid.Tensor(moved, requires_grad=True))[0].item())
        assert got.numpy()[axis] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5)


def test_a_compiled_forward_has_a_compiled_backward_later() -> None:
    layer = nn.Linear(3, 3)

    def run(loop: Function) -> Function:
        return lambda x: loop(lambda h, x: ((layer(h) + x).tanh(), (h * x).exp()), x[0] * 0.0, x)

    def results(function: Function) -> list[Array]:
        x = lucid.Tensor(normal(5, 2, 3), requires_grad=True)
        for leaf in layer.parameters():
            leaf.grad = None
        last, ys = function(x)
        (last.sum() + (ys * ys).sum()).backward()
        return [leaf.grad.numpy() for leaf in (x, *layer.parameters())]  # type: ignore[union-attr]

    for expected, got in zip(results(run(looped)), results(lucid.compile(run(lucid.scan))), strict=True):
        assert_close(expected, got)


# Random numbers.


def drawing(loop: Function, dropout: nn.Dropout) -> Function:
    def run(x: lucid.Tensor) -> Any:
        first = dropout(x[0])

        def inner(h: lucid.Tensor, x: lucid.Tensor) -> Any:
            return dropout(h + x), dropout(x)

        def body(h: lucid.Tensor, x: lucid.Tensor) -> Any:
            h, ys = loop(inner, dropout(h + x), lucid.stack([x, h, x]), reverse=True)
            return dropout(h), ys

        last, ys = loop(body, first, x, reverse=True)
        return dropout(last), ys

    return run


def test_masks_are_those_of_the_loop() -> None:
    dropout, x = nn.Dropout(0.4), lucid.Tensor(normal(3, 2, 5))
    runs = {}
    for loop in (looped, lucid.scan):
        for mode in (lambda f: f, lucid.compile):
            function = mode(drawing(loop, dropout))
            lucid.seed(5)
            results = []
            for _ in range(2):
                last, ys = function(x)
                results += [last.numpy(), ys.numpy()]
            assert dropout.mask is not None
            runs[loop, mode] = [*results, dropout.mask.numpy(), lucid.get_state()]
    expected, *others = runs.values()
    assert expected[-1] == (5, 2 * (2 + 3 * 8))
    assert not np.array_equal(expected[0], expected[2])
    for other in others:
        for a, b in zip(expected, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_mask_of_an_eager_scan_is_that_of_its_last_run() -> None:
    dropout = nn.Dropout(0.5)
    _, ys = lucid.scan(lambda _, x: (None, dropout(x)), None, np.ones((3, 40), np.float32))
    assert dropout.mask is not None
    np.testing.assert_array_equal(dropout.mask.numpy() * 2.0, ys.numpy()[-1])


def test_gradients_use_the_masks_of_the_forward() -> None:
    dropout = nn.Dropout(0.5)
    x = lucid.Tensor(np.ones((3, 40), np.float32), requires_grad=True)
    for mode in (lambda f: f, lucid.compile):
        x.grad = None
        _, ys = mode(lambda x: lucid.scan(lambda _, x: (None, dropout(x)), None, x))(x)
        lucid.seed(9)
        ys.sum().backward()
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), ys.detach().numpy())


# Many steps, failures.


def test_repeat_runs_steps_with_loops() -> None:
    def steps(run: Function) -> Any:
        w, optimizer = tensor(3, 3), None
        optimizer = optim.SGD([w], lr=0.1)

        @lucid.compile
        def step(x: lucid.Tensor) -> lucid.Tensor:
            optimizer.zero_grad()
            loss = (lucid.scan(lambda h, x: ((h @ w + x).tanh(), None), x[0] * 0.0, x)[0] ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        return run(step, lucid.Tensor(normal(4, 5, 2, 3))), w

    losses, w = steps(lambda step, xs: step.repeat(xs).numpy())
    one_by_one, v = steps(lambda step, xs: np.array([step(x).item() for x in xs], np.float32))
    np.testing.assert_array_equal(losses, one_by_one)
    np.testing.assert_array_equal(w.detach().numpy(), v.detach().numpy())


@pytest.mark.parametrize("mode", MODES)
def test_a_check_that_fails_in_a_body_changes_nothing(mode: Function) -> None:
    w, dropout = lucid.Tensor([1.0, 2.0]), nn.Dropout(0.5)

    def step(index: lucid.Tensor) -> lucid.Tensor:
        def body(h: lucid.Tensor, i: lucid.Tensor) -> Any:
            lucid.check_index(i, 3, "class")
            return dropout(h + i), None

        last, _ = lucid.scan(body, w, index)
        w.copy_(last)
        return last

    run, state = mode(step), lucid.get_state()
    with pytest.raises(CheckError) as caught:
        run(lucid.Tensor([[0, 1], [2, 2], [1, 3], [5, 5]]))
    assert caught.value.sentence == "class 3 at position 1 is out of range: expected 0 to 2."
    assert (w.tolist(), lucid.get_state()) == ([1.0, 2.0], state)
