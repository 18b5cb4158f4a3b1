"""Functions with a derivative of their own: eager, compiled, on both targets, in loops, and differentiated again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import ArgumentError, ArgumentTypeError, GradientError, TraceError


def leaf(*values: float) -> Tensor:
    return Tensor(list(values), requires_grad=True)


@lucid.custom_vjp(lambda g, y, x: (g,))
def straight_through(x: Tensor) -> Tensor:
    return lucid.round(x)


@lucid.custom_vjp(lambda g, y, x, bound: (lucid.clip(g, -bound, bound), None))
def with_clipped_gradient(x: Tensor, bound: float) -> Tensor:
    return x


@lucid.custom_vjp(lambda g, y, x: (g * y,))
def exponential(x: Tensor) -> Tensor:
    return lucid.exp(x)


def compiled_too(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    return [function, lucid.compile(function), lucid.compile(function, target="cuda-sim")]


def test_values_and_gradients() -> None:
    def loss(x: Tensor) -> Tensor:
        return (straight_through(x) * x).sum()

    for call in compiled_too(lambda x: (loss(x), lucid.grad(loss(x), x))):
        value, gradient = call(leaf(0.4, 1.6))
        assert value.item() == pytest.approx(3.2)
        np.testing.assert_allclose(gradient.numpy(), [0.4, 3.6], rtol=1e-6)


def test_a_gradient_that_is_no_multiple_of_what_arrives() -> None:
    for call in compiled_too(lambda x: lucid.grad((with_clipped_gradient(x, 2.0) ** 2).sum(), x)):
        assert call(leaf(0.5, -3.0)).tolist() == [1.0, -2.0]


def test_backward_of_a_step_with_a_module() -> None:
    """The weights before it have gradients; so do those of another step, in one program."""
    layer = nn.Linear(3, 2)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    def step(x: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = (straight_through(layer(x)) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32) * 3
    start = layer.state_dict()
    expected = [step(x).item() for _ in range(3)]
    after = layer.state_dict()
    layer.load_state_dict(start)
    compiled = lucid.compile(step)
    np.testing.assert_allclose([compiled(x).item() for _ in range(3)], expected, rtol=1e-5)
    np.testing.assert_allclose(layer.weight.numpy(), after["weight"], rtol=1e-5)
    assert len(compiled.programs) == 1
    assert not np.allclose(start["weight"], after["weight"])


def test_a_later_backward_through_a_compiled_function() -> None:
    x = leaf(0.4, 1.6)
    lucid.compile(straight_through)(x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_it_is_differentiated_again_through_its_results() -> None:
    """Of e^x with the derivative g y, every derivative is e^x."""

    def every(x: Tensor) -> list[Tensor]:
        found = [exponential(x)]
        for _ in range(3):
            found.append(lucid.grad(found[-1], x, create_graph=True))
        return found

    x = leaf(0.0, 0.5, -1.0)
    for call in compiled_too(every):
        for derivative in call(x):
            np.testing.assert_allclose(derivative.numpy(), np.exp(x.numpy()), rtol=1e-6)


def test_several_results_and_arguments() -> None:
    def vjp(g: Any, y: Any, a: Any, b: Any, name: Any) -> Any:
        assert name == "sum and position"
        assert g[1] is None  # the position is not a float
        return g[0] * b, None, None

    @lucid.custom_vjp(vjp)
    def both(a: Tensor, b: Tensor, name: str) -> tuple[Tensor, Tensor]:
        return (a + b).sum(), lucid.argmax(a)

    def run(a: Tensor, b: Tensor) -> list[Tensor]:
        total, place = both(a, b, "sum and position")
        return [total, place, *lucid.grad(total * 2.0, [a, b])]

    for call in compiled_too(run):
        found = call(leaf(1.0, 3.0), leaf(5.0, 7.0))
        assert [x.tolist() for x in found] == [16.0, 1, [10.0, 14.0], [0.0, 0.0]]


def test_what_is_used_from_outside_has_no_gradient() -> None:
    scale = leaf(3.0)

    @lucid.custom_vjp(lambda g, y, x: (g * scale,))
    def ended(x: Tensor) -> Tensor:
        return x * scale

    for call in (ended, lucid.compile(ended)):
        with pytest.raises(GradientError, match="ended has a custom_vjp, and reads a tensor that requires a gradient"):
            call(leaf(2.0))
        with lucid.no_grad():
            assert call(leaf(2.0)).item() == 6.0

    @lucid.custom_vjp(lambda g, y, x: (g * scale,))
    def scaled(x: Tensor) -> Tensor:
        return x * scale.detach()

    def step(x: Tensor) -> Tensor:
        y = scaled(x)
        y.backward()
        return y

    for call in (step, lucid.compile(step)):
        x = leaf(2.0)
        assert call(x).item() == 6.0
        assert x.grad.tolist() == [3.0]
        assert scale.grad is None


MADE = "its result depends on a tensor that it makes with requires_grad=True"
INSIDE = "reads a tensor that requires a gradient inside its argument 1, a"
OUTSIDE = "reads a tensor that requires a gradient and is not one of its arguments"


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x, given: x * leaf(2.0), MADE),
        (lambda x, given: x.detach().requires_grad_() ** 2, MADE),
        (lambda x, given: leaf(2.0), MADE),
        (lambda x, given: x * given["w"] if leaf(2.0) is not None else x, f"{INSIDE} dict"),
        (lambda x, given: x * (given["w"] * 2.0), f"{INSIDE} dict"),
    ],
)
def test_where_the_gradient_would_end(function: Callable[..., Any], sentence: str) -> None:
    """A leaf of the function's that the result does not depend on is none of the reasons."""
    decorated = lucid.custom_vjp(lambda g, y, x, given: (g, None))(function)
    given = {"w": leaf(3.0)}
    for call in (decorated, lucid.compile(decorated)):
        with pytest.raises(GradientError) as caught:
            call(leaf(1.0), given)
        assert sentence in caught.value.sentence
        with lucid.no_grad():
            call(leaf(1.0), given)


