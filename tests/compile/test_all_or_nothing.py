"""A call that fails leaves everything as it was, bit for bit, and the next good call gives what it would have given.

Two models train side by side through the same good batches; one of them meets a failure in between. Kinds of failures
and of steps come from Hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import ArgumentError, CheckError, DTypeError, LucidError, ShapeError
from lucid.savepoints import Savepoint

Array = np.ndarray[Any, np.dtype[Any]]
BATCH, WIDTH = 6, 4


class Fragile(nn.Module):
    """Raises what it is told to, once everything before it has run."""

    raises: BaseException | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.raises is not None:
            raise self.raises
        return x


class Net(nn.Module):
    """Everything that a call writes: statistics, a counter, masks, a table that it limits, and a buffer of its own."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Linear(WIDTH, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.SELU(), nn.AlphaDropout(0.2)
        )
        self.table = nn.Embedding(3, 5, max_norm=0.5)
        self.register_buffer("seen", lucid.zeros(5))
        self.fragile = Fragile()
        self.last = nn.Sequential(nn.BatchNorm1d(5, momentum=None), nn.Linear(5, 1), nn.Sigmoid())

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        hidden = self.first(x) + self.table(places)
        self.seen = self.seen + hidden.detach().sum(0)
        return self.last(self.fragile(hidden))


class World:
    """A model in training, whose calls are an eager forward, or compiled steps of several kinds."""

    def __init__(self, kind: str, make: Callable[[Any], optim.Optimizer]) -> None:
        lucid.seed(3)
        self.kind, self.model = kind, Net()
        self.optimizer = make(self.model.parameters())
        self.count = 0
        self.step = lucid.compile(self.run)

    def run(self, x: Tensor, places: Tensor, target: Tensor) -> Tensor:
        if self.kind != "accumulating" or self.count % 2 == 0:
            self.optimizer.zero_grad()
        loss = F.binary_cross_entropy(self.model(x, places), target)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def call(self, x: Array, places: Array, target: Array) -> Array:
        if self.kind == "eager forward":
            with lucid.no_grad():
                return np.asarray(self.model(x, places).numpy())
        if self.kind == "repeated":
            result = self.step.repeat(*(np.stack([array, array]) for array in (x, places, target)))
        else:
            result = self.step(x, places, target)
        self.count += 1
        return np.asarray(result.numpy())

    def bits(self) -> dict[str, Any]:
        tensors = {**dict(self.model.named_tensors()), **self.optimizer.state}
        grads = {name: p.grad for name, p in self.model.named_parameters()}
        masks = [self.model.first[2].mask, self.model.first[4].mask]
        return {
            "tensors": {name: tensor.numpy().tobytes() for name, tensor in tensors.items()},
            "grads": {name: None if g is None else g.numpy().tobytes() for name, g in grads.items()},
            "groups": [{k: v for k, v in group.items() if k != "params"} for group in self.optimizer.param_groups],
            "random state": lucid.get_state(),
            "masks": [None if mask is None else mask.numpy().tobytes() for mask in masks],
            "modes": (lucid.is_grad_enabled(), self.model.training),
        }


def batch(number: int) -> tuple[Array, Array, Array]:
    generator = np.random.default_rng(number)
    x = generator.standard_normal((BATCH, WIDTH)).astype(np.float32)
    return x, generator.integers(0, 3, BATCH), generator.uniform(0, 1, (BATCH, 1)).astype(np.float32)


# How a call fails: what it is given for a good batch, what is done to the model, and what it raises.


def wider(world: World, x: Array, places: Array, target: Array) -> tuple[Array, ...]:
    return np.concatenate([x, x], 1), places, target


def doubles(world: World, x: Array, places: Array, target: Array) -> tuple[Array, ...]:
    return x.astype(np.float64), places, target


def far_places(world: World, x: Array, places: Array, target: Array) -> tuple[Array, ...]:
    return x, places + 1, target


def odd_targets(world: World, x: Array, places: Array, target: Array) -> tuple[Array, ...]:
    return x, places, target + 2.0


def raising(error: BaseException) -> Callable[..., tuple[Array, ...]]:
    def fail(world: World, *arrays: Array) -> tuple[Array, ...]:
        world.model.fragile.raises = error
        return arrays

    return fail


def hooked(world: World, *arrays: Array) -> tuple[Array, ...]:
    def fail(*_: Any) -> None:
        raise RuntimeError("in a hook")

    world.model.last[0].register_forward_hook(fail)
    return arrays


