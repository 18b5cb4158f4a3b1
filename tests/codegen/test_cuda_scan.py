"""Loops of launches: the loop op on the CUDA targets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch, LaunchPlan, Loop
from lucid.codegen.cuda.source import cuda_source
from lucid.errors import CheckError
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from tests.codegen.simulated import ORDERS, Simulated, same_bits
from tests.codegen.test_cuda_source import cupy_on_the_simulator, header_function_of
from tests.codegen.test_scan import FILTER
from tests.ir.graphs import random_inputs
from tests.oracle import run_compiled

# A loop in a loop, whose carries are states, which reads elements of elements and stacks what it gives.
NESTED = """graph(%h: state f32[3], %x: f32[4, 2, 3], %w: f32[3]) {
  %last, %ys = scan %h, %x, %w, length=4, carries=1, sequences=1, reverse=true (
      %h: f32[3], %x: f32[2, 3], %w: f32[3]) {
    %inner, %zs = scan %h, %x, %w, length=2, carries=1, sequences=1 (%h: f32[3], %x: f32[3], %w: f32[3]) {
      %p = mul %h, %w; %n = add %p, %x; %t = tanh %n
      return %n, %t
    }
    %s = sum %zs, axes=(0,)
    return %inner, %s
  }
  return %ys ; %h <- %last
}"""

GRADIENT = """graph(%h: f32[2, 3], %x: f32[4, 2, 3], %w: f32[3, 3], %seed: f32[2, 3]) {
  %last = scan %h, %x, %w, length=4, carries=1, sequences=1 (%h: f32[2, 3], %x: f32[2, 3], %w: f32[3, 3]) {
    %p = matmul %h, %w; %q = add %p, %x; %n = tanh %q
    return %n
  }
  %gh, %gx, %gw = grad %last, %seed, %h, %x, %w
  return %last, %gh, %gx, %gw
}"""

CHECKED = """graph(%total: state f32[2], %x: f32[3, 2], %i: i64[3]) {
  %last = scan %total, %x, %i, length=3, carries=1, sequences=2 (%h: f32[2], %x: f32[2], %i: i64[]) {
    %n: i64[1] = reshape %i
    check %i, %n, message="place {position}"
    %s = add %h, %x
    return %s
  }
  return ; %total <- %last
}"""


def final(text: str) -> Graph:
    return run_pipeline(differentiate(parse(text))).final


TEXTS = {
    "forward": FILTER.replace("LENGTH", "5").replace(" DIRECTION", ""),
    "reverse": FILTER.replace("LENGTH", "3").replace(" DIRECTION", ", reverse=true"),
    "empty": FILTER.replace("LENGTH", "0").replace(" DIRECTION", ""),
    "nested": NESTED,
    "gradient": GRADIENT,
}


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    return {name: final(text) for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def simulated(graphs: dict[str, Graph]) -> Simulated:
    return Simulated(graphs.values())


@pytest.mark.parametrize("name", TEXTS)
def test_loops_have_the_bits_of_the_cpu_target(name: str, graphs: dict[str, Graph], simulated: Simulated) -> None:
    arrays = random_inputs(graphs[name], seed=3)
    expected = run_compiled(graphs[name], arrays)
    for order in ORDERS:
        assert same_bits(simulated.run(graphs[name], arrays, order), expected), order


def test_the_plan_holds_a_run_once_and_survives_a_file(graphs: dict[str, Graph]) -> None:
    plan = write_module(graphs["nested"]).plan
    (loop,) = (step for step in plan.steps if isinstance(step, Loop))
    assert loop.length == 4
    assert loop.reverse
    assert [step.length for step in loop.steps if isinstance(step, Loop)] == [2]
    assert LaunchPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize("name", ["nested", "gradient"])
def test_the_header_of_the_source_runs_loops(
    name: str, graphs: dict[str, Graph], simulated: Simulated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = graphs[name]
    arrays = [np.array(x) for x in random_inputs(graph, seed=3)]
    expected = run_compiled(graph, arrays)
    outputs, given = header_function_of(cupy_on_the_simulator(), tmp_path, monkeypatch, cuda_source(graph))(*arrays)
    states = dict(zip(graph.inputs, given, strict=True))
    assert same_bits(expected, Outcome(outputs, tuple(states[state] for state, _ in graph.updates)))


def test_a_check_in_a_loop_keeps_states_as_they_are() -> None:
    graph = final(CHECKED)
    simulated = Simulated([graph])
    x = np.ones((3, 2), np.float32)
    outcome = simulated.run(graph, [x, np.array([-1, -1, -1]), np.zeros(2, np.float32)])
    assert outcome.updates[0].tolist() == [3.0, 3.0]
    executable = simulated.executable(graph)
    total, places = np.zeros(2, np.float32), np.array([-1, 0, -1])
    table = executable.new_table()
    table[:] = [array.ctypes.data for array in (x, places, total)]
    with pytest.raises(CheckError, match="place 0"):
        executable.run(table.ctypes.data)
    assert total.tolist() == [0.0, 0.0]


def test_elements_of_a_state_are_not_written_where_a_check_has_failed() -> None:
    """A loop that stacks what becomes a state, where the state is."""
    text = """graph(%x: f32[5, 3], %h: f32[3], %s: state f32[5, 3]) {
  %last, %all = scan %h, %x, length=5, carries=1, sequences=1 (%c: f32[3], %e: f32[3]) {
    %a = mul %c, %e; %b = tanh %a; return %b, %b
  }
  return %last ; %s <- %all
}"""
    module = write_module(final(text))
    plan, state = module.plan, 2
    (loop,) = (step for step in plan.steps if isinstance(step, Loop))
    elements = {number for number, element in enumerate(loop.elements, loop.first) if element.storage == state}
    writers = [step for step in loop.steps if isinstance(step, Launch) and elements & set(step.buffers)]
    assert writers
    assert all(
        plan.status in step.buffers and "if (status[0]) return;" in module.functions[step.function] for step in writers
    )