def test_a_weight_from_outside_beside_a_leaf_that_is_only_made() -> None:
    weight = leaf(3.0)

    def function(x: Tensor) -> Tensor:
        inner = x.detach().requires_grad_()
        return lucid.grad((inner**2).sum(), inner) * weight

    decorated = lucid.custom_vjp(lambda g, y, x: (g,))(function)
    for call in (decorated, lucid.compile(decorated)):
        with pytest.raises(GradientError, match=OUTSIDE):
            call(leaf(1.0))


def test_what_the_derivative_reads_from_outside_is_a_constant_to_further_ones() -> None:
    """What it is given is none."""
    weight = leaf(3.0)

    @lucid.custom_vjp(lambda g, y, x: (g * weight,))
    def reads(x: Tensor) -> Tensor:
        return x * weight.detach()

    @lucid.custom_vjp(lambda g, y, x, w: (g * w, None))
    def is_given(x: Tensor, w: Tensor) -> Tensor:
        return x * w

    for function, expected in ((reads, 0.0), (lambda x: is_given(x, weight), 6.0)):

        def slope_squared(x: Tensor, function: Callable[..., Any] = function) -> Tensor:
            slope = lucid.grad(function(x).sum(), x, create_graph=True)
            return lucid.grad((slope**2).sum(), weight)

        for call in compiled_too(slope_squared):
            assert call(leaf(2.0)).tolist() == [expected]


def test_in_a_loop() -> None:
    """And a loop in it: each derivative goes through the other."""

    @lucid.custom_vjp(lambda g, y, x: (lucid.scan(lambda c, _: (c * 0.5, None), g, None, length=2)[0],))
    def quartered(x: Tensor) -> Tensor:
        return x

    def run(x: Tensor) -> Tensor:
        last, _ = lucid.scan(lambda carry, element: (quartered(carry * element), None), Tensor([1.0]), x)
        return lucid.grad(last.sum(), x)

    for call in compiled_too(run):
        np.testing.assert_allclose(
            call(Tensor([[2.0], [3.0], [5.0]], requires_grad=True)).numpy().ravel(),
            [15 / 64, 10 / 16, 6 / 4],
            rtol=1e-6,
        )


def test_a_result_has_storage_of_its_own() -> None:
    x = leaf(1.0, 2.0)
    y = with_clipped_gradient(x, 1.0)
    with lucid.no_grad():
        y += 1.0
    assert x.tolist() == [1.0, 2.0]


def test_without_gradients_it_is_the_function() -> None:
    with lucid.no_grad():
        assert not straight_through(leaf(0.6)).requires_grad
    assert straight_through(Tensor([0.6])).tolist() == [1.0]
    assert straight_through(np.float32([0.6])).tolist() == [1.0]


def test_random_numbers_are_drawn_once() -> None:
    @lucid.custom_vjp(lambda g, y, x: (g * y,))
    def noisy(x: Tensor) -> Tensor:
        return x + lucid.rand(2)

    def run(x: Tensor) -> tuple[Tensor, Tensor]:
        y = noisy(x)
        return y, lucid.grad(y, x)

    lucid.seed(0)
    value, gradient = run(leaf(0.0, 0.0))
    assert value.tolist() == gradient.tolist()
    lucid.seed(0)
    assert [x.tolist() for x in lucid.compile(run)(leaf(0.0, 0.0))] == [value.tolist(), value.tolist()]


