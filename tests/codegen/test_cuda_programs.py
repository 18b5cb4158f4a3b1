"""Every op, module, loss, optimizer and example as CUDA C: what the simulator computes, and what NVRTC makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

import lucid.nn as nn
from lucid.codegen.cuda.module import Module, write_module
from lucid.codegen.cuda.nvrtc import Cubin, Figures
from lucid.ir.graph import Graph
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from lucid.ir.types import float64
from tests.codegen.cuda_graphs import GOLDEN, OTHERS
from tests.codegen.cuda_programs import CONTAINERS, MODULES, Run, programs, recorded
from tests.codegen.nvrtc import compile_with_nvrtc
from tests.codegen.simulated import COMPILERS, ORDERS, PER_LIBRARY, Simulated, need_compiler, same_bits
from tests.oracle import Array, run_compiled
from tests.samples import SAMPLES, Sample

ARCHITECTURES = ("sm_70", "sm_80", "sm_90")
SHARED = 48 << 10  # bytes that a block has without asking
REGISTERS = 1 << 16  # of a multiprocessor


def test_every_module_has_a_program() -> None:
    kinds = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    modules = {name for name in kinds if issubclass(getattr(nn, name), nn.Module)} - CONTAINERS
    assert modules - set(MODULES) == set(), "add them to tests/codegen/cuda_programs.py"


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


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    need_compiler()
    ops = [graph for graph, _ in op_graphs().values()]
    return Simulated([*ops, *(run.graph for runs in program_runs().values() for run in runs)])


@pytest.mark.parametrize("name", OPS)
def test_ops_have_the_bits_of_the_cpu_target(name: str, simulated: Simulated) -> None:
    graph, operands = op_graphs()[name]
    expected = run_compiled(graph, operands)
    assert same_bits(simulated.run(graph, operands, ORDERS[len(name) % len(ORDERS)]), expected)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_have_the_bits_of_the_cpu_target(name: str, simulated: Simulated) -> None:
    runs = program_runs()[name]
    assert runs
    for number, run in enumerate(runs):
        assert same_bits(simulated.run(run.graph, run.arrays, ORDERS[number % len(ORDERS)]), run.outcome)


def test_the_order_of_threads_and_blocks_shows_in_no_bit(simulated: Simulated) -> None:
    for name in ("Linear", "LayerNorm", "TransformerDecoder", "Adam", "01_train_digits.py"):
        for run in program_runs()[name][:2]:
            for order in ORDERS:
                assert same_bits(simulated.run(run.graph, run.arrays, order), run.outcome), (name, order)


# NVRTC.


# Functions that small shapes and the programs do not need.
FURTHER = (
    "graph(%x: f32[2, 5000], %y: i64[2, 5000]) { %i = argsort %x; %j = argsort %y; return %i, %j }",
    """graph(%x: f32[2, 3, 8, 8], %w: f32[4, 3, 3, 3], %b: f32[4]) {
  %h = convolution %x, %w, stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1
  %k: f32[1, 4, 1, 1] = reshape %b; %c: f32[2, 4, 8, 8] = broadcast %k; %s = add %h, %c; %y = tanh %s; return %y }""",
    """graph(%x: u8[64, 3, 8, 8], %w: f32[4, 3, 3, 3]) { %f: f32[64, 3, 8, 8] = cast %x
  %y = convolution %f, %w, stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1; return %y }""",
    *GOLDEN.values(),
    *OTHERS.values(),
)


def modules() -> list[Module]:
    """The modules of all ops and programs, and of what they do not need, with names that differ."""
    graphs = dict.fromkeys([graph for graph, _ in op_graphs().values()])
    graphs |= dict.fromkeys(run_pipeline(parse(text)).final for text in FURTHER)
    graphs |= dict.fromkeys(run.graph for runs in program_runs().values() for run in runs)
    return [write_module(graph, f"g{number}_") for number, graph in enumerate(graphs)]


def distinct(found: list[Module]) -> dict[str, str]:
    """The functions of some modules, each text once, whatever its name."""
    texts: dict[str, tuple[str, str]] = {}
    for module in found:
        for name, text in module.functions.items():
            code = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
            texts.setdefault(code.replace(name, ""), (name, code))
    return dict(texts.values())


@cache
def compiled() -> list[tuple[str, dict[str, str], Cubin]]:
    """Every function of every program, for each architecture: the architecture, the text of some functions, and what
    NVRTC makes of them."""
    functions = list(distinct(modules()).items())
    parts = [dict(functions[start : start + PER_LIBRARY]) for start in range(0, len(functions), PER_LIBRARY)]
    jobs = [(architecture, part) for architecture in ARCHITECTURES for part in parts]
    compile_with_nvrtc("", ARCHITECTURES[0])
    with ThreadPoolExecutor(COMPILERS) as pool:

        def of_part(job: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str], Cubin]:
            architecture, part = job
            return architecture, part, compile_with_nvrtc("\n".join(part.values()), architecture)

        return list(pool.map(of_part, jobs))


def figures() -> dict[str, dict[str, Figures]]:
    """What NVRTC says of each of these functions, by architecture."""
    result: dict[str, dict[str, Figures]] = {architecture: {} for architecture in ARCHITECTURES}
    for architecture, part, cubin in compiled():
        assert set(cubin.figures) == set(part)
        result[architecture] |= cubin.figures
    return result


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_every_function_without_spills(architecture: str) -> None:
    for name, figure in figures()[architecture].items():
        assert figure.spilled == figure.stack == 0, name
        assert figure.shared <= SHARED, name
        assert figure.registers * 256 <= REGISTERS, name


def test_spills_are_noticed() -> None:
    lines = [f"float x{n} = a[{n} * threadIdx.x];" for n in range(300)]
    lines += [f"a[{n} + threadIdx.x] = x{n} * x{(n * 7) % 300};" for n in range(300)]
    head = 'extern "C" __global__ void __launch_bounds__(1024) many(float* a)'
    found = compile_with_nvrtc(f"{head} {{ {' '.join(lines)} }}", "sm_80").figures["many"]
    assert found.spilled > 0
    fill = "int b[50]; for (int i = 0; i < 99; ++i) b[a[i]] = i;"
    array = f'extern "C" __global__ void local(int* a) {{ {fill} *a = b[*a]; }}'
    assert compile_with_nvrtc(array, "sm_80").figures["local"].stack >= 200
    shared = (
        'extern "C" __global__ void big(float* a) { __shared__ float s[5000]; s[threadIdx.x] = a[0]; a[1] = s[2]; }'
    )
    assert compile_with_nvrtc(shared, "sm_80").figures["big"].shared == 20000
