"""The trap for NaN and infinity: it names the op and the line, and a call that it stops has changed nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.debug import trap_nan
from lucid.errors import ArgumentError, NonFiniteError
from lucid.ir.graph import Graph
from lucid.ir.text import parse
from lucid.nonfinite import Watch

Function = Callable[..., Any]
ONES = np.ones((2, 3), np.float32)


class Root(nn.Module):
    """The square root of a Linear: NaN below 0, and a gradient that is infinite at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 2)
        with lucid.no_grad():
            self.inner.weight.copy_(lucid.full((2, 3), 0.5))
            self.inner.bias.copy_(lucid.zeros(2))

    def forward(self, x: Any) -> Any:
        return self.inner(x).sqrt()  # the line at fault


def training() -> tuple[Function, Root, Any]:
    model = Root()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = F.dropout(model(x), 0.0).sum()
        loss.backward()
        optimizer.step()
        return loss

    return step, model, optimizer


def state_of(model: nn.Module, optimizer: Any) -> Any:
    grads = [None if p.grad is None else p.grad.numpy().tobytes() for p in model.parameters()]
    states = [x.numpy().tobytes() for x in [*model.parameters(), *_tensors(optimizer.state_dict())]]
    return copy.deepcopy((grads, states, lucid.get_state()))


def _tensors(tree: Any) -> Iterator[lucid.Tensor]:
    if isinstance(tree, lucid.Tensor):
        yield tree
    elif isinstance(tree, dict | list | tuple):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _tensors(item)


def assert_at_the_line(error: pytest.ExceptionInfo[NonFiniteError], sentence: str) -> None:
    lines = str(error.value).split("\n")
    assert lines[0].startswith(sentence)
    assert lines[1].startswith("  test_trap.py:")
    assert lines[1].endswith("# the line at fault")
    assert lines[2].startswith("  hint: print values on the way with lucid.debug.print")


def test_a_step_that_gives_nan_changes_nothing() -> None:
    step, model, optimizer = training()
    compiled = lucid.compile(step, trap="nan")
    for _ in range(4):  # the direct path of later calls, too
        assert np.isfinite(compiled(ONES).item())
    before = state_of(model, optimizer)
    bad = ONES * [[1.0], [-1.0]]
    for _ in range(2):
        with pytest.raises(NonFiniteError) as caught:
            compiled(bad.astype(np.float32))
        found = "result 0 becomes nan: `sqrt` in Root gives nan in 2 of 4 elements, the first at (1, 0), from -"
        assert_at_the_line(caught, found)
        assert state_of(model, optimizer) == before
    assert np.isfinite(compiled(ONES).item())
    assert len(compiled.programs) == 1
    step_alone, alone, _ = training()
    again = lucid.compile(step_alone)
    for _ in range(5):
        again(ONES)
    lucid.set_state(before[2])
    assert [p.numpy().tolist() for p in alone.parameters()] == [p.numpy().tolist() for p in model.parameters()]


def test_a_gradient_that_is_infinite_is_found_in_the_backward() -> None:
    step, model, optimizer = training()
    compiled = lucid.compile(step)
    before = state_of(model, optimizer)
    with trap_nan(), pytest.raises(NonFiniteError) as caught:
        compiled(ONES * 0.0)
    assert_at_the_line(caught, "inner.weight.grad becomes nan: ")
    assert state_of(model, optimizer) == before
    compiled(ONES * 0.0)
    assert np.isnan(model.inner.weight.grad.numpy()).all(), "without the trap it goes on"


def test_repeat_stops_at_the_first_run_at_fault() -> None:
    step, model, optimizer = training()
    compiled = lucid.compile(step)
    xs = np.stack([ONES, ONES, -ONES, ONES])
    with trap_nan():
        losses = compiled.repeat(xs[:2])
        before = state_of(model, optimizer)
        with pytest.raises(NonFiniteError, match=r"in run 2 of repeat becomes nan: `sqrt` in Root gives nan in 4"):
            compiled.repeat(xs)
        assert state_of(model, optimizer) == before
    other, alone, _ = training()
    assert lucid.compile(other).repeat(xs[:2]).numpy().tolist() == losses.numpy().tolist()
    assert [p.numpy().tolist() for p in alone.parameters()] == [p.numpy().tolist() for p in model.parameters()]


def test_what_is_infinite_on_the_way_is_no_error() -> None:
    @lucid.compile(trap="nan")
    def attend(x: Any) -> Any:
        return F.softmax(lucid.where(x > 0.0, x, -float("inf")), -1)

    x = np.array([[1.0, -1.0, 2.0]], np.float32)
    assert attend(x).numpy()[0, 1] == 0.0
    with pytest.raises(NonFiniteError, match="becomes nan"):
        attend(-np.abs(x))