FAILURES: dict[str, tuple[Callable[..., tuple[Array, ...]], type[BaseException]]] = {
    "a wrong shape": (wider, ShapeError),
    "a wrong dtype": (doubles, DTypeError),
    "an index out of range": (far_places, CheckError),
    "a target out of range": (odd_targets, CheckError),
    "an exception of the user's": (raising(ValueError("no")), ValueError),
    "Ctrl-C": (raising(KeyboardInterrupt()), KeyboardInterrupt),
    "an exception in a hook": (hooked, RuntimeError),
}
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda parameters: optim.SGD(parameters, 0.1, momentum=0.9),
    "Adam": lambda parameters: optim.Adam(parameters, 0.01, weight_decay=0.1),
    "RMSprop": lambda parameters: optim.RMSprop(parameters, 0.01, momentum=0.5, centered=True),
}
KINDS = ("eager forward", "step", "repeated", "accumulating")


def fail(world: World, failure: str, number: int) -> None:
    """Have a call fail, and look that nothing has changed."""
    prepare, error = FAILURES[failure]
    if failure == "a target out of range" and world.kind == "eager forward":
        return  # it has no targets
    hooks = world.model.last[0]._hooks
    arrays, before = prepare(world, *batch(number)), world.bits()
    try:
        with pytest.raises(error):
            world.call(*arrays)
    finally:
        world.model.fragile.raises = None
        world.model.last[0]._hooks = hooks
    assert world.bits() == before


@settings(max_examples=14)
@given(
    kind=st.sampled_from(KINDS),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    events=st.lists(st.sampled_from(["good", *FAILURES]), min_size=2, max_size=5),
)
def test_failures_leave_no_trace(kind: str, optimizer: str, events: list[str]) -> None:
    results: list[list[bytes]] = []
    for with_failures in (True, False):
        world, found = World(kind, OPTIMIZERS[optimizer]), []
        for number, event in enumerate([*events, "good"]):
            if event == "good":
                found.append(world.call(*batch(number)).tobytes())
                found.append(repr(world.bits()).encode())
            elif with_failures:
                fail(world, event, number)
        results.append(found)
    assert results[0] == results[1]


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_failure_leaves_no_trace(kind: str, failure: str) -> None:
    test_failures_leave_no_trace.hypothesis.inner_test(kind, "Adam", ["good", failure, "good", failure])  # type: ignore[attr-defined]


# Eager calls of other kinds.


def test_an_eager_optimizer_steps_for_all_parameters_or_for_none() -> None:
    first, second = nn.Parameter([1.0, 2.0]), nn.Parameter([3.0])
    optimizer = optim.SGD([{"params": [first]}, {"params": [second]}], lr=0.1)
    (first.sum() + second.sum()).backward()
    optimizer.param_groups[1]["momentum"] = 0.9  # for which there is no state
    with pytest.raises(ArgumentError, match="SGD has no momentum_buffer for this group"):
        optimizer.step()
    assert (first.tolist(), second.tolist()) == ([1.0, 2.0], [3.0])


def adam_of_two() -> tuple[list[Tensor], optim.Adam, Callable[[], Any]]:
    """Parameters with gradients, their optimizer, and what gives all elements of both."""
    parameters = [nn.Parameter([1.0, 2.0]), nn.Parameter([3.0])]
    optimizer = optim.Adam([{"params": [p]} for p in parameters], lr=0.1)
    (parameters[0].sum() + parameters[1].sum()).backward()
    return parameters, optimizer, lambda: [t.tolist() for t in (*parameters, *optimizer.state.values())]


def test_a_step_of_an_optimizer_writes_where_the_elements_are() -> None:
    parameters, optimizer, _ = adam_of_two()
    views = [tensor.numpy() for tensor in (*parameters, *optimizer.state.values())]
    for _ in range(2):
        optimizer.step()
    assert [view.tolist() for view in views] == [t.tolist() for t in (*parameters, *optimizer.state.values())]
    np.testing.assert_allclose(views[1], [2.8], rtol=1e-6)


def test_a_step_that_fails_late_leaves_arrays_and_elements() -> None:
    parameters, optimizer, elements = adam_of_two()
    views, before = [p.numpy() for p in parameters], elements()
    optimizer.param_groups[1]["amsgrad"] = True  # for which there is no state
    with pytest.raises(ArgumentError, match="Adam has no max_exp_avg_sq for this group"):
        optimizer.step()
    assert elements() == before
    optimizer.param_groups[1]["amsgrad"] = False
    optimizer.step()
    assert [view.tolist() for view in views] == [p.tolist() for p in parameters] != before[:2]


