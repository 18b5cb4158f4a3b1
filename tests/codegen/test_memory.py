"""The memory plan: what shares storage, what must not, and in which order states are written."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.codegen.cpu.target import CPUTarget
from lucid.codegen.memory import arena_size, home, plan
from lucid.codegen.target import ALIGNMENT
from lucid.errors import CheckError
from lucid.ir.graph import Graph, Value, same
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.structure import Check
from lucid.ir.passes.order import order
from lucid.ir.text import parse
from lucid.ir.types import Shape, bool_, int64
from lucid.ir.verify import verify
from tests.benchmarks import STEPS, benchmark_step
from tests.ir.graphs import graphs, random_inputs
from tests.oracle import assert_compiled_matches, run_compiled


def named(graph: Graph, name: str) -> Value:
    (found,) = (value for value in graph.values() if value.name == name)
    return found


def shares(text: str, name: str, other: str) -> bool:
    """Whether two values of a graph, by name, live in one place."""
    graph = plan(parse(text))
    return home(graph, named(graph, name)) is home(graph, named(graph, other))


# States.


def test_an_elementwise_update_is_written_into_its_state() -> None:
    assert shares("graph(%g: f32[8], %w: state f32[8]) { %n = sub %w, %g; return ; %w <- %n }", "n", "w")


def test_an_update_that_does_not_read_its_state_is_written_into_it() -> None:
    assert shares("graph(%a: f32[8, 8], %w: state f32[8, 8]) { %n = matmul %a, %a; return ; %w <- %n }", "n", "w")


@pytest.mark.parametrize(
    "text",
    [
        # The old value is read later.
        "graph(%g: f32[8], %w: state f32[8]) { %n = sub %w, %g; %o = exp %w; return %o ; %w <- %n }",
        # The old value is read later under another shape.
        """graph(%g: f32[8], %w: state f32[8]) {
          %v = reshape %w, shape=(2, 4); %n = sub %w, %g; %o = exp %v; return %o ; %w <- %n }""",
        # Other elements of the old value are read.
        "graph(%w: state f32[8, 8]) { %n = transpose %w, permutation=(1, 0); return ; %w <- %n }",
        "graph(%w: state f32[8, 8]) { %n = matmul %w, %w; return ; %w <- %n }",
        "graph(%w: state f32[8]) { %n = slice %w, start=(7,), step=(-1,), shape=(8,); return ; %w <- %n }",
        # A check depends on the new value: the state must not be written before it.
        """graph(%w: state i64[8]) { %n = add %w, %w; %h = equal %n, %w; %p = first_false %h, axes=(0,)
          check %p, %n, message="bad"; return ; %w <- %n }""",
    ],
)
def test_an_update_that_cannot_be_written_early_is_copied(text: str) -> None:
    graph = plan(parse(text))
    assert home(graph, graph.updates[0][1]) is not named(graph, "w")


def test_a_fused_optimizer_step_updates_all_its_states_in_place() -> None:
    graph = plan(
        parse(
            """graph(%g: f32[8], %w: state f32[8], %m: state f32[8]) {
              %n, %v = fused %g, %w, %m @step(%a: f32[8], %b: f32[8], %c: f32[8]) {
                %d = add %a, %c
                %e = sub %b, %d
                return %e, %d
              }
              return ; %w <- %n, %m <- %v }"""
        )
    )
    assert [home(graph, new) for _, new in graph.updates] == list(graph.states)
    assert arena_size(graph) == 0


def test_states_that_swap_keep_both_values() -> None:
    graph = parse("graph(%a: state f32[40], %b: state f32[40]) { return ; %a <- %b, %b <- %a }")
    a, b = np.arange(40, dtype=np.float32), -np.arange(40, dtype=np.float32)
    new_a, new_b = run_compiled(graph, [a, b]).updates
    np.testing.assert_array_equal(new_a, b)
    np.testing.assert_array_equal(new_b, a)


def test_states_updated_with_each_others_old_value_keep_both() -> None:
    graph = parse(
        """graph(%a: state f32[40], %b: state f32[40]) {
          %x = add %a, %b; %y = sub %a, %b; return ; %a <- %x, %b <- %y }"""
    )
    a, b = np.arange(40, dtype=np.float32), np.full(40, 3, np.float32)
    new_a, new_b = run_compiled(graph, [a, b]).updates
    np.testing.assert_array_equal(new_a, a + b)
    np.testing.assert_array_equal(new_b, a - b)


def test_outputs_that_are_inputs_old_states_new_states_or_twice_the_same_are_right() -> None:
    graph = parse(
        """graph(%x: f32[40], %w: state f32[40]) {
          %n = add %w, %x; %r = reshape %n, shape=(8, 5); return %x, %w, %n, %n, %r ; %w <- %n }"""
    )
    x, w = np.arange(40, dtype=np.float32), np.full(40, 3, np.float32)
    outcome = run_compiled(graph, [x, w])
    for got, expected in zip(outcome.outputs, [x, w, w + x, w + x, (w + x).reshape(8, 5)], strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(outcome.updates[0], w + x)


def test_an_update_to_itself_is_nothing() -> None:
    assert plan(parse("graph(%w: state f32[4]) { return ; %w <- %w }")).nodes == ()


# Checks.

CHECKED = """graph(%x: i64[4], %w: state i64[4], %v: state i64[4]) {
  %n = add %w, %x
  %m = mul %v, %x
  %z: i64[4] = const value=0
  %h = less_equal %z, %m
  %p = first_false %h, axes=(0,)
  check %p, %m, message="element {position} is {value}"
  return ; %w <- %n, %v <- %m }"""


def test_checks_and_what_they_need_come_before_everything_else() -> None:
    graph = plan(parse(CHECKED))
    (check,) = (number for number, node in enumerate(graph.nodes) if isinstance(node.op, Check))
    added = next(number for number, node in enumerate(graph.nodes) if node.op.name == "add")
    assert check < added


def test_a_failed_check_names_its_element_and_leaves_every_state_as_it_was() -> None:
    executable = CPUTarget().compile(parse(CHECKED))
    x, w, v = np.array([1, 2, -3, 4]), np.arange(4), np.arange(4) + 10
    table = executable.new_table()
    table[:3] = [array.ctypes.data for array in (x, w, v)]
    with pytest.raises(CheckError, match="element 2 is -36"):
        executable.run(table.ctypes.data)
    np.testing.assert_array_equal(w, np.arange(4))
    np.testing.assert_array_equal(v, np.arange(4) + 10)
    x[2] = 3
    executable.run(table.ctypes.data)
    np.testing.assert_array_equal(w, np.arange(4) + x)
    np.testing.assert_array_equal(v, (np.arange(4) + 10) * x)


# The arena.


def test_a_reshape_lives_in_its_operand() -> None:
    text = "graph(%x: f32[8]) { %a = exp %x; %b = reshape %a, shape=(2, 4); %c = sum %b, axes=(0,); return %c }"
    assert shares(text, "a", "b")


def test_an_elementwise_result_takes_the_place_of_an_operand_that_is_not_read_again() -> None:
    text = "graph(%x: f32[8]) { %a = exp %x; %b = neg %a; %c = sum %b, axes=(0,); return %c }"
    assert shares(text, "a", "b")
    text = "graph(%x: f32[8]) { %a = exp %x; %b = neg %a; %c = add %a, %b; %d = sum %c, axes=(0,); return %d }"
    assert not shares(text, "a", "b")


def test_two_results_do_not_take_the_place_of_one_operand() -> None:
    graph = plan(
        parse(
            """graph(%x: f32[8]) {
              %a = exp %x
              %b, %c = fused %a @two(%y: f32[8]) { %d = neg %y; %e = abs %y; return %d, %e }
              %r = add %b, %c; return %r }"""
        )
    )
    assert home(graph, named(graph, "b")) is not home(graph, named(graph, "c"))


def test_the_arena_is_used_again() -> None:
    steps = "".join(f"%{n + 1} = matmul %{n}, %{n}; " for n in range(20))
    graph = plan(parse(f"graph(%x: f32[64, 64]) {{ %0 = neg %x; {steps}%s = sum %20, axes=(0, 1); return %s }}"))
    assert arena_size(graph) == 2 * 64 * 64 * 4


def test_planning_twice_changes_nothing() -> None:
    once = plan(parse(CHECKED))
    assert same(plan(once), once)


@settings(deadline=None)
@given(graphs())
def test_values_that_live_at_once_have_places_of_their_own(graph: Graph) -> None:
    planned = plan(graph)
    verify(planned)
    made = {value: number for number, node in enumerate(planned.nodes) for value in node.outputs}
    # A block of the arena is in use from the first to the last access through any value that lives in it.
    spans: dict[Value, tuple[int, int]] = {}
    for value, number in made.items():
        last = max((n for n, node in enumerate(planned.nodes) if value in node.inputs), default=number)
        last = len(planned.nodes) if any(value is new for _, new in planned.updates) else last
        owner = home(planned, value)
        first, end = spans.get(owner, (number, last))
        spans[owner] = min(first, number), max(end, last)
    blocks = [value for value, place in planned.places.items() if place.offset is not None and value.type.nbytes]
    for a, b in itertools.combinations(blocks, 2):
        start, other = planned.places[a].offset, planned.places[b].offset
        assert start is not None
        assert other is not None
        assert start % ALIGNMENT == other % ALIGNMENT == 0
        apart = start + a.type.nbytes <= other or other + b.type.nbytes <= start
        assert apart or spans[a][1] < spans[b][0] or spans[b][1] < spans[a][0]


@settings(deadline=None)
@given(graphs(dtypes=(int64, bool_)), st.integers(0, 3))
def test_random_graphs_on_integers_compute_what_the_interpreter_computes(graph: Graph, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_compiled_matches(order(graph), random_inputs(graph, seed))


# Real steps.


def perceptron() -> tuple[nn.Module, Shape]:
    hidden = [nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5)] * 3
    return nn.Sequential(*hidden, nn.Linear(64, 8)), (32, 64)


def transformer() -> tuple[nn.Module, Shape]:
    layers = [nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True) for _ in range(2)]
    return nn.Sequential(*layers, nn.Linear(32, 8)), (4, 16, 32)


def convolutional() -> tuple[nn.Module, Shape]:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1936, 8)
    ), (8, 1, 28, 28)


class Loop(nn.Module):
    """A layer along a sequence, and a classifier of the states that it ends with."""

    def __init__(self, layer: Callable[[lucid.Tensor], lucid.Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.layer, self.parts = layer, nn.ModuleList(parts)
        self.head = nn.Linear(40, 8)

    def forward(self, x: lucid.Tensor) -> lucid.Tensor:
        return self.head(self.layer(x))


def lstm() -> tuple[nn.Module, Shape]:
    layer = nn.LSTM(24, 40, num_layers=2)
    return Loop(lambda x: layer(x)[0][-1], layer), (13, 16, 24)


def scan() -> tuple[nn.Module, Shape]:
    """Several temporaries in each run of the body, and more of them in that of its gradient."""
    inputs, outputs = nn.Linear(64, 96), nn.Linear(96, 40)

    def cell(hidden: lucid.Tensor, x: lucid.Tensor) -> tuple[lucid.Tensor, lucid.Tensor]:
        hidden = hidden + outputs(F.dropout(F.gelu(inputs(lucid.concatenate([hidden, x], 1))), 0.1))
        return hidden, hidden.square().sum(1)

    def layer(x: lucid.Tensor) -> lucid.Tensor:
        last, norms = lucid.scan(cell, lucid.zeros((x.shape[1], 40)), x)
        return last * norms.mean(0)[:, None]

    return Loop(layer, inputs, outputs), (13, 16, 24)


class Residual(nn.Module):
    """A block that is added to its input."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.block = nn.Sequential(*layers)

    def forward(self, x: lucid.Tensor) -> lucid.Tensor:
        return x + self.block(x)


