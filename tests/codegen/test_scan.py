"""Compiled loops: equal to the interpreter, whatever their carries, and no longer than their body."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lucid.codegen.cpu.target import CPUTarget
from lucid.codegen.memory import arena_size, home, plan
from lucid.codegen.threads import get_num_threads, set_num_threads
from lucid.errors import CheckError
from lucid.ir.graph import Graph, Node, Value, same
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.loop import Scan
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.order import order
from lucid.ir.passes.pipeline import PIPELINE, UNFUSED, run_pipeline
from lucid.ir.text import parse, print_graph
from lucid.ir.types import bool_, int64
from lucid.ir.verify import verify
from tests.codegen.processors import need_wider_than
from tests.ir.graphs import graphs, random_inputs
from tests.oracle import Array, assert_compiled_matches, assert_same_bits, bits, run_compiled
from tests.samples import SAMPLES, Sample


def check(text: str, seed: int = 0) -> Graph:
    """Compile a program whole, fused and unfused, and hold it against the interpreter; the planned graph."""
    graph = differentiate(parse(text))
    inputs = random_inputs(graph, seed)
    assert_compiled_matches(graph, inputs)
    final = run_pipeline(graph, PIPELINE).final
    assert_compiled_matches(final, inputs)
    assert_same_bits(final, run_pipeline(graph, UNFUSED).final, inputs)
    planned = plan(final)
    verify(planned)
    assert same(parse(print_graph(planned)), planned)
    return planned


# Sums, products, running results, in both directions.
FILTER = """graph(%h: f32[2, 3], %x: f32[LENGTH, 2, 3], %w: f32[3, 3], %b: f32[3]) {
  %last, %ys = scan %h, %x, %w, %b, length=LENGTH, carries=1, sequences=1 DIRECTION (
      %h: f32[2, 3], %x: f32[2, 3], %w: f32[3, 3], %b: f32[3]) {
    %p = matmul %h, %w; %r: f32[2, 3] = broadcast %b; %q = add %p, %r; %t = add %q, %x; %n = tanh %t
    %s = sum %n, axes=(1,); %u: f32[3, 2] = broadcast %s; %y = transpose %u, permutation=(1, 0); %z = mul %y, %x
    return %n, %z
  }
  return %last, %ys
}"""


@pytest.mark.parametrize("direction", ["", ", reverse=true"])
@pytest.mark.parametrize("length", [0, 1, 7])
def test_lengths_and_directions(length: int, direction: str) -> None:
    check(FILTER.replace("LENGTH", str(length)).replace(" DIRECTION", direction))


def test_kernels_store_twice_what_a_run_gives_twice() -> None:
    planned = check("""graph(%h: f32[2, 3], %c: f32[2, 3], %x: f32[4, 2, 3], %w: f32[3, 3]) {
      %p, %q, %all, %before, %cells = scan %h, %c, %x, %w, length=4, carries=2, sequences=1 (
          %h: f32[2, 3], %c: f32[2, 3], %x: f32[2, 3], %w: f32[3, 3]) {
        %p = matmul %h, %w; %s = add %p, %x; %d = mul %s, %c; %n = tanh %d
        return %n, %d, %n, %h, %c
      }
      return %p, %q, %all, %before, %cells
    }""")
    (body,) = (node.op.body for node in planned.nodes if isinstance(node.op, Scan))
    (copy,) = (node for node in body.nodes if isinstance(node.op, Detach))
    assert copy.inputs == body.arguments[:1]  # no kernel has it in its hands: only the product reads it


def test_carries_that_change_places() -> None:
    check("""graph(%a: f32[5], %b: f32[5], %c: f32[5]) {
      %x, %y, %z, %s = scan %a, %b, %c, length=5, carries=3, sequences=0 (%a: f32[5], %b: f32[5], %c: f32[5]) {
        %d = add %a, %b; return %b, %c, %d, %a
      }
      return %x, %y, %z, %s
    }""")


def test_one_value_as_carries_and_results() -> None:
    check("""graph(%a: f32[5], %b: f32[5]) {
      %x, %y, %s, %t = scan %a, %a, %b, length=5, carries=2, sequences=0 (%a: f32[5], %b: f32[5], %k: f32[5]) {
        %d = sub %a, %b; %e = mul %d, %k; return %e, %e, %e, %k
      }
      %u = add %x, %y
      return %x, %y, %u, %s, %t
    }""")


def test_a_loop_in_a_loop() -> None:
    check("""graph(%h: f32[4], %x: f32[3, 5, 4], %k: f32[4]) {
      %last, %ys = scan %h, %x, %k, length=3, carries=1, sequences=1, reverse=true (
          %h: f32[4], %x: f32[5, 4], %k: f32[4]) {
        %g = neg %h
        %p, %q = scan %g, %x, %k, length=5, carries=1, sequences=1 (%h: f32[4], %x: f32[4], %k: f32[4]) {
          %a = mul %h, %x; %b = add %a, %k; %c = tanh %b; %r = transpose %c, permutation=(0,)
          %m = sum %r, axes=(0,); return %c, %m
        }
        %t = sum %q, axes=(0,); %u: f32[4] = broadcast %t; %v = add %p, %u; %w = tanh %v
        return %w, %q
      }
      return %last, %ys
    }""")


def test_a_carry_is_updated_where_it_lies_and_so_is_a_state() -> None:
    text = """graph(%x: f32[6, 4], %w: state f32[4]) {
      %n = scan %w, %x, length=6, carries=1, sequences=1 (%w: f32[4], %x: f32[4]) { %v = sub %w, %x; return %v }
      return ; %w <- %n
    }"""
    planned = check(text)
    (state,) = planned.states
    ((_, new),) = planned.updates
    (scan,) = (node.op for node in planned.nodes if isinstance(node.op, Scan))
    assert home(planned, new) is state
    assert home(scan.body, scan.body.outputs[0]) is scan.body.arguments[0]


def test_temporaries_of_a_body_are_in_the_arena_once() -> None:
    text = FILTER.replace(" DIRECTION", "")
    short, long = (arena_size(plan(parse(text.replace("LENGTH", str(length))))) for length in (4, 400))
    assert short == long > 0


def test_every_op_computes_the_same_in_a_loop() -> None:
    """A loop whose runs compute the first sample of each op, on operands that differ from run to run."""
    nodes, arguments, outputs, stacks = list[Node](), list[Value](), list[Value](), list[Array]()
    for name, (sample, *_) in SAMPLES.items():
        if name in ("grad", "custom_vjp", "check"):  # two are written out before, the third has no result
            continue
        alone = sample.graph()
        nodes += alone.nodes
        arguments += alone.arguments
        outputs += alone.outputs
        stacks += [np.stack([x, x[::-1] if x.ndim and x.dtype.kind == "f" else x]) for x in sample.operands]
    scan = Scan(Graph("all", tuple(arguments), (), tuple(nodes), tuple(outputs)), 2, 0, len(arguments), True)
    assert_compiled_matches(Sample(scan, tuple(stacks)).graph(), stacks)


CHECKED = """graph(%n: i64[3], %w: state f32[4], %v: state f32[4]) {
  %new = neg %w
  %last, %least = scan %v, %n, length=3, carries=1, sequences=1 (%v: f32[4], %n: i64[]) {
    %zero: i64[] = const value=0; %ok = less_equal %zero, %n; %none: i64[] = const value=-1
    %p = where %ok, %none, %zero
    check %p, %n, message="{value} is negative"
    %f: f32[] = cast %n; %g: f32[4] = broadcast %f; %u = add %v, %g; return %u, %f
  }
  return %least ; %w <- %new, %v <- %last
}"""


def test_a_check_in_a_loop_fails_before_any_state_is_written() -> None:
    graph = run_pipeline(parse(CHECKED)).final
    executable = CPUTarget().compile(graph)
    before = np.arange(4, dtype=np.float32)
    states = before.copy(), before.copy()
    numbers, least = np.array([5, -7, 3]), np.empty(3, np.float32)
    table = executable.new_table()
    table[:4] = [array.ctypes.data for array in (numbers, *states, least)]
    with pytest.raises(CheckError) as caught:
        executable.run(table.ctypes.data)
    assert caught.value.sentence == "-7 is negative"
    for state in states:
        np.testing.assert_array_equal(state, before)
    numbers[1] = 7
    executable.run(table.ctypes.data)
    np.testing.assert_array_equal(states[0], -before)
    np.testing.assert_array_equal(states[1], before + 15)


GRADIENT = FILTER.replace(
    "  return %last, %ys\n",
    "  %y2 = mul %ys, %ys; %s = sum %y2, axes=(0,); %t = mul %s, %last; %one: f32[2, 3] = const value=1.0\n"
    "  %gh, %gx, %gw, %gb = grad %t, %one, %h, %x, %w, %b; return %t, %gh, %gx, %gw, %gb\n",
)


@pytest.mark.parametrize("length", [0, 1, 7])
def test_gradients(length: int) -> None:
    check(GRADIENT.replace("LENGTH", str(length)).replace(" DIRECTION", ""))


@pytest.mark.parametrize(("threads", "cpu"), [(3, ""), (1, "x86-64-v3")])
def test_bits_do_not_depend_on_threads_or_vectors(threads: int, cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if cpu:
        need_wider_than(cpu)
    text = GRADIENT.replace("LENGTH", "5").replace(" DIRECTION", "")
    for small, large in (("2, 3", "96, 160"), ("3, 3", "160, 160"), ("[3]", "[160]"), ("3, 2]", "160, 96]")):
        text = text.replace(small, large)
    text = text.replace("f32[5, 2, 3]", "f32[5, 96, 160]")
    graph = run_pipeline(parse(text)).final
    inputs = [0.1 * x for x in random_inputs(graph, 0)]
    inputs = [x.astype(np.float32) for x in inputs]
    before = get_num_threads()
    try:
        set_num_threads(1)
        expected = run_compiled(graph, inputs).outputs
        set_num_threads(threads)
        monkeypatch.setenv("LUCID_CPU", cpu)
        got = run_compiled(graph, inputs).outputs
    finally:
        set_num_threads(before)
    for x, y in zip(expected, got, strict=True):
        np.testing.assert_array_equal(bits(x), bits(y))


@given(graphs(loops=True), st.integers(0, 5))
@settings(max_examples=20)
def test_random_loops_keep_their_bits_when_fused(graph: Graph, seed: int) -> None:
    inputs = random_inputs(graph, seed)
    fused, unfused = run_pipeline(graph).final, run_pipeline(graph, UNFUSED).final
    assert_same_bits(fused, unfused, inputs)
    verify(plan(fused))


@given(graphs(dtypes=(int64, bool_), loops=True), st.integers(0, 5))
@settings(max_examples=20)
def test_random_loops_of_integers(graph: Graph, seed: int) -> None:
    inputs = random_inputs(graph, seed)
    assert_compiled_matches(order(graph), inputs)
    assert_compiled_matches(run_pipeline(graph).final, inputs)


def test_code_does_not_grow_with_the_length() -> None:
    def lines(length: int) -> int:
        graph = run_pipeline(parse(GRADIENT.replace("LENGTH", str(length)).replace(" DIRECTION", ""))).final
        return len(CPUTarget().compile(graph).llvm_ir().splitlines())

    # The sums around the loop are cut into as many levels.
    assert lines(3200) < 1.1 * lines(1600)
    assert lines(250) < 1.1 * lines(8)
