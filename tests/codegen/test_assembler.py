"""Object code that several threads make is what one makes, and no helper outlives a compilation."""

from __future__ import annotations

import ctypes
import functools
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite.binding import ffi

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import compiler
from lucid.codegen.cpu import assembler, machine as processors, target
from lucid.codegen.cpu.ahead import expected
from lucid.codegen.cpu.assembler import TURN, Job, assemble_once, begin_once, helped, submit
from lucid.codegen.cpu.machine import LEVEL, QUICK, Parsed, assemble, machine
from lucid.codegen.cpu.runner import run_text
from lucid.codegen.cpu.team_text import team_text
from lucid.codegen.threads import get_num_threads, set_num_threads
from lucid.traced_call import trace_call


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = get_num_threads()
    set_num_threads(3)
    yield
    set_num_threads(before)


def helpers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "lucid assembler"]


def test_threads_make_what_llvmlite_makes() -> None:
    texts = [team_text(*machine().layout()), run_text(*machine().layout())]
    expected = [machine().target_machine().emit_object(llvm.parse_assembly(text)) for text in texts]
    counted = threading.Event()

    def code(text: str) -> bytes:
        counted.wait()
        return assemble(machine(), text)

    with helped():
        jobs = [submit(functools.partial(code, text)) for text in texts * 4]
        assert len(helpers()) == 2
        counted.set()
    assert not helpers()
    assert [job.result() for job in jobs] == expected * 4


def test_a_failure_of_llvm_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    create = ffi.lib.LLVMPY_CreateString
    create.argtypes, create.restype = [ctypes.c_char_p], ctypes.c_void_p

    def emit(_machine: object, _module: object, _is_object: bool, message: Any) -> None:
        ctypes.cast(message, ctypes.POINTER(ctypes.c_void_p))[0] = create(b"no such file type")

    monkeypatch.setattr(processors, "_emission", lambda: (emit, *[None] * 3))
    with pytest.raises(RuntimeError, match=r"^no such file type$"):
        assemble(machine(), team_text(*machine().layout()))