def deep() -> tuple[nn.Module, Shape]:
    layers = [layer for _ in range(30) for layer in (nn.Linear(48, 48), nn.GELU(), nn.Dropout(0.1))]
    return nn.Sequential(*layers, nn.Linear(48, 8)), (32, 48)


def residual() -> tuple[nn.Module, Shape]:
    blocks = [Residual(nn.LayerNorm(32), nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)) for _ in range(30)]
    return nn.Sequential(*blocks, nn.Linear(32, 8)), (32, 32)


def largest_live_set(graph: Graph) -> int:
    """The most bytes that are in use at one node: of what nodes have written to the arena and will still read, and of
    what the body of a loop has there in one of its runs."""
    made: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for number, node in enumerate(graph.nodes):
        for value in (*node.inputs, *node.outputs):
            owner = home(graph, value)
            if owner in graph.places:
                made.setdefault(owner, number)
                last[owner] = number
    for new in (*graph.outputs, *(new for _, new in graph.updates)):
        if home(graph, new) in made:
            last[home(graph, new)] = len(graph.nodes)
    within = [largest_live_set(node.op.body) if isinstance(node.op, Scan) else 0 for node in graph.nodes]
    return max(
        inner + sum(value.type.nbytes for value in made if made[value] <= number <= last[value])
        for number, inner in enumerate(within)
    )


@pytest.mark.parametrize("make", [perceptron, transformer, convolutional, lstm, scan, deep, residual])
def test_the_arena_is_hardly_larger_than_the_largest_live_set(make: Callable[[], tuple[nn.Module, Shape]]) -> None:
    model, shape = make()
    optimizer = optim.Adam(model.parameters())

    @lucid.compile
    def step(x: lucid.Tensor, y: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).reshape((-1, 8)), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    x = lucid.ones(shape)
    graph = step.lower(x, np.zeros(model(x).numel() // 8, np.int64)).graph("planned")
    assert arena_size(graph) <= 1.1 * largest_live_set(graph)


@pytest.mark.parametrize("name", STEPS[1:])  # the values of the first are smaller than what each is aligned to
def test_the_arena_of_a_benchmarks_step_is_hardly_larger(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = benchmark_step(name, monkeypatch)
    step.run(1)
    (program,) = step.programs()
    graph = program.graph("planned")
    assert arena_size(graph) <= 1.1 * largest_live_set(graph)
