"""The suite with another target than "cpu" where a test names none: `pytest --target cuda`, on a machine with a GPU.

`--target cuda-imitated` is the target "cuda" behind an imitation of CuPy whose kernels the simulator runs, and
`--target cuda-sim` the simulator by itself. Neither needs a GPU.

Tests are written for a target that computes where eager code does. So two things are done for them here that
docs/gpu.md has users of a GPU do: a call waits for its checks, whose errors come late otherwise, and what is on the GPU
is brought back when eager code or a function compiled for the CPU is about to read it. Until then results, gradients,
parameters and the state of optimizers are there.

What a target refuses ("What it cannot do" in docs/gpu.md), a test cannot do with it: where one runs into such an error,
it is skipped, and says why. `OTHERWISE` has those that would fail for another reason.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import lucid.codegen.cuda.target as cuda
import lucid.context
import lucid.eager
import lucid.host_program
from lucid.compiler import CompiledFunction, compile
from lucid.core import TensorCore
from lucid.device_program import REFUSED
from lucid.errors import CheckError, CompileError, LucidError
from lucid.targets import load_target
from tests.codegen.fake_cupy import installed

# The errors of what a target for GPUs cannot do, by what docs/gpu.md calls that.
REFUSALS = {
    **{what: re.escape(sentence) for what, (sentence, _) in REFUSED.items()},
    "kernel rules of your own": r"kernel rules are for the target 'cpu', got target 'cuda",
    "LLVM IR and assembly": r"a program for CUDA has no (LLVM IR|assembly)\.",
    "times of kernels": r"kernels can be timed on the CPU target only\.",
    "updates in place of arguments": "an argument that a compiled function updates in place is not a contiguous tensor",
    "a view of what has moved": r"a view of a tensor was used that has since been moved to 'c",
}

SHARED = "a tensor that shares the memory of an array: it no longer does when it has been moved"

# What else tests are about that another target is not meant for, by how their names begin.
OTHERWISE: dict[str, str] = {
    "tests/codegen/": "code generators, which tests name",
    "tests/test_targets.py": "this very option",
    "tests/test_readme.py::test_code_prints_what_the_page_shows[explain.md]": "which kernels programs for the CPU have",
    "tests/test_readme.py::test_code_prints_what_the_page_shows[errors.md]": "an error that a later backward changes",
    "tests/cli/test_show.py::test_an_ir_file_goes_on_from_its_stage": "IR files, which commands compile for the CPU",
    "tests/explorer/test_report.py::test_a_step_is_reported_as_it_is": "kernels, all of which have LLVM IR on the CPU",
    "tests/compile/test_dispatch.py": "calls without Python between, which launch no GPU",
    "tests/compile/test_explain.py": "which kernels programs for the CPU have",
    "tests/compile/test_failures.py::test_results_that_do_not_fit": "an error with another text on a GPU",
    "tests/compile/test_failures.py::test_an_interrupt_behind_the_native_run": "native code and Ctrl-C",
    "tests/compile/test_oracle.py::test_every_stage_computes_the_same": "a plan for the CPU, which computes it",
    "tests/compile/test_repeat.py::test_a_failing_call": "the number of a run, which a GPU does not tell",
    "tests/compile/test_repeat.py::test_an_interrupt_leaves": "the pieces that native code runs in",
    "tests/compile/test_repeat.py::test_a_failed_check_of_a_handler": "the pieces that native code runs in",
    "tests/compile/test_state.py::test_parameters_are_updated_where_they_are": SHARED,
    "tests/compile/test_captured.py::test_an_array_that_overlaps_what_is_written": SHARED,
    "tests/serialization/test_resuming.py::TestResuming::test_parameters_stay_where_they_are": SHARED,
    "tests/compile/test_what_must_not_happen.py::test_a_part_of_an_output_that_the_next_call_overwrites[7]": (
        "NumPy's from_dlpack, which takes what is in the memory of the process"
    ),
    "tests/extend/test_kernel_rules.py": "kernel rules, which are for the target 'cpu'",
}


PRINTED = re.compile(r"^error: (.*)", re.MULTILINE)  # by a command, whose output a failing test shows


def refusal(error: BaseException | None) -> str | None:
    """What the target cannot do, where an error, or one that it came from, says so, or what a command has printed."""
    while error is not None:
        sentences = [error.sentence] if isinstance(error, LucidError) else []
        if isinstance(error, AssertionError):
            sentences = PRINTED.findall(str(error))
        for sentence in sentences:
            for what, pattern in REFUSALS.items():
                if re.match(pattern, sentence):
                    return what
        error = error.__context__
    return None


def needs_backward_inside() -> bool:
    """Whether functions that are compiled for what a test does not say cannot be differentiated afterwards."""
    assert compile.__kwdefaults__ is not None
    return bool(compile.__kwdefaults__["target"] == "cuda")


class OtherTarget:
    """The plugin of pytest that has the tests use a target."""

    def __init__(self, name: str) -> None:
        self.target = name.removesuffix("-imitated")
        self.programs = 0
        self.tests: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for start, reason in OTHERWISE.items():
                if item.nodeid.startswith(start):
                    item.add_marker(pytest.mark.skip(reason=f"not for target {self.target!r}: {reason}"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        build = CompiledFunction._build

        def counted(function: CompiledFunction, *arguments: Any) -> Any:
            if function._target.name == self.target:
                self.programs += 1
                self.tests.add(item.nodeid)
            return build(function, *arguments)

        with at_once(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(CompiledFunction, "_build", counted)
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, Any]:
        return (yield from self._skipped_where_refused())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, Any, Any]:
        return (yield from self._skipped_where_refused())

    def _skipped_where_refused(self) -> Generator[None, Any, Any]:
        try:
            return (yield)
        except Exception as error:
            if what := refusal(error):
                pytest.skip(f"target {self.target!r} cannot do it: {what}")
            raise

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(
            f"{len(self.tests)} tests compiled {self.programs} programs for target {self.target!r}."
        )


@contextmanager
def at_once() -> Iterator[None]:
    """Have calls on a GPU wait, and bring back from there what is read here."""
    run, repeat, repeats = cuda.CUDAExecutable.run, cuda.CUDAExecutable.repeat, []

    def run_and_check(executable: cuda.CUDAExecutable, table: int) -> None:
        run(executable, table)
        if not repeats:
            try:
                cuda.gpu().check()
            except CheckError:
                executable.is_done = False  # by what users see
                raise

    def repeat_unchecked(executable: cuda.CUDAExecutable, *arguments: Any) -> None:
        repeats.append(executable)  # which is checked at its end, and undone as a whole
        try:
            repeat(executable, *arguments)
        finally:
            repeats.pop()

    is_users = lucid.context._is_users

    with pytest.MonkeyPatch.context() as patch:
        # Errors and the IR show the line that called, not one of this file in between.
        patch.setattr(lucid.context, "_is_users", lambda filename: filename != __file__ and is_users(filename))
        patch.setattr(cuda.CUDAExecutable, "run", run_and_check)
        patch.setattr(cuda.CUDAExecutable, "repeat", repeat_unchecked)
        for module, name in ((lucid.eager, "_array"), (lucid.host_program, "array_of")):
            patch.setattr(module, name, _at_home(getattr(module, name)))
        yield


def _at_home(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read_at_home(tensor: Any) -> Any:
        if isinstance(tensor, TensorCore) and tensor.device == "cuda":
            tensor._move("cpu")
        return read(tensor)

    return read_at_home


def use(config: pytest.Config) -> None:
    """Do what the options `--target` and `--sample` say."""
    if (every := config.getoption("--sample")) > 1:
        config.pluginmanager.register(Sample(every))
    name = config.getoption("--target")
    if name == "cpu":
        return
    plugin = OtherTarget(name)
    if name == "cuda-imitated":
        imitation = installed()
        imitation.__enter__()
        config.add_cleanup(lambda: imitation.__exit__(None, None, None))
    try:
        target = load_target(plugin.target)
        target.identity()
        target.expect_machine()
    except CompileError as error:
        raise pytest.UsageError(str(error)) from None
    assert compile.__kwdefaults__ is not None
    compile.__kwdefaults__["target"] = plugin.target
    config.add_cleanup(lambda: compile.__kwdefaults__.update(target="cpu"))
    config.pluginmanager.register(plugin)


class Sample:
    """The plugin that leaves all tests out but one in some number."""

    def __init__(self, every: int) -> None:
        self.every = every

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        left_out = [item for item in items if zlib.crc32(item.nodeid.encode()) % self.every]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
