"""The work of compiling grows in proportion to the program: bytecode instructions are counted, no time is taken."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.codegen.cpu.machine import machine
from lucid.codegen.cpu.target import _write
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.elementwise import Neg
from lucid.ir.passes.copies import Copies
from lucid.ir.passes.pipeline import PIPELINE
from lucid.ir.types import TensorType, float32
from lucid.ir.verify import verify
from lucid.signature import flatten_call
from lucid.traced_call import trace_call

# What a program of twice the size may take: twice, and a little for what each layer has to tell the others.
GROWTH = 2.3


def instructions(work: Callable[[], object]) -> int:
    """The bytecode instructions that Python executes, but for those of a collection: it calls back for whatever
    earlier tests have left."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    gc.disable()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def layers(count: int) -> Graph:
    """A training step of so many layers."""
    model = nn.Sequential(*[layer for _ in range(count) for layer in (nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU())])
    optimizer = optim.AdamW(model.parameters())

    def step(x: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), x)
        loss.backward()
        optimizer.step()
        return loss

    return traced(step)


def unrolled(count: int) -> Graph:
    """A chain of elementwise ops with its gradient, which becomes one kernel."""
    weight = lucid.Tensor(np.ones(4, np.float32), requires_grad=True)

    def step(x: lucid.Tensor) -> lucid.Tensor:
        h = x
        for _ in range(count):
            h = (h * weight).tanh() + x
        loss = h.sum()
        loss.backward()
        return loss

    return traced(step)


def traced(step: Callable[..., object]) -> Graph:
    trace, _ = trace_call(step, "step", *flatten_call((np.ones((4, 4), np.float32),), {}))
    return trace.graph


def stages(graph: Graph) -> dict[str, int]:
    """The instructions of each stage on the way to the text of a module."""
    counts = {}
    for step in PIPELINE:
        passed: list[Graph] = []
        before = graph
        counts[step.stage] = instructions(lambda: passed.append(step.run(before)))  # noqa: B023  called at once
        (graph,) = passed
        counts[f"{step.stage}, verified"] = instructions(lambda: verify(graph))  # noqa: B023  called at once
    counts["written"] = instructions(lambda: _write(graph, machine()))
    return counts


@pytest.mark.parametrize(("program", "size"), [(layers, 4), (unrolled, 16)])
def test_each_stage_grows_in_proportion(program: Callable[[int], Graph], size: int) -> None:
    stages(program(1))  # what is done once in a process
    small, large = stages(program(size)), stages(program(2 * size))
    assert {stage: large[stage] / count for stage, count in small.items() if large[stage] > GROWTH * count} == {}


def recurrent(length: int) -> Graph:
    """A training step of a recurrent layer over so many elements."""
    weight = lucid.Tensor(np.ones((4, 4), np.float32), requires_grad=True)

    def step(x: lucid.Tensor) -> lucid.Tensor:
        xs = lucid.broadcast_to(x, (length, 4, 4))
        last, ys = lucid.scan(lambda h, x: ((h @ weight + x).tanh(), h * x), x * 0.0, xs)
        loss = last.sum() + ys.sum()
        loss.backward()
        return loss

    return traced(step)


def test_a_loop_takes_as_much_work_whatever_its_length() -> None:
    for length in (1600, 3200):  # both run in chunks, and sum in two levels
        stages(recurrent(length))  # what is done once in a process
    small, large = stages(recurrent(1600)), stages(recurrent(3200))
    assert {stage: large[stage] / count for stage, count in small.items() if large[stage] > 1.1 * count} == {}


def test_tracing_grows_in_proportion() -> None:
    layers(1)
    small, large = instructions(lambda: layers(6)), instructions(lambda: layers(12))
    assert large <= GROWTH * small


def test_a_chain_longer_than_the_stack_is_copied() -> None:
    top = Value(TensorType(float32, (2,)))
    values = [top]
    nodes: list[Node] = []
    for _ in range(sys.getrecursionlimit() + 10):
        values.append(Value(top.type))
        nodes.append(Node(Neg(), (values[-2],), (values[-1],)))
    copied = list(Copies(set(nodes), 1).above((values[-1],)))
    assert len(copied) == len(nodes)
    assert all(after.inputs == before.outputs for before, after in itertools.pairwise(copied))