def test_a_printed_value_may_be_anything(capsys: pytest.CaptureFixture[str]) -> None:
    @lucid.compile(trap="nan")
    def f(x: Any) -> Any:
        lucid.debug.print("{}", x.log())
        return x

    for _ in range(3):
        f(np.zeros((), np.float32))
    f.repeat(np.zeros(2, np.float32))
    assert capsys.readouterr().out == "-inf\n" * 5


def test_an_input_that_is_not_finite_is_named() -> None:
    double = lucid.compile(lambda x: x * 2.0, trap="nan")
    with pytest.raises(NonFiniteError) as caught:
        double(np.array([1.0, np.inf], np.float32))
    assert str(caught.value).startswith(
        "the result becomes inf: %x, which is an input, gives inf in 1 of 2 elements, the first at (1,)."
    )


def test_a_sum_that_overflows_shows_its_range() -> None:
    total = lucid.compile(lambda x: x.sum(), trap="nan")
    with pytest.raises(NonFiniteError, match=r"`sum` gives inf, from elements in \[3e\+38, 3e\+38\]"):
        total(np.full(4, 3e38, np.float32))


def test_a_loop_names_the_op_in_its_body_and_the_run() -> None:
    @lucid.compile(trap="nan")
    def f(x: Any) -> Any:
        return lucid.scan(lambda c, e: (c + e.log(), None), 0.0, x)[0]

    with pytest.raises(NonFiniteError, match=r"`log` in run 2 of a scan gives -inf, from 0\.0\."):
        f(np.array([1.0, 2.0, 0.0, 3.0], np.float32))


def test_a_module_that_is_differentiated_later() -> None:
    for model in (lucid.compile(Root(), trap="nan"), lucid.compile(Root())):
        with trap_nan():
            y = model(lucid.Tensor(ONES * 0.0))
            with pytest.raises(NonFiniteError, match=r"in the backward of Root gives inf|becomes nan") as caught:
                y.sum().backward()
        assert "# the line at fault" in str(caught.value)


def test_eager_code_stops_at_the_operation() -> None:
    x = lucid.Tensor([1.0, 0.0, -1.0], requires_grad=True)
    with trap_nan(), pytest.raises(NonFiniteError) as caught:
        x.log()  # here
    assert str(caught.value).split("\n")[0] == "`log` gives nan in 1 of 3 elements, the first at (2,), from -1.0."
    assert "x.log()  # here" in str(caught.value)
    root = lucid.Tensor([0.0], requires_grad=True).sqrt()
    with trap_nan(), pytest.raises(NonFiniteError, match="`div` in the backward gives inf"):
        root.backward()
    with trap_nan():
        infinite = lucid.full((2,), float("inf"))
        assert (infinite + 1.0).tolist() == [float("inf")] * 2, "infinity from infinity is no news"


def test_the_trap_is_left_behind() -> None:
    @trap_nan()
    def inside() -> None:
        lucid.Tensor([0.0]).log()

    with pytest.raises(NonFiniteError):
        inside()
    assert lucid.Tensor([0.0]).log().tolist() == [-float("inf")]


def test_a_fault_of_the_compiler_is_told_apart() -> None:
    """Where only compiled code gives NaN, no op of the user's is to blame."""
    graph: Graph = parse("graph @f(%x: f32[2], %s: state f32[2]) { %1 = neg %x; return %1 ; %s <- %1 }")
    state = np.zeros(2, np.float32)
    watch = Watch(graph, [np.ones(2, np.float32), state])
    assert watch.problem([np.ones(2, np.float32)]) is None
    state[0] = np.nan
    with pytest.raises(NonFiniteError) as caught:
        watch.expect_finite([np.ones(2, np.float32)])
    assert str(caught.value).startswith("s becomes nan in compiled code, where the interpreter finds finite values.")
    assert "`lucid check`" in str(caught.value)
    assert state.tolist() == [0.0, 0.0]


def test_other_traps_are_refused() -> None:
    with pytest.raises(ArgumentError) as caught:
        lucid.compile(lambda x: x, trap="inf")
    assert str(caught.value).startswith("trap is None or \"nan\", got 'inf'.")
    with pytest.raises(ArgumentError) as caught:
        lucid.compile(lucid.compile(lambda x: x), trap="nan")
    assert "compile takes a trap together with a function that has not been compiled yet." in str(caught.value)
