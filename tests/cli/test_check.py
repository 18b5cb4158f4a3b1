"""`lucid check` finds the step that is at fault, and shrinks the graph that shows it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from lucid import faults
from lucid.codegen.cpu.scalars import LLVMScalars
from lucid.codegen.cpu.target import CPUExecutable
from lucid.codegen.target import Executable
from lucid.faults import Fault, find_fault, random_arrays
from lucid.ir.graph import Graph
from lucid.ir.ops.elementwise import Sub
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.pipeline import PIPELINE, Pass
from lucid.ir.shrink import Case, shrink
from lucid.ir.text import parse
from lucid.ir.verify import verify
from lucid.targets import load_target

WRONG = """
from dataclasses import replace

from lucid.ir.ops.elementwise import Add, Sub


def wrong(graph):  # x - y -> x + y
    return graph.with_nodes([replace(n, op=Add()) if isinstance(n.op, Sub) else n for n in graph.nodes])


def raises(graph):
    if any(isinstance(node.op, Sub) for node in graph.nodes):
        raise KeyError("sub")
    return graph


def invalid(graph):
    return replace(graph, nodes=graph.nodes[1:]) if len(graph.nodes) > 5 else graph
"""
STEP = ("train.py:train_step", "--input", "x=6x8xf32", "--input", "y=6xi64", "--stage", "traced")
PATIENTLY = ("--seconds", "1000")  # however busy the machine is, shrinking goes on to the end
PASSES = "differentiate,simplify,wrong.py:{},order,fuse"


@pytest.fixture
def step(command: Callable[..., object], tmp_path: Path) -> Path:
    """A training step as an IR file, and wrong passes beside it."""
    (tmp_path / "wrong.py").write_text(WRONG)
    path = tmp_path / "step.ir"
    path.write_text(command("show", *STEP).output)
    return path


def test_a_right_compiler_agrees_with_the_interpreter(step: Path, command: Callable[..., object]) -> None:
    assert command("check", "step.ir").output == (
        "step.ir: interpreted, after each pass, compiled unfused and compiled, all agree.\n"
    )
    found = json.loads(command("check", "step.ir", "--json", "--seed", "3").output)
    assert found == {"agrees": True, "steps": [each.stage for each in PIPELINE], "failing_check": None}
    planned = command("show", "step.ir").output
    step.write_text(planned)
    assert "all agree" in command("check", "step.ir").output
    assert "this one has one" in command("check", "step.ir", "--passes", "prune", code=2).errors


def test_a_planted_wrong_rewrite_is_found_and_shrunk(step: Path, command: Callable[..., object]) -> None:
    done = command("check", "step.ir", *PATIENTLY, "--passes", PASSES.format("wrong"), code=1)
    assert done.output.startswith("wrong is the first step at fault.\n  output %")
    small = parse(Path("step.shrunk.ir").read_text())
    verify(small)
    assert [node.op for node in small.nodes] == [Sub()]
    assert all(value.type.size == 1 for value in small.values())
    again = done.output.splitlines()[-1].removeprefix("  again: lucid ").split()
    assert "wrong is the first step at fault." in command(*again, code=1).output


TRAINING = """
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim


def step_of(width, outputs, loss, kind):
    model = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, outputs))
    optimizer = kind(model.parameters())

    def step(x, y):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