def test_code_does_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program of several modules, with products, whose tasks have chunks for several threads."""
    monkeypatch.setenv("LUCID_CACHE", "0")
    model = nn.Sequential(nn.TransformerEncoderLayer(44, 4, 70, 0.1, batch_first=True), nn.GELU(), nn.Linear(44, 10))
    optimizer = optim.Adam(model.parameters())
    x = np.ones((37, 23, 44), np.float32)

    def step(x: lucid.Tensor) -> None:
        optimizer.zero_grad()
        F.log_softmax(model(x), -1).mean().backward()
        optimizer.step()

    def code(threads: int) -> bytes:
        set_num_threads(threads)
        executable = lucid.compile(step).lower(x)._compiled.executable
        assert executable._plan.shares
        assert len(executable._plan.objects) > 1
        code: bytes = executable.code.machine_code
        return code

    assert len({code(threads) for threads in (1, 2, 3, 8)}) == 1


def test_what_was_begun_is_made_once() -> None:
    made: list[int] = []

    def text() -> str:
        made.append(threading.get_ident())
        return run_text(*machine().layout())

    with helped():
        begin_once(machine(), "a module of this test", text)
        begin_once(machine(), "a module of this test", text)
    code = assemble_once(machine(), "a module of this test", text)
    begin_once(machine(), "a module of this test", text)
    assert code == assemble(machine(), run_text(*machine().layout()))
    assert len(made) == 1


@pytest.mark.parametrize("groups", [1, 3])
def test_what_a_program_shares_is_known_before_its_passes_run(groups: int) -> None:
    image = np.ones((2, 3, 9, 9), np.float32)
    weight = lucid.Tensor(np.ones((6, 3 // groups, 3, 3), np.float32), requires_grad=True)

    @lucid.compile
    def step(x: lucid.Tensor, numbers: lucid.Tensor) -> lucid.Tensor:
        weight.grad = None
        y = F.conv2d(x, weight, groups=groups).reshape(12, -1)
        (y @ y.T).sum().backward()
        return numbers @ numbers

    program = step.lower(image, np.ones((3, 3), np.int64))
    imports = program._compiled.executable._plan.imports  # type: ignore[attr-defined]
    names, shares = expected(program.graph("traced"), machine())
    assert {*names} == {*imports} - {"lucid_run"}
    assert shares  # as images have work for several threads, mostly


@pytest.mark.parametrize(
    ("rows", "inputs", "outputs", "kinds", "shares"),
    [(1, 4, 2, ["small"], False), (64, 784, 256, ["matmul"], True), (64, 512, 10, ["dots", "matmul"], False)],
)
def test_products_are_known_before_the_passes_run(
    rows: int, inputs: int, outputs: int, kinds: list[str], shares: bool
) -> None:
    layer = nn.Linear(inputs, outputs)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = layer(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    program = step.lower(np.ones((rows, inputs), np.float32))
    plan = program._compiled.executable._plan  # type: ignore[attr-defined]
    names, begins_workers = expected(program.graph("traced"), machine())
    assert {*names} == {*plan.imports} - {"lucid_run"}
    assert sorted({name.split("_")[0] for name in names} - {"tile"}) == kinds
    assert begins_workers == plan.shares == shares


def test_the_body_of_a_loop_is_looked_through() -> None:
    cell = nn.RNN(64, 64, batch_first=True)
    program = lucid.compile(lambda x: cell(x)[0].sum().detach()).lower(np.ones((32, 5, 64), np.float32))
    names, _ = expected(program.graph("traced"), machine())
    assert {*names} == {*program._compiled.executable._plan.imports} - {"lucid_run", "lucid_copy"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_no_elements_are_not_expected(transposed: bool) -> None:
    weight = lucid.ones((16, 16))

    def product(x: lucid.Tensor, _: object) -> tuple[lucid.Tensor, None]:
        return x @ (weight.T if transposed else weight), None

    x, step = lucid.zeros((0, 16)), lucid.compile(lambda x: lucid.scan(product, x, length=3)[0])
    assert expected(step.lower(x).graph("traced"), machine()) == ([], False)
    assert step(x).shape == (0, 16)


def test_what_was_begun_is_on_disk_whether_anybody_asks_for_it_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("LUCID_CACHE", raising=False)
    with helped():
        begin_once(machine(), "a module that nobody wants", lambda: run_text(*machine().layout()))
    (file,) = tmp_path.iterdir()
    file.unlink()
    assemble_once(machine(), "a module that nobody wants", lambda: pytest.fail("it is there"))
    assert not [*tmp_path.iterdir()], "it is stored once"


def test_what_all_programs_call_is_begun_before_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[object] = []
    monkeypatch.setenv("LUCID_CACHE", "0")
    monkeypatch.setattr(target, "begin", lambda _machine, names, shares: order.append((sorted(names), shares)))

    def traced(*arguments: Any) -> Any:
        order.append("traced")
        return trace_call(*arguments)

    monkeypatch.setattr(compiler, "trace_call", traced)
    lucid.compile(lambda x: (x @ x).detach()).lower(np.ones((1, 3, 3), np.float32))
    assert order[:2] == [([], False), "traced"]
    assert order[-2:] == [(["small_f32"], False), (["lucid_run", "small_f32"], False)]


def test_a_trace_that_fails_ends_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    text = run_text(*machine().layout()) + "; begun by a trace that fails"
    traced = threading.Event()

    class Slow(Parsed):
        def object_code(self) -> bytes:
            traced.wait()
            return super().object_code()

    monkeypatch.setenv("LUCID_CACHE", "0")
    monkeypatch.setattr(assembler, "Parsed", Slow)
    monkeypatch.setattr("lucid.codegen.cpu.library.common_parts", lambda _: [(text, LEVEL)])

    @lucid.compile
    def function(x: lucid.Tensor) -> lucid.Tensor:
        assert helpers()
        traced.set()
        raise ValueError("no trace")

    with pytest.raises(ValueError, match="no trace"):
        function(np.ones(3, np.float32))
    assert not helpers()


@pytest.mark.parametrize("chosen", [None, 0.004])
def test_turns_are_short_while_there_are_helpers_and_a_choice_of_the_user_stays(chosen: float | None) -> None:
    before = sys.getswitchinterval()
    leave = threading.Event()

    def wait() -> bytes:
        leave.wait()
        return b"code"

    try:
        with helped():
            assert sys.getswitchinterval() == before, "no job, no helper"
            submit(wait)
            submit(wait)
            assert sys.getswitchinterval() == TURN < before
            if chosen is not None:
                sys.setswitchinterval(chosen)
            leave.set()
        assert sys.getswitchinterval() == (before if chosen is None else chosen)
    finally:
        sys.setswitchinterval(before)


def test_code_of_another_level_is_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("LUCID_CACHE", raising=False)
    text = team_text(*machine().layout())
    with helped():
        begin_once(machine(), "a module at two levels", lambda: text, QUICK)
        begin_once(machine(), "a module at two levels", lambda: text)
    expected = {level: Parsed(machine(), text, level).object_code() for level in (QUICK, LEVEL)}
    assert expected[QUICK] != expected[LEVEL]
    for _ in ("begun", "from disk"):
        for level, code in expected.items():
            assert assemble_once(machine(), "a module at two levels", lambda: text, level) == code


def test_one_thread_begins_nothing() -> None:
    set_num_threads(1)
    begin_once(machine(), "another module of this test", lambda: pytest.fail("nobody asked for it"))
    with helped():
        job = submit(lambda: b"code")
        assert not helpers()
        assert job.result() == b"code"


def test_a_failure_reaches_whoever_asks_and_nobody_else() -> None:
    def fail() -> bytes:
        raise RuntimeError("no code")

    with helped():
        jobs = [submit(fail), submit(lambda: b"code")]
    assert jobs[1].result() == b"code"
    with pytest.raises(RuntimeError, match="no code"):
        jobs[0].result()


def test_after_an_error_no_helper_runs_and_no_job_waits() -> None:
    entered, submitted = threading.Event(), threading.Event()
    jobs: list[Job] = []

    def wait() -> bytes:
        entered.set()
        submitted.wait(60.0)  # a helper that came back before would take the job that nobody waits for
        end = time.monotonic() + 60.0
        while assembler._waiting and time.monotonic() < end:
            time.sleep(0.001)
        return b"late"

    def interrupted() -> None:
        with helped():
            jobs.append(submit(wait))
            jobs.append(submit(lambda: pytest.fail("nobody waits for it")))
            submitted.set()
            entered.wait(60.0)
            raise KeyboardInterrupt

    set_num_threads(2)
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [job.is_done for job in jobs] == [True, False]
    assert not helpers()
    assert not assembler._waiting


def test_an_error_inside_leaves_the_jobs_of_the_outside() -> None:
    jobs: list[Job] = []

    def failing() -> None:
        with helped():
            jobs.append(submit(lambda: b"inner"))
            raise KeyError

    set_num_threads(1)
    with helped():
        jobs.append(submit(lambda: b"outer"))
        with pytest.raises(KeyError):
            failing()
    assert [job.is_done for job in jobs] == [True, False]
    assert jobs[0].result() == b"outer"


def test_ctrl_c_in_the_job_of_another_ends_the_call() -> None:
    def interrupt() -> bytes:
        raise KeyboardInterrupt

    def asking() -> None:
        with helped():
            submit(interrupt)
            Job(lambda: b"").result()

    set_num_threads(1)
    with pytest.raises(KeyboardInterrupt):
        asking()
    assert not assembler._waiting