def test_a_step_is_undone_with_the_call_around_it() -> None:
    parameters, optimizer, elements = adam_of_two()
    before = elements()

    class Stepping(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            optimizer.step()
            optimizer.step()
            return parameters[0] @ x

    with pytest.raises(ShapeError):
        Stepping()(lucid.ones(3))
    assert elements() == before


def test_what_is_put_off_is_all_written_where_the_writing_is_interrupted() -> None:
    written: list[str] = []

    def interrupted_once() -> None:
        written.append("second")
        if written.count("second") == 1:
            raise KeyboardInterrupt

    savepoint = Savepoint(later=True)
    for finish in (lambda: written.append("first"), interrupted_once):
        savepoint.put_off(finish, lambda finish=finish: (lambda: written.append("undone"), finish))  # type: ignore[misc]
    with pytest.raises(KeyboardInterrupt), savepoint:
        pass
    assert written[-2:] == ["first", "second"]
    assert "undone" not in written


def test_an_inner_call_that_is_caught_is_undone_by_itself() -> None:
    class Trying(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop = nn.BatchNorm1d(2), nn.Dropout(0.5)
            self.risky = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(3, 1))

        def forward(self, x: Tensor) -> Tensor:
            x = self.norm(x)
            try:
                return self.risky(x)
            except ShapeError:
                return self.drop(x)

    lucid.seed(0)
    model, x = Trying(), lucid.rand(4, 2)
    state = lucid.get_state()
    model(x)
    assert model.risky[0].num_batches_tracked.item() == 0
    assert model.risky[1].mask is None
    assert model.norm.num_batches_tracked.item() == 1
    assert lucid.get_state() == (state[0], state[1] + 1)


def test_what_an_inner_call_has_written_is_undone_with_the_outer_one() -> None:
    model = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)), nn.Linear(4, 1))
    before = {name: tensor.tolist() for name, tensor in model.named_buffers()}, lucid.get_state()
    for _ in range(2):
        with pytest.raises(ShapeError):
            model(lucid.ones(2, 3))
    assert ({name: tensor.tolist() for name, tensor in model.named_buffers()}, lucid.get_state()) == before
    assert model[0][1].mask is None


def test_an_argument_that_is_changed_in_place_is_put_back() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(9, 1))
    leaf, computed = Tensor([[-1.0, 2.0]]), Tensor([[-1.0, 2.0]], requires_grad=True) * 1.0
    history = computed._history
    for x in (leaf, computed):
        with pytest.raises(ShapeError):
            model(x)
        assert x.tolist() == [[-1.0, 2.0]]
    assert computed._history is history
    computed.sum().backward()


def test_a_schedule_steps_for_all_groups_or_for_none() -> None:
    def rate(epoch: int) -> float:
        if epoch == 2:
            raise ValueError("no rate")
        return 0.5**epoch

    parameters = [nn.Parameter([1.0]), nn.Parameter([2.0])]
    optimizer = optim.SGD([{"params": [parameter]} for parameter in parameters], lr=1.0)
    halving = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    given = optim.lr_scheduler.MultiplicativeLR(optimizer, [lambda _: 1.0, rate])
    both = optim.lr_scheduler.ChainedScheduler([halving, given])
    both.step()
    before = repr(both.state_dict()), [group["lr"] for group in optimizer.param_groups]
    with pytest.raises(ValueError, match="no rate"):
        both.step()
    assert (repr(both.state_dict()), [group["lr"] for group in optimizer.param_groups]) == before


def test_a_schedule_that_is_refused_leaves_the_groups_alone() -> None:
    optimizer = optim.SGD([nn.Parameter([1.0])], lr=1.0)
    before = dict(optimizer.param_groups[0])
    with pytest.raises(ZeroDivisionError):
        optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / epoch)
    assert optimizer.param_groups[0] == before


@pytest.mark.parametrize("state", [1, (1,), (1, "x"), ("x", 1), (1, 2, 3)])
def test_a_random_state_that_is_none(state: Any) -> None:
    before = lucid.get_state()
    with pytest.raises(LucidError):
        lucid.set_state(state)
    assert lucid.get_state() == before


def test_modules_that_do_not_fit_are_taken_all_or_not_at_all() -> None:
    layers = nn.ModuleList([nn.ReLU()])
    with pytest.raises(TypeError, match="ModuleList holds modules, got int"):
        layers.extend([nn.ReLU(), 1])  # type: ignore[list-item]
    assert len(layers) == 1