Adam32, Adam128, AdamW32, AdamW128 = (
    step_of(width, 1, F.mse_loss, kind) for kind in (optim.Adam, optim.AdamW) for width in (32, 128)
)
classifier = step_of(16, 2, F.cross_entropy, optim.Adam)
"""


@pytest.mark.parametrize("name", ["Adam32", "Adam128", "AdamW32", "AdamW128", "classifier"])
def test_random_arrays_are_such_that_a_step_of_training_has_them(
    name: str, command: Callable[..., object], tmp_path: Path
) -> None:
    (tmp_path / "training.py").write_text(TRAINING)
    targets = "64xi64" if name == "classifier" else "64x1xf32"
    given = ("--input", "x=64x8xf32", "--input", f"y={targets}", "--stage", "traced")
    command("show", f"training.py:{name}", *given, "--output", "training.ir")
    assert "all agree" in command("check", "training.ir", "--seconds", "0", "--seed", "2").output


def test_random_arrays_are_drawn_by_what_they_are_for() -> None:
    graph = parse(
        "graph(%x: f32[99], %rate: f64[], %classes: i64[99], %square: state f32[99]) { return %x ; %square <- %x }"
    )
    x, rate, classes, square = random_arrays(graph, 0)
    assert x.min() < 0 < square.min()
    assert 0.1 <= rate <= 0.9
    assert set(classes) == {0, 1}


def test_machines_read_the_same(step: Path, command: Callable[..., object]) -> None:
    arguments = ("check", "step.ir", *PATIENTLY, "--passes", PASSES.format("wrong"), "--json", "--output", "small.ir")
    found = json.loads(command(*arguments, code=1).output)
    assert (found["agrees"], found["at_fault"]) == (False, "wrong")
    assert found["shrunk"]["nodes"] == 1 < found["nodes"]
    assert found["again"][:3] == ["lucid", "check", "small.ir"]
    assert len(parse(Path("small.ir").read_text()).nodes) == 1


@pytest.mark.parametrize(
    ("name", "nodes", "message"), [("raises", 1, "KeyError: 'sub'"), ("invalid", 6, "it raises V")]
)
def test_passes_that_fail_are_found_too(
    name: str, nodes: int, message: str, step: Path, command: Callable[..., object]
) -> None:
    output = command("check", "step.ir", *PATIENTLY, "--passes", PASSES.format(name), code=1).output
    assert output.startswith(f"{name} is the first step at fault.\n")
    assert message in output
    assert len(parse(Path("step.shrunk.ir").read_text()).nodes) <= nodes


def test_wrong_code_is_told_from_wrong_passes(step: Path, command: object, monkeypatch: pytest.MonkeyPatch) -> None:
    subtract = LLVMScalars.subtract
    monkeypatch.setattr(LLVMScalars, "subtract", lambda self, x, y: subtract(self, y, x))
    output = command("check", "step.ir", *PATIENTLY, code=1).output
    assert output.startswith("unfused code is the first step at fault.\n")
    assert len(parse(Path("step.shrunk.ir").read_text()).nodes) == 1


class SecondIsWrong:
    """A target that compiles another graph the second time: the first is the unfused one."""

    def __init__(self, other: Graph) -> None:
        self.target, self.other, self.count = load_target("cpu"), other, 0

    def compile(self, graph: Graph) -> Executable:
        self.count += 1
        return self.target.compile(self.other if self.count == 2 else graph)


def test_fused_code_must_have_the_bits_of_unfused_code() -> None:
    graph = parse("graph(%x: f32[64]) { %y = exp %x; %z = mul %y, %y; return %z }")
    nearly = parse("graph(%x: f32[64]) { %d = add %x, %x; %z = exp %d; return %z }")
    arrays, steps = random_arrays(graph, 0), (Pass("fused", fuse),)
    assert find_fault(graph, arrays, load_target("cpu"), steps) is None
    fault = find_fault(graph, arrays, SecondIsWrong(nearly), steps)
    assert fault is not None
    assert (fault.step, fault.kind) == ("compiled code", "values")
    assert fault.sentence.endswith("elements differ in their bits.")


def test_code_that_ends_its_process_is_found_and_shrunk(
    step: Path, command: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CPUExecutable.run

    def crash(self: CPUExecutable, table: int) -> None:
        if os.getpid() != tests:
            os.kill(os.getpid(), signal.SIGKILL)
        run(self, table)

    tests = os.getpid()
    monkeypatch.setattr(CPUExecutable, "run", crash)
    output = command("check", "step.ir", *PATIENTLY, code=1).output
    assert output.startswith(
        "unfused code is the first step at fault.\n  the process that runs it is ended by SIGKILL.\n"
    )
    assert len(parse(Path("step.shrunk.ir").read_text()).nodes) <= 1


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (lambda: os._exit(3), "the process that runs it ends itself with the status 3."),
        (lambda: raise_(ValueError(lambda: 0)), "the process that runs it ends itself with the status 1."),
        (lambda: os.kill(os.getpid(), 40), "the process that runs it is ended by signal 40."),
    ],
    ids=["exit", "an exception that can't be pickled", "a signal without a name"],
)
def test_any_end_of_the_process_is_found(
    end: Callable[[], None], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CPUExecutable, "run", lambda self, table: end())
    graph = parse("graph(%x: f32[2]) { %y = exp %x; return %y }")
    assert find_fault(graph, random_arrays(graph, 0), load_target("cpu")) == Fault("unfused code", "crash", sentence)


def raise_(error: Exception) -> None:
    raise error


def test_an_interrupt_ends_the_process_that_runs_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fork, processes = os.fork, list[int]()

    def recorded() -> int:
        processes.append(fork())
        return processes[-1]

    def run(*_: object) -> None:
        time.sleep(60)
        (tmp_path / "slept").touch()

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def reading(descriptor: int, mode: str) -> IO[Any]:
        signal.setitimer(signal.ITIMER_REAL, 0.05)  # of this process alone: the other one sleeps on
        return open(descriptor, mode)

    monkeypatch.setattr(os, "fork", recorded)
    monkeypatch.setattr(faults, "open", reading, raising=False)
    monkeypatch.setattr(CPUExecutable, "run", run)
    graph = parse("graph(%x: f32[2]) { %y = exp %x; return %y }")
    executable = load_target("cpu").compile(graph)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            faults._run(executable, graph, random_arrays(graph, 0))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ChildProcessError):  # it has been waited for
        os.waitpid(processes[0], os.WNOHANG)
    assert not (tmp_path / "slept").exists()


def test_a_fault_that_needs_its_numbers_is_written_with_them(step: Path, command: Callable[..., object]) -> None:
    Path("picky.py").write_text(
        "from lucid.ir.ops.elementwise import Exp, Minimum\n"
        "from lucid.ir.passes.rewrite import rewrite\n"
        "def large(graph):\n"
        "    return rewrite(graph, {Exp: (clip,)})\n"
        "def clip(node, context):  # exp x -> 2^(1.4427 min(x, 20))\n"
        "    from lucid.ir.ops.elementwise import Mul\n"
        "    from lucid.ir.ops.functions import Exp2\n"
        "    def number(x):\n"
        "        return context.number(x, node.output.type)\n"
        "    clipped = context.build(Minimum(), node.inputs[0], number(20.0))\n"
        "    return context.build(Exp2(), context.build(Mul(), clipped, number(1.4426950216293335)))\n"
    )
    Path("f.ir").write_text("graph(%x: f32[3], %y: f32[3]) { %z = add %x, %y; %e = exp %z; %n = neg %e; return %n }")
    np.save("x.npy", np.float32([1, 30, 2]))
    arguments = ("f.ir", "--passes", "picky.py:large", "--input", "x=x.npy")
    output = command("check", *arguments, code=1).output
    again = output.splitlines()[-1].removeprefix("  again: lucid ").split()
    assert "--input" in again
    assert "large is the first step at fault." in command(*again, code=1).output


def test_a_check_that_fails_must_fail_in_the_same_way() -> None:
    graph = parse('graph(%i: i64[]) { %n = neg %i; check %i, %n, message="at {position}"; return %n }')
    assert find_fault(graph, [np.int64(-1)], load_target("cpu")) is None
    graph = parse(
        'graph(%i: i64[], %v: i64[3]) { check %i, %v, message="at {position} is {value}"; %n = neg %i; return %n }'
    )
    assert find_fault(graph, [np.int64(1), np.arange(3)], load_target("cpu")) is None
    silent = Pass("silent", lambda graph: graph.with_nodes([n for n in graph.nodes if not n.op.has_effect]))
    fault = find_fault(graph, [np.int64(1), np.arange(3)], load_target("cpu"), (silent,))
    assert fault is not None
    assert fault.sentence == "expected the check that fails: at 1 is 1; got no check that fails."


def test_a_check_that_ends_all_alike_is_told(command: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "f.ir").write_text(
        'graph(%i: i64[], %v: i64[3]) { %z: i64[] = const value=1; check %z, %v, message="at {position}"; '
        "%n = neg %i; return %n }"
    )
    assert command("check", "f.ir", code=4).output == (
        "f.ir: a check that fails ends all alike, so that nothing behind it was compared.\n"
        "  at 1\n  hint: give arrays that pass it, with --input.\n"
    )
    found = json.loads(command("check", "f.ir", "--json", code=4).output)
    assert (found["agrees"], found["failing_check"]) == (None, "at 1")


def test_loops_get_shorter() -> None:
    graph = parse(
        "graph(%h: f32[8], %x: f32[50, 8]) { %h1, %ys = scan %h, %x, length=50, carries=1, sequences=1 "
        "(%h: f32[8], %x: f32[8]) { %y = mul %h, %x; return %y, %y }; %e = exp %ys; return %e }"
    )
    case = Case(graph, random_arrays(graph, 0))
    small = shrink(case, lambda case: any(node.op.name == "scan" for node in case.graph.nodes))
    (scan,) = (node.op for node in small.graph.nodes)
    assert scan.length == 1
    assert max(value.type.size for value in small.graph.values()) == 1


def test_shrinking_takes_regions_apart_and_keeps_numbers() -> None:
    graph = parse("""
