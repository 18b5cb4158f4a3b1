"""The simulator of CUDA: it runs whole training steps with the bits of the CPU, and finds what is planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest

import lucid
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import LaunchPlan
from lucid.codegen.cuda.simulator import library
from lucid.codegen.cuda.simulator.library import Library, SimulationError, build
from lucid.codegen.cuda.simulator.target import CUDASimulatorTarget, SimulatorExecutable
from lucid.codegen.target import Code
from lucid.errors import ArgumentError, CheckError, CompileError
from lucid.ir.graph import Graph
from lucid.ir.text import parse
from lucid.pytree import flatten
from tests.codegen.simulated import ORDERS, need_compiler, on_grid
from tests.compile.steps import STEPS, Make
from tests.ir.graphs import random_inputs
from tests.oracle import bits, run_compiled, run_executable


@pytest.fixture(autouse=True)
def _compiler() -> None:
    need_compiler()


# Whole steps.


def trajectory(make: Make, target: str) -> list[bytes]:
    """Everything that three calls of a step return, and the random state behind them."""
    lucid.seed(5)
    step, batch = make()
    compiled = lucid.compile(step, target=target)
    results = [leaf.numpy().tobytes() for _ in range(3) for leaf in flatten(compiled(*batch))[0]]
    assert len(compiled.programs) == 1
    return [*results, repr(lucid.get_state()).encode()]


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_training_steps_have_the_bits_of_the_cpu_target(make: Make) -> None:
    assert trajectory(make, "cuda-sim") == trajectory(make, "cpu")


def test_a_compiled_module_runs_its_backward_there_too() -> None:
    gradients = []
    for target in ("cpu", "cuda-sim"):
        lucid.seed(1)
        model = lucid.nn.Sequential(lucid.nn.Linear(5, 4), lucid.nn.Dropout(0.5), lucid.nn.Linear(4, 2))
        x = lucid.Tensor(np.linspace(-1, 1, 15, dtype=np.float32).reshape(3, 5), requires_grad=True)
        lucid.compile(model, target=target)(x).sum().backward()
        gradients.append([p.grad.numpy().tobytes() for p in (x, *model.parameters())])
    assert gradients[0] == gradients[1]


def test_repeat_is_the_calls_one_by_one() -> None:
    xs = np.arange(12, dtype=np.float32).reshape(4, 3)
    total = lucid.zeros(3)

    @lucid.compile(target="cuda-sim")
    def add(x):
        with lucid.no_grad():
            total.copy_(total + x)
        return total * 2.0

    assert add.repeat(xs).tolist() == (2 * xs.cumsum(0)).tolist()
    assert total.tolist() == xs.sum(0).tolist()


def test_a_failed_check_changes_nothing() -> None:
    weight = lucid.ones(2, 3)
    weight.requires_grad_()
    optimizer = lucid.optim.SGD([weight], lr=0.5)

    @lucid.compile(target="cuda-sim")
    def step(x, y):
        optimizer.zero_grad()
        loss = lucid.nn.functional.cross_entropy(x @ weight, y)
        loss.backward()
        optimizer.step()
        return loss

    x, state = np.ones((2, 2), np.float32), lucid.get_state()
    with pytest.raises(CheckError, match="target 7 at position 1 is out of range"):
        step(x, np.array([0, 7]))
    assert weight.tolist() == [[1.0] * 3] * 2
    assert lucid.get_state() == state
    step(x, np.array([0, 2]))
    assert weight.tolist() != [[1.0] * 3] * 2


def test_the_first_check_that_fails_is_the_one_reported_and_guards_every_write() -> None:
    text = """graph(%i: i64[], %j: i64[], %n: i64[4], %m: u8[4], %s: state f32[4], %t: state f32[4]) {
  check %i, %n, message="first {position} {value}"
  check %j, %m, message="second {position} {value}"
  %a: f32[4] = neg %s
  %b: f32[4] = neg %t
  return %a ; %s <- %a, %t <- %b
}"""
    graph = parse(text)
    executable = CUDASimulatorTarget().compile(graph)
    assert executable.may_fail
    assert {launch.function for launch in executable.plan.steps if executable.plan.status in launch.buffers} == {
        *("check_i64", "check_u8"),
        *(name for name, text in executable.module().functions.items() if "kernel" in name and "status[0]" in text),
    }
    states = [np.ones(4, np.float32), np.full(4, 2, np.float32)]
    numbers = np.array([5, 6, 7, -8]), np.array([1, 2, 3, 255], np.uint8)
    for i, j, message in [(-1, -1, ""), (-1, 3, "second 3 255"), (3, 2, "first 3 -8")]:
        arrays = [np.int64(i), np.int64(j), *numbers, *states]
        if message:
            with pytest.raises(CheckError, match=f"^{message}"):
                run_executable(executable, graph, arrays)
        else:
            assert run_executable(executable, graph, arrays).updates[1].tolist() == [-2.0] * 4


def test_a_plan_survives_a_file() -> None:
    step, batch = STEPS[0]()
    plan = write_module(lucid.compile(step).lower(*batch).graph()).plan
    assert LaunchPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_second_process_finds_the_library_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    step, batch = STEPS[3]()
    lucid.compile(step, target="cuda-sim").lower(*batch)

    def refuse(*_: object) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr("lucid.codegen.cuda.simulator.target.build", refuse)
    program = lucid.compile(step, target="cuda-sim").lower(*batch)
    assert "__global__" in program.cuda_source()
    assert program.stages[-1] == "planned"


# What users are told.


def test_unknown_target() -> None:
    with pytest.raises(ArgumentError, match=r"^target 'tpu' is not known; expected"):
        lucid.compile(lambda x: x, target="tpu")


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    library.compiler.cache_clear()
    library.identity.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    try:
        with pytest.raises(CompileError) as raised:
            lucid.compile(lambda x: x + 1.0, target="cuda-sim")(np.ones(3, np.float32))
    finally:
        library.compiler.cache_clear()
    assert raised.value.sentence == (
        "target 'cuda-sim' runs CUDA C as C++ and needs a C++ compiler; there is no g++ and no clang++ on the PATH."
    )
    assert "a tool for developers of Lucid: target='cpu' needs none" in str(raised.value)


@pytest.mark.parametrize("name", ["clang++-99", "g++ -O0"])
def test_a_compiler_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", name)
    library.compiler.cache_clear()
    try:
        with pytest.raises(CompileError) as raised:
            library.compiler()
    finally:
        library.compiler.cache_clear()
    assert raised.value.sentence == (f"CXX is the C++ compiler of target 'cuda-sim', and there is no program '{name}'.")
    assert raised.value.hint == (
        "name a compiler without arguments, such as g++, by its name on the PATH or its path; or unset CXX."
    )


def test_a_compiler_that_says_nothing() -> None:
    with (
        mock.patch.object(library, "compiler", return_value="/bin/false"),
        pytest.raises(CompileError, match=r"/bin/false refuses the CUDA C of a program: exit status 1"),
    ):
        library.build("", [])


def test_what_a_program_for_cuda_does_not_have() -> None:
    program = lucid.compile(lambda x: x + 1.0, target="cuda-sim").lower(np.ones(3, np.float32))
    with pytest.raises(CompileError, match="has no LLVM IR"):
        program.llvm_ir()
    with pytest.raises(CompileError, match="has no assembly"):
        program.assembly()


# Planted faults. Each of them would go unnoticed where the simulator did not look.

SUM = "graph(%x: f32[7, 50]) { %y: f32[7] = sum %x, axes=(1,), lanes=16; return %y }"
PRODUCT = "graph(%x: f32[70, 41], %y: f32[41, 70]) { %z: f32[70, 70] = matmul %x, %y, chunk=41; return %z }"
MAP = "graph(%x: f32[200]) { %y: f32[200] = exp %x; return %y }"  # of 50 quads

BARRIER = "__syncthreads();  // the tiles are written, and those before them have been read"
OTHER = "which ^= 1;"
WRITE = "a_tile[which][l][r] = a_next[i];"


def planted(text: str, old: str, new: str) -> tuple[Graph, Callable[[int], SimulatorExecutable]]:
    """A graph, and what runs it in an order, with something replaced in its CUDA C."""
    graph = parse(text)
    module = write_module(graph)
    assert module.text.count(old) == 1
    code = Code(module.plan.to_json(), build(module.text.replace(old, new), module.plan.functions))
    loaded = Library(code.machine_code)
    return graph, lambda order: SimulatorExecutable(code, lambda: module, order, loaded)


@pytest.mark.parametrize(
    ("text", "old", "new", "message"),
    [
        (MAP, "i0 < 50; ", "i0 < 51; ", "illegal access to memory"),
        (MAP, "(b0 + 4 * i0)", "(b0 + 4 * i0 - 1028)", "illegal access to memory"),
        (MAP, "(b0 + 4 * i0)", "(b0 + 4 * i0 + 1)", "access to 16 bytes at address"),
        (SUM, "i3 < 50;", "i3 < 51;", "illegal access to memory"),
        (PRODUCT, "inside = row0 + r < m && ", "inside = ", "illegal access to memory"),
        (SUM, "0xffffu <<", "0xfffffu <<", "waits with mask 0xfffff for a lane with mask 0xffff0000"),
        (
            PRODUCT,
            BARRIER,
            "if (threadIdx.x < 200) __syncthreads();\nelse __syncthreads();",
            "another thread at that of line",
        ),
        (PRODUCT, OTHER, "if (threadIdx.x < 200) return;", "which 200 threads never reach"),
        (SUM, "i0 < 7; i0", "i0 < 7 && lane != 3; i0", "waits for threads that never come"),
    ],
)
def test_what_is_undefined_is_an_error(text: str, old: str, new: str, message: str) -> None:
    graph, executable = planted(text, old, new)
    with pytest.raises(SimulationError, match=rf"^\w+, block \(\d+, \d+\), thread \d+: .*({message})"):
        run_executable(executable(0), graph, random_inputs(graph, seed=0))


def test_a_store_in_front_of_an_array_is_an_error() -> None:
    """Where the memory does not begin with a page, so that nothing stops it."""
    graph, executable = planted(SUM, "b1[i0] = v1;", "b1[i0 - 1] = v1;")
    with pytest.raises(SimulationError, match=r"^a kernel has written in front of an array"):
        run_executable(executable(0), graph, random_inputs(graph, seed=0))


@pytest.mark.parametrize(
    ("old", "new"),
    [(BARRIER, ""), (OTHER, ""), (WRITE, f"if (l != 3) {WRITE}")],
    ids=["no barrier", "one tile instead of two", "uninitialised shared memory"],
)
def test_what_depends_on_the_order_of_threads_has_other_bits(old: str, new: str) -> None:
    graph, executable = planted(PRODUCT, old, new)
    arrays = random_inputs(graph, seed=0)
    expected = bits(run_compiled(graph, arrays).outputs[0])
    runs = [bits(run_executable(executable(order), graph, arrays).outputs[0]) for order in ORDERS]
    assert any((run != expected).any() for run in runs)


def test_a_race_between_blocks_has_other_bits() -> None:
    graph, executable = planted(MAP, "(b1 + 4 * i0)", "(b1 + 4 * (i0 / 2))")
    runs = set()
    for order in (0, 1):
        one = executable(order)
        one.plan = on_grid(one.plan, 2, 32)
        runs.add(run_executable(one, graph, random_inputs(graph, seed=0)).outputs[0][:100].tobytes())
    assert len(runs) == 2
