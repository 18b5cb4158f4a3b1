"""Eager backward, grad and no_grad."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError


def leaf(*values: float) -> Tensor:
    return Tensor(list(values), requires_grad=True)


class TestBackward:
    def test_a_value_used_twice(self) -> None:
        y = leaf(3.0)
        (y * y).backward()
        assert y.grad.tolist() == [6.0]

    def test_one_output_feeds_another(self) -> None:
        x = leaf(2.0)
        a = x * 3.0
        b = a * x
        (a + b).backward()
        assert x.grad.tolist() == [3.0 + 2 * 3.0 * 2.0]

    def test_a_diamond(self) -> None:
        x = leaf(2.0)
        a = x * x
        (a * a + a).backward()
        assert x.grad.tolist() == [4 * 2.0**3 + 2 * 2.0]

    def test_broadcast_operands_get_their_own_shape(self) -> None:
        x, bias, scale = Tensor(np.ones((2, 3)), True), Tensor(np.zeros(3), True), Tensor(np.full((), 2.0), True)
        (x * scale + bias).backward()
        assert x.grad.tolist() == [[2.0] * 3] * 2
        assert bias.grad.tolist() == [2.0] * 3
        assert scale.grad.item() == 6.0

    def test_ones_seed_a_backward_of_several_elements(self) -> None:
        x = leaf(1.0, 2.0)
        (x * x).backward()
        assert x.grad.tolist() == [2.0, 4.0]

    def test_a_seed(self) -> None:
        x = leaf(1.0, 2.0)
        (x * x).backward(Tensor([10.0, 100.0]))
        assert x.grad.tolist() == [20.0, 400.0]
        with pytest.raises(GradientError, match=r"the shape of the tensor, \(2,\), got \(3,\)"):
            (x * x).backward(np.ones(3))

    def test_gradients_accumulate(self) -> None:
        x = leaf(1.0)
        (x * 2.0).backward()
        (x * 3.0).backward()
        assert x.grad.tolist() == [5.0]
        x.zero_grad()
        assert x.grad is None

    def test_the_grad_of_before_is_not_changed(self) -> None:
        x = leaf(1.0)
        (x * 2.0).backward()
        before = x.grad
        (x * 3.0).backward()
        assert before.tolist() == [2.0]

    def test_only_leaves_that_ask_get_a_grad(self) -> None:
        x, constant = leaf(1.0), Tensor([2.0])
        y = x * constant
        (y * y).backward()
        assert constant.grad is None
        assert y.grad is None
        assert x.grad.tolist() == [8.0]

    def test_a_leaf_itself(self) -> None:
        x = leaf(1.0, 2.0)
        x.backward()
        assert x.grad.tolist() == [1.0, 1.0]

    def test_grad_has_the_type_of_its_tensor(self) -> None:
        x, y = leaf(1.0), Tensor(np.ones(1), True)
        (x * y).backward()
        assert (x.grad.type, y.grad.type) == (x.type, y.type)
        with pytest.raises(DTypeError, match="grad takes a tensor of type"):
            x.grad = Tensor([1.0, 2.0])

    def test_detach_stops_it(self) -> None:
        x = leaf(3.0)
        (x * x.detach()).backward()
        assert x.grad.tolist() == [3.0]

    def test_nothing_to_go_through(self) -> None:
        with pytest.raises(GradientError, match="does not require a gradient"):
            (Tensor([1.0]) * 2.0).backward()

    def test_the_graph_is_freed(self) -> None:
        x = leaf(1.0)
        y = x * x
        y.backward()
        with pytest.raises(GradientError, match="freed"):
            y.backward()
        with pytest.raises(GradientError, match="freed"):
            (y * 2.0).backward()
        assert x.grad.tolist() == [2.0]

    def test_retain_graph(self) -> None:
        x = leaf(1.0)
        y = x * x
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.tolist() == [4.0]

    def test_an_array_as_retain_graph_changes_nothing(self) -> None:
        x = leaf(1.0, 2.0)
        y = (x * x).sum()
        odd = np.array([1, 2])
        with pytest.raises(ArgumentTypeError, match="retain_graph is True or False"):
            y.backward(retain_graph=odd)  # type: ignore[arg-type]
        assert x.grad is None
        for name in ("retain_graph", "create_graph"):
            with pytest.raises(ArgumentTypeError, match=f"{name} is True or False"):
                lucid.grad(y, x, **{name: odd})  # type: ignore[call-overload]
        y.backward()  # the graph is still there
        assert x.grad.tolist() == [2.0, 4.0]

    def test_a_shared_part_is_freed_with_the_first_backward(self) -> None:
        x = leaf(1.0)
        shared = x * x
        first, second = shared * 2.0, shared * 3.0
        first.backward()
        with pytest.raises(GradientError, match="freed"):
            second.backward()

    def test_a_deep_graph(self) -> None:
        x = leaf(1.0)
        y = x
        for _ in range(3000):
            y = y + 1.0
        y.backward()
        assert x.grad.tolist() == [1.0]


class TestInPlace:
    def test_an_update_of_what_was_saved(self) -> None:
        x, w = leaf(1.0), leaf(2.0)
        y = x * w
        with lucid.no_grad():
            w += 1.0
        with pytest.raises(GradientError, match="updated in place since"):
            y.backward()
        assert x.grad is None

    def test_through_a_view(self) -> None:
        w = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        y = w.T @ w
        w.detach().fill_(0.0)
        with pytest.raises(GradientError, match="updated in place since"):
            y.backward()

    def test_an_update_of_what_the_backward_does_not_need(self) -> None:
        x, w = leaf(1.0), leaf(2.0)
        y = x + w
        with lucid.no_grad():
            w += 1.0
        y.backward()
        assert (x.grad.tolist(), w.grad.tolist()) == ([1.0], [1.0])

    def test_a_new_graph_after_the_update(self) -> None:
        w = leaf(2.0)
        for _ in range(3):
            w.grad = None
            (w * w).backward()
            with lucid.no_grad():
                w -= 0.25 * w.grad
        assert w.tolist() == [0.25]


class TestGrad:
    def test_touches_no_grad(self) -> None:
        x = leaf(3.0)
        assert lucid.grad(x * x, x).tolist() == [6.0]
        assert x.grad is None

    def test_several(self) -> None:
        x, y = leaf(2.0), leaf(3.0)
        dx, dy = lucid.grad([x * y, x], [x, y], grad_outputs=[Tensor([10.0]), None])
        assert (dx.tolist(), dy.tolist()) == ([31.0], [20.0])

    def test_of_a_computed_input(self) -> None:
        x = leaf(2.0)
        y = x * x
        assert lucid.grad(y * y, y, retain_graph=True).tolist() == [8.0]

    def test_second_and_third_order(self) -> None:
        x = leaf(2.0)
        first = lucid.grad(x**3 * x, x, create_graph=True)
        second = lucid.grad(first, x, create_graph=True)
        third = lucid.grad(second, x)
        assert (first.item(), second.item(), third.item()) == (32.0, 48.0, 48.0)

    def test_backward_through_a_gradient(self) -> None:
        x = leaf(3.0)
        (g,) = lucid.grad([x * x * x], [x], create_graph=True)
        (g * g).backward()
        assert x.grad.tolist() == [2 * 27.0 * 18.0]

    def test_an_input_without_effect(self) -> None:
        x, other = leaf(1.0), leaf(5.0, 6.0)
        assert lucid.grad(x * 2.0, [x, other])[1].tolist() == [0.0, 0.0]

    def test_a_gradient_that_is_constant(self) -> None:
        def every(x: Tensor, y: Tensor) -> list[Tensor]:
            slope = lucid.grad((x * 2.0).sum(), x, create_graph=True)
            mixed = lucid.grad((x * y).sum(), x, create_graph=True)
            seeded = lucid.grad(x + y, x, y, create_graph=True)
            zeros = lucid.grad(slope, x, create_graph=True)
            return [slope, zeros, lucid.grad(zeros * x, x), lucid.grad(mixed, x), lucid.grad(seeded, x)]

        for call in (every, lucid.compile(every)):
            found = call(leaf(3.0, 1.0), leaf(2.0, 5.0))
            assert [x.tolist() for x in found] == [[2.0, 2.0], *[[0.0, 0.0]] * 4]

    def test_backward_through_a_gradient_that_is_constant(self) -> None:
        def step(x: Tensor) -> None:
            lucid.grad((x * 2.0).sum(), x, create_graph=True).sum().backward()

        for call in (step, lucid.compile(step)):
            x = leaf(3.0)
            call(x)
            assert x.grad is None

    def test_an_input_that_asks_for_none(self) -> None:
        x = leaf(1.0)
        with pytest.raises(GradientError, match="takes inputs that are tensors and require a gradient"):
            lucid.grad(x * 2.0, Tensor([1.0]))


class TestGradMode:
    def test_no_grad(self) -> None:
        x = leaf(1.0)
        with lucid.no_grad():
            y = x * 2.0
            assert not lucid.is_grad_enabled()
            with lucid.enable_grad():
                assert (x * 2.0).requires_grad
        assert not y.requires_grad
        assert lucid.is_grad_enabled()

    def test_as_a_decorator(self) -> None:
        @lucid.no_grad()
        def double(x: Tensor) -> Tensor:
            return x * 2.0

        @lucid.no_grad
        def triple(x: Tensor) -> Tensor:
            return x * lucid.enable_grad(double)(x)

        for function in (double, triple, lucid.compile(double), lucid.compile(triple)):
            assert not function(leaf(1.0)).requires_grad
        assert lucid.is_grad_enabled()
        assert (double.__name__, triple.__name__) == ("double", "triple")

        @lucid.enable_grad
        def quadruple(x: Tensor) -> Tensor:
            return x * 4.0

        with lucid.no_grad():
            assert quadruple(leaf(1.0)).requires_grad
            assert lucid.compile(quadruple)(leaf(1.0)).requires_grad
            assert not lucid.is_grad_enabled()

    @pytest.mark.parametrize("switch", [lucid.no_grad, lucid.enable_grad, lucid.debug.trap_nan], ids=repr)
    def test_what_is_not_called(self, switch: Any) -> None:
        with pytest.raises(ArgumentTypeError, match=rf"`with` takes a call of {switch!r}\.") as caught, switch:
            pass
        assert caught.value.hint == f"write `with {switch!r}():`."
        for given in ((False,), (abs, abs)):
            with pytest.raises(ArgumentTypeError, match="takes nothing, or the function that it decorates, got"):
                switch(*given)
        with pytest.raises(ArgumentTypeError, match=r"takes nothing, or the function .*, got abs=1, mode=True\."):
            switch(abs=1, mode=True)
        assert repr(switch).endswith("." + switch.__name__)

    @pytest.mark.parametrize(
        "switch", [lucid.no_grad, lucid.no_grad(), lucid.debug.trap_nan], ids=["", "called", "trap"]
    )
    def test_what_cannot_be_decorated(self, switch: Any) -> None:
        """In the calls of these the mode would be set while nothing runs, and an instance of no class be made."""

        def generator() -> Iterator[int]:
            yield 1

        async def generate() -> AsyncIterator[int]:
            yield 1

        async def compute() -> None:
            pass

        for function, kind in (
            (generator, "a generator"),
            (generate, "an asynchronous generator"),
            (compute, "a coroutine"),
            (partial(generator), "a generator"),
        ):
            with pytest.raises(
                ArgumentTypeError, match=f"computes when it is called, got one that makes {kind}"
            ) as caught:
                switch(function)
            assert "():` inside of it, around code without `yield` or `await`." in str(caught.value)
        with pytest.raises(ArgumentTypeError, match="decorates a function, got the class Linear") as caught:
            switch(lucid.nn.Linear)
        assert caught.value.hint == "decorate the methods of the class that need it."

    def test_ends_with_an_exception(self) -> None:
        with pytest.raises(ZeroDivisionError), lucid.no_grad():
            raise ZeroDivisionError
        assert lucid.is_grad_enabled()

    def test_requires_grad_of_a_computed_tensor(self) -> None:
        y = leaf(1.0) * 2.0
        with pytest.raises(ArgumentError, match="detach"):
            y.requires_grad_(False)