graph(%x: f32[8, 6], %w: state f32[8, 6]) {
  %a = fused %x, %w @f(%x: f32[8, 6], %w: f32[8, 6]) {
    %m = mul %x, %w
    %s = sub %m, %w
    %e = exp %s
    return %e
  }
  %t = transpose %a, permutation=(1, 0)
  %r = reshape %t, shape=(2, 24)
  return %r ; %w <- %a
}""")
    arrays = random_arrays(graph, 0)

    def shows(case: Case) -> bool:
        return any(isinstance(node.op, Sub) for node in case.graph.nodes)

    inside = Case(graph, arrays)
    small = shrink(inside, lambda case: shows(case) or any(node.op.regions() for node in case.graph.nodes))
    assert [node.op.name for node in small.graph.nodes] == ["sub"]
    assert [array.shape for array in small.arrays] == [value.type.shape for value in small.graph.inputs]
    product = arrays[0] * arrays[1]
    assert any(np.isin(array, product).all() for array in small.arrays), "the operand has the value it had"


def test_inputs_must_fit(step: Path, command: Callable[..., object]) -> None:
    np.save("x.npy", np.ones((6, 8)))
    assert command("check", "step.ir", "--input", "x=x.npy", code=3).errors == (
        "error: expected f32[6, 8] in x.npy for %x, got float64[6, 8].\n"
    )
    assert "the graph has the inputs x, y" in command("check", "step.ir", "--input", "z=x.npy", code=2).errors
    assert "takes an .npy file here, got f32." in command("check", "step.ir", "--input", "x=f32", code=2).errors


def test_python_is_no_ir(command: Callable[..., object]) -> None:
    errors = command("check", "train.py:model", code=3).errors
    assert "error: expected an .ir file, got train.py:model." in errors
    assert "hint: `lucid show FILE.py:NAME --stage traced -o step.ir` writes one." in errors
