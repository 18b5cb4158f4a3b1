"""Whole training steps: every stage parses back and computes the same, and fusion changes no bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.ir.graph import Graph, same
from lucid.ir.interpret import Outcome, interpret
from lucid.ir.ops.random import RandomKeep
from lucid.ir.ops.structure import Check, Fused
from lucid.ir.passes.pipeline import PIPELINE, UNFUSED, run_pipeline
from lucid.ir.text import parse, print_graph
from tests.compile.steps import STEPS, Make, inputs_for
from tests.ir.graphs import graphs, random_inputs
from tests.oracle import assert_close, assert_same_bits, run_compiled


def traced(make: Make) -> lucid.compiler.Program:
    lucid.seed(0)
    step, batch = make()
    return lucid.compile(step).lower(*batch)


def assert_outcomes_agree(expected: Outcome, found: Outcome, message: str) -> None:
    for name in ("outputs", "updates"):
        for number, (x, y) in enumerate(zip(getattr(expected, name), getattr(found, name), strict=True)):
            assert_close(x, y, f"{name}[{number}] of {message}")


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_every_stage_parses_back(make: Make) -> None:
    program = traced(make)
    assert program.stages[0] == "traced"
    assert program.stages[-2:] == ("fused", "planned")
    for stage in program.stages:
        graph = program.graph(stage)
        again = parse(program.ir(stage))
        assert same(graph, again), stage
        assert same(graph, parse(print_graph(again))), stage


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_stage_computes_the_same(make: Make, seed: int) -> None:
    program = traced(make)
    first = program.graph("traced")
    inputs = inputs_for(first, seed)
    expected = interpret(first, inputs)
    for stage in program.stages[1:]:
        assert_outcomes_agree(expected, interpret(program.graph(stage), inputs), stage)
        assert_outcomes_agree(expected, interpret(parse(program.ir(stage)), inputs), f"{stage}, parsed")
    assert_outcomes_agree(expected, run_compiled(program.graph(), inputs), "the compiled step")


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_fusion_changes_no_bit_of_a_step(make: Make) -> None:
    graph = traced(make).graph("traced")
    fused, unfused = run_pipeline(graph, PIPELINE).final, run_pipeline(graph, UNFUSED).final
    assert any(isinstance(node.op, Fused) for node in fused.nodes)
    assert not any(isinstance(node.op, Fused) for node in unfused.nodes)
    for seed in range(3):
        assert_same_bits(unfused, fused, inputs_for(graph, seed))


@given(graph=graphs(exclude=(Check,)), seed=st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_fusion_changes_no_bit_of_a_random_graph(graph: Graph, seed: int) -> None:
    fused, unfused = run_pipeline(graph, PIPELINE).final, run_pipeline(graph, UNFUSED).final
    assert_same_bits(unfused, fused, random_inputs(graph, seed))


def test_forward_and_backward_parse_back() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 2))
    program = lucid.compile(model).lower(Tensor(np.ones((3, 4), np.float32), requires_grad=True))
    assert program.backward is not None
    for part in (program, program.backward):
        for stage in part.stages:
            assert same(part.graph(stage), parse(part.ir(stage))), stage
    again = [interpret(program.graph(stage), inputs_for(program.graph(stage))) for stage in ("partitioned", "fused")]
    assert_outcomes_agree(*again, "the forward")
    backward = program.backward
    again = [interpret(backward.graph(stage), inputs_for(backward.graph(stage))) for stage in ("partitioned", "fused")]
    assert_outcomes_agree(*again, "the backward")


def test_the_story_of_linear_and_dropout() -> None:
    """Mask, multiply and scale are separate ops as traced, and one kernel with the bias in the end."""
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5))
    program = lucid.compile(model).lower(np.ones((3, 4), np.float32))
    names = [node.op.name for node in program.graph("traced").nodes]
    assert names.index("matmul") < names.index("add") < names.index("random_keep") < names.index("mul")
    assert names.count("mul") == 2
    bodies = [node.op.body.nodes for node in program.graph("fused").nodes if isinstance(node.op, Fused)]
    (inside,) = [nodes for nodes in bodies if any(isinstance(node.op, RandomKeep) for node in nodes)]
    assert [node.op.name for node in inside if node.op.name in ("add", "mul")] == ["add", "mul", "mul"]
    backward = program.backward
    assert backward is not None
    assert not any(node.op.name == "grad" for node in program.graph("differentiated").nodes)


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_locations_name_the_users_lines(make: Make) -> None:
    program = traced(make)
    nodes = program.graph("traced").nodes
    files = {node.location.file.rsplit("/", 1)[-1] for node in nodes if node.location and node.location.file}
    assert files
    assert files <= {"steps.py", "training.py"}  # the models, and the step that they share
