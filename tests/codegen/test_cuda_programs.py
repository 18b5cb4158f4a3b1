"""Every op, module, loss, optimizer and example as CUDA C, which the simulator executes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

import lucid.nn as nn
from lucid.ir.graph import Graph
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.types import float64
from tests.codegen.cuda_programs import CONTAINERS, MODULES, Run, optimizer_cases, optimizers, programs, recorded
from tests.codegen.simulated import ORDERS, Simulated, need_compiler, same_bits
from tests.oracle import Array, run_compiled
from tests.samples import SAMPLES, Sample


def test_every_module_has_a_program() -> None:
    kinds = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    modules = {name for name in kinds if issubclass(getattr(nn, name), nn.Module)} - CONTAINERS
    assert modules - set(MODULES) == set(), "add them to tests/codegen/cuda_programs.py"


def test_every_optimizer_has_a_program() -> None:
    assert {name for name, _ in optimizer_cases()} == set(optimizers())


# Ops.


def op_samples() -> Iterator[tuple[str, Sample]]:
    """Each sample that a target compiles: as it is, and with float32 for its float64 arrays."""
    for name, samples in SAMPLES.items():
        for number, sample in enumerate(samples):
            if isinstance(sample.op, Grad):  # `differentiate` writes it out
                continue
            yield f"{name}-{number}", sample
            narrow = tuple(x.astype("f") if x.dtype == float64.numpy and x.ndim else x for x in sample.operands)
            changed = any(x.dtype != y.dtype for x, y in zip(narrow, sample.operands, strict=True))
            if changed and not sample.op.regions():  # which have types of their own
                yield f"{name}-{number}-f32", Sample(sample.op, narrow)


@cache
def op_graphs() -> dict[str, tuple[Graph, tuple[Array, ...]]]:
    return {name: (run_pipeline(sample.graph()).final, sample.operands) for name, sample in op_samples()}


OPS = sorted(name for name, _ in op_samples())
PROGRAMS = sorted(programs())


@cache
def program_runs() -> dict[str, list[Run]]:
    return {name: recorded(program) for name, program in programs().items()}


def graphs() -> list[Graph]:
    """Those of all ops and programs, each once."""
    ops = [graph for graph, _ in op_graphs().values()]
    return list(dict.fromkeys([*ops, *(run.graph for runs in program_runs().values() for run in runs)]))


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    need_compiler()
    return Simulated(graphs())


@pytest.mark.parametrize("name", OPS)
def test_ops_have_the_bits_of_the_cpu_target_in_every_order(name: str, simulated: Simulated) -> None:
    graph, operands = op_graphs()[name]
    expected = run_compiled(graph, operands)
    for order in ORDERS:
        assert same_bits(simulated.run(graph, operands, order), expected), order


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_have_the_bits_of_the_cpu_target_in_every_order(name: str, simulated: Simulated) -> None:
    runs = program_runs()[name]
    assert runs
    for number, run in enumerate(runs):
        for order in ORDERS:
            assert same_bits(simulated.run(run.graph, run.arrays, order), run.outcome), (number, order)
