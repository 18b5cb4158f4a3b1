"""Buffers, captured tensors and arguments that a compiled function updates, and views of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import ArgumentError, TraceError
from tests.compile.worlds import Made, assert_alike, normal, state_of, training_step

X = normal(3, 4)


class RunningMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(np.ones(4, np.float32))
        self.register_buffer("mean", lucid.zeros(4))
        self.register_buffer("count", lucid.zeros(dtype="int64"))

    def forward(self, x: Tensor) -> Tensor:
        x = lucid.as_tensor(x)
        if self.training:
            with lucid.no_grad():
                self.mean = self.mean * 0.9 + x.mean(0) * 0.1
                self.count += 1
        return (x - self.mean) * self.weight


def test_running_statistics() -> None:
    def setup() -> Made:
        model = RunningMean()

        def step(x: Any) -> Tensor:
            model.zero_grad()
            loss = (model(x) * model(x + 1.0)).sum()
            loss.backward()
            return loss

        return step, state_of(model)

    step = assert_alike(setup, *[(normal(3, 4, seed=i),) for i in range(4)])
    assert len(step.programs) == 1


def test_the_first_call_runs_side_effects_once() -> None:
    model, dropout = RunningMean(), nn.Dropout(0.5)
    lucid.seed(5)
    fast = lucid.compile(lambda x: dropout(model(x)))
    for count in (1, 2, 3):
        fast(X)
        assert model.count is not None
        assert model.count.item() == count
        assert lucid.get_state() == (5, count)


def test_lowering_runs_nothing() -> None:
    model = RunningMean()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    step = lucid.compile(training_step(nn.Sequential(model, nn.Dropout(0.5)), optimizer))
    before, random = {k: v.copy() for k, v in model.state_dict().items()}, lucid.get_state()
    step.lower(X)
    assert lucid.get_state() == random
    assert model.weight.grad is None
    assert optimizer.state["step.0"].item() == 0
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_in_place_updates_of_captured_tensors() -> None:
    def setup() -> Made:
        table, counts = Tensor(np.zeros((3, 4), np.float32)), Tensor([1, 2, 3])

        def step(x: Any) -> Tensor:
            table[1:, ::2] = lucid.as_tensor(x)[:2, :2]
            table[0] = table[1] + 1.0
            table[-1, 3] = 7
            counts[1] = counts[0] * 10
            before = table.clone()
            table.__imul__(2.0)
            return table.sum() + before.sum() + counts.sum()

        return step, [table, counts]

    assert_alike(setup, (X,), (X + 1.0,))


@pytest.mark.parametrize("temporary", ["clone", "detach"])
def test_two_states_are_swapped(temporary: str) -> None:
    def setup() -> Made:
        a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])

        def swap() -> Tensor:
            held = getattr(a, temporary)()
            a.copy_(b)
            b.copy_(held)
            return a + b * 10.0

        return swap, [a, b]

    assert_alike(setup, (), (), ())


def test_three_states_go_round() -> None:
    def setup() -> Made:
        a, b, c = (Tensor([float(i)] * 40) for i in range(3))

        def rotate() -> Tensor:
            held = a.clone()
            a.copy_(b)
            b.copy_(c + a)
            c.copy_(held)
            return a + b * 10.0 + c * 100.0

        return rotate, [a, b, c]

    assert_alike(setup, (), (), ())


def test_a_view_reads_through() -> None:
    def setup() -> Made:
        table = Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
        views = table[1], table.T, table.reshape(-1), table[:, 1:].T, table.detach()

        def step() -> tuple[Tensor, ...]:
            first = [view * 2.0 for view in views]
            table[1, 0] = table[0, 2] + 10.0
            own = table[1]
            table.__iadd__(1.0)
            return (*first, *(view * 3.0 for view in views), own + 0.0)

        return step, [table]

    assert_alike(setup, (), ())


def test_an_update_through_a_detached_tensor() -> None:
    def setup() -> Made:
        weight = nn.Parameter([1.0, 2.0])

        def step() -> Tensor:
            weight.detach().__iadd__(1.0)
            weight.data = weight.data * 2.0
            return weight * 1.0

        return step, [weight]

    assert_alike(setup, (), ())


@pytest.mark.parametrize("wrap", [lambda f: f, lucid.compile])
def test_a_part_is_not_updated_through_a_view(wrap: Callable[..., Any]) -> None:
    table = Tensor([[1.0, 2.0], [3.0, 4.0]])
    for view in (table[0], table[0].detach(), table.T.detach()):
        with pytest.raises(ArgumentError, match="a view can't be updated in place"):
            wrap(lambda view: view.__iadd__(10.0))(view)
        with pytest.raises(ArgumentError, match="a view can't be updated in place"):
            wrap(lambda: view.__iadd__(10.0))()  # noqa: B023  called at once
    assert table.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_an_argument_is_updated_in_place() -> None:
    def double(x: Tensor) -> Tensor:
        with lucid.no_grad():
            x *= 2.0
            x[0] = 7.0
        return x

    for wrap in (lambda f: f, lucid.compile):
        step = wrap(double)
        for make in (lambda: Tensor([1.0, 2.0]), lambda: Tensor([1.0, 2.0], requires_grad=True)):
            x = make()
            assert step(x) is x
            assert x.tolist() == [7.0, 4.0]
        storage = Tensor([1.0, 2.0])
        step(storage.detach())
        assert storage.tolist() == [7.0, 4.0]


def test_an_array_argument_is_updated_in_place() -> None:
    def write(x: Any) -> Any:
        x[0] = 7.0
        return x * 1.0

    for wrap in (lambda f: f, lucid.compile):
        array = np.array([1.0, 2.0], np.float32)
        assert wrap(write)(array).tolist() == [7.0, 2.0]
        assert array.tolist() == [7.0, 2.0]


@pytest.mark.parametrize("kind", ["strided", "read-only"])
def test_arrays_that_cannot_be_updated_in_place(kind: str) -> None:
    def write(x: Any) -> None:
        x[0] = 7.0

    array = np.array([[1.0, 2.0], [3.0, 4.0]])[:, 0]
    if kind == "read-only":
        array = array.copy()
        array.flags.writeable = False
    before = array.copy()
    with pytest.raises(ArgumentError, match="updates in place is read-only or not contiguous"):
        lucid.compile(write)(array)
    np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize(
    "part", [lambda w: w, lambda w: w[1:], lambda w: w.T, lambda w: w[::-1, 1:2].repeat(4, 1)], ids=range(4)
)
def test_an_argument_that_overlaps_a_parameter(part: Callable[[Any], Any]) -> None:
    found = []
    for wrap in (lambda f: f, lucid.compile):
        lucid.seed(0)
        model = nn.Linear(4, 4)
        step = wrap(training_step(model, optim.SGD(model.parameters(), lr=0.1)))
        losses = [step(part(model.weight.numpy())).item() for _ in range(3)]
        found.append((losses, model.weight.numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)


def test_an_array_that_overlaps_what_is_written() -> None:
    storage = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = lucid.as_tensor(storage[0])

    @lucid.compile
    def step(x: Tensor) -> Tensor:
        state.copy_(x[1] * 10.0)
        return x + 1.0

    assert step(storage).tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert storage.tolist() == [[30.0, 40.0, 50.0], [3.0, 4.0, 5.0]]


def test_tensors_that_the_function_makes_start_anew_at_each_call() -> None:
    def total(x: Tensor) -> Tensor:
        sums, ones = Tensor([0.0]), lucid.zeros(1)
        for _ in range(3):
            sums += x
            ones += 1.0
        return sums + ones

    fast = lucid.compile(total)
    assert [fast(Tensor([2.0])).item() for _ in range(3)] == [9.0] * 3


def test_eager_results_of_any_layout_are_captured() -> None:
    for make in (lambda x: x.T + 1.0, lambda x: x.T, lambda x: x[::-1].exp(), lambda x: lucid.as_tensor(x.numpy().T)):
        captured = make(Tensor(np.arange(6, dtype=np.float32).reshape(2, 3) / 8.0))
        fast = lucid.compile(lambda: captured * 2.0)  # noqa: B023  called at once
        np.testing.assert_allclose(fast().numpy(), captured.numpy() * 2.0, rtol=1e-6)


def test_attributes_that_change_are_refused() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls = self.calls + 1
            return x

    model = Counting()
    with pytest.raises(TraceError, match=r"Counting.calls was set to 1 while(.|\n)*register_buffer"):
        lucid.compile(model)(X)
    assert model.calls == 0


def test_indices_that_are_tensors() -> None:
    table, position = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor(1)
    assert table[position].tolist() == [3.0, 4.0]
    assert table[..., position].tolist() == [2.0, 4.0]
    fast = lucid.compile(lambda x: x[position])
    assert fast(table).tolist() == [3.0, 4.0]
    position.fill_(-2)
    assert fast(table).tolist() == [1.0, 2.0]  # which is read at each call


def test_views_of_a_tensor_that_the_function_makes() -> None:
    """They read its updates, as those of a tensor from outside do, also in what is returned."""

    def fill(x: Tensor) -> tuple[Tensor, ...]:
        table = lucid.zeros((2, 4))
        turned, detached = table.T, table.detach()
        row = turned[:, 1]
        table[1] = x
        before = row * 1.0
        detached.copy_(table + 1.0)
        return turned, row, before, detached, table

    assert_alike(lambda: (fill, []), (Tensor(X[0]),), (Tensor(X[1]),))