@pytest.mark.parametrize(
    ("vjp", "kind", "sentence"),
    [
        (
            lambda g, y, x: g,
            GradientError,
            "the derivative of f returns a tuple of 1 gradients, one for each argument, got Tensor.",
        ),
        (
            lambda g, y, x: (g, g),
            GradientError,
            "the derivative of f returns a tuple of 1 gradients, one for each argument, got 2 of them.",
        ),
        (
            lambda g, y, x: (g.sum(),),
            GradientError,
            "the derivative of f gives a gradient f32[] for argument 0, f32[2].",
        ),
        (
            lambda g, y, x: (g * lucid.rand(2),),
            TraceError,
            "the derivative of f draws random numbers or prints, which it can't.",
        ),
        (
            lambda g, y: (g,),
            ArgumentTypeError,
            "the derivative of f takes the gradient, the result and 1 arguments, got a function of (g, y).",
        ),
    ],
)
def test_a_derivative_that_does_not_fit(vjp: Any, kind: type[Exception], sentence: str) -> None:
    def f(x: Tensor) -> Tensor:
        return x * 1.0

    decorated = lucid.custom_vjp(vjp)(f)
    for call in (decorated, lucid.compile(decorated)):
        with pytest.raises(kind) as caught:
            call(leaf(1.0, 2.0))
        assert caught.value.sentence == sentence


def test_other_errors() -> None:
    @lucid.custom_vjp(lambda g, y, x, k: (g, 1.0))
    def f(x: Tensor, k: float) -> Any:
        return x if k else {"x": x}

    with pytest.raises(GradientError) as caught:
        f(leaf(1.0), 1.0)
    assert caught.value.sentence == "argument 1 of f is not a tensor, and has the gradient None."
    with pytest.raises(ArgumentError) as refused:
        f(leaf(1.0), 0.0)
    assert refused.value.sentence.startswith("f has a custom_vjp and returns a tensor, or a tuple of them, got {")

    @lucid.custom_vjp(lambda g, y, x: (g if float(x.sum()) > 0 else -g,))
    def reads(x: Tensor) -> Tensor:
        return x

    with pytest.raises(TraceError) as read:
        reads(leaf(1.0))
    assert "needs the value of a tensor in the derivative of reads, which is traced once" in read.value.sentence


def test_a_float_that_may_change() -> None:
    call = lucid.compile(lambda x, bound: lucid.grad((with_clipped_gradient(x, bound) ** 2).sum(), x))
    x = leaf(0.5, -3.0)
    assert call(x, 2.0).tolist() == [1.0, -2.0]
    assert call(x, 4.0).tolist() == [1.0, -4.0]
    assert len(call.programs) == 1


def scaled(x, scale=2.0):  # type: ignore[no-untyped-def]  # its signature is part of a message
    return x * scale


@pytest.mark.parametrize("mode", [lambda f: f, lucid.compile], ids=["eager", "compiled"])
def test_arguments_by_name_and_defaults(mode: Any) -> None:
    decorated = lucid.custom_vjp(lambda g, y, x, scale: (g * scale * 10.0, None))(scaled)
    calls = {20.0: lambda x: decorated(x), 30.0: lambda x: decorated(scale=3.0, x=x), 40.0: lambda x: decorated(x, 4.0)}
    for slope, call in calls.items():
        x = leaf(1.0, 2.0)
        mode(lambda x, call=call: call(x).sum().backward())(x)
        assert x.grad is not None
        assert x.grad.tolist() == [slope, slope]


def by_name_only(x, *, scale=1.0):  # type: ignore[no-untyped-def]
    return x * scale


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: lucid.custom_vjp(scaled)(leaf(1.0)),
            "custom_vjp is given a derivative, and then the function that has it, got Tensor([1.0], grad=None).",
        ),
        (
            lambda: lucid.custom_vjp(lambda g, y, x: (g,))(by_name_only),
            "custom_vjp takes a function whose arguments can be given by position, got by_name_only with scale.",
        ),
        (
            lambda: lucid.custom_vjp(lambda g, y, x, scale: (g, None))(scaled)(),
            "scaled(x, scale=2.0): missing a required argument: 'x'.",
        ),
        (
            lambda: lucid.custom_vjp(lambda g, y, x, scale: (g, None))(scaled)(leaf(1.0), width=2.0),
            "scaled(x, scale=2.0): got an unexpected keyword argument 'width'.",
        ),
    ],
)
def test_wrong_uses(call: Any, sentence: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.sentence == sentence
