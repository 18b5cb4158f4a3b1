"""Which part of the compiler computes something other than the interpreter does: the search behind `lucid check`.

A graph is interpreted as it was given, then after each pass; then it is compiled, unfused and fused. Interpreted values
and compiled ones agree to a tolerance, since passes may add in another order and functions of floats are our own; fused
and unfused code agree bit for bit.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lucid.codegen.target import Executable, Target
from lucid.errors import CheckError, LucidError
from lucid.frames import address
from lucid.ir.graph import Graph, Value
from lucid.ir.interpret import Outcome, interpret
from lucid.ir.ops.base import Array
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.pipeline import PIPELINE, Pass
from lucid.ir.text_print import value_names
from lucid.ir.types import TensorType, float32, float64
from lucid.ir.verify import verify

# Relative to the largest finite magnitude of an array, and absolute.
TOLERANCE = {float32: 1e-4, float64: 1e-9}

UNFUSED, COMPILED = "unfused code", "compiled code"


@dataclass(frozen=True)
class Fault:
    """The first step at fault, a pass by its name or code generation; and what is wrong after it, as a sentence."""

    step: str
    kind: str  # `values`, `crash`, or the type of an exception: a smaller graph must fail in the same way
    sentence: str


class CrashError(Exception):
    """Compiled code has ended the process that ran it. The message is a sentence."""


def random_arrays(graph: Graph, seed: int) -> tuple[Array, ...]:
    """Arrays for the inputs of a graph, such that a step of training has them: normal floats, without their sign in
    states, since those of optimizers are mean squares; floats without axes, which are rates, from 0.1 to 0.9; integers
    0 and 1, which are classes of any classifier; fair bools."""
    generator = np.random.default_rng(seed)

    def array(value: Value) -> Array:
        shape, dtype = value.type.shape, value.type.dtype
        if not dtype.is_float:
            return np.asarray(generator.integers(0, 2, shape), dtype.numpy)
        if not shape:
            return np.asarray(generator.uniform(0.1, 0.9), dtype.numpy)
        drawn = np.asarray(generator.standard_normal(shape), dtype.numpy)
        return np.abs(drawn) if value in graph.states else drawn

    return tuple(map(array, graph.inputs))


def failing_check(graph: Graph, arrays: Sequence[Array]) -> str | None:
    """The message of the check that ends a graph for some inputs, None where it ends as it should."""
    outcome = _outcome(lambda: interpret(graph, arrays))
    return outcome if isinstance(outcome, str) else None


def find_fault(
    graph: Graph, arrays: Sequence[Array], target: Target, passes: Sequence[Pass] = PIPELINE, last: str | None = None
) -> Fault | None:
    """The first step that goes wrong on the way from a graph to its fused code, for some inputs; None where none does,
    or none up to the step `last`.

    Raises what interpreting the graph itself raises, a CheckError apart: that all steps must raise alike.
    """
    names = value_names(graph)
    results = [
        *(f"output %{names[value]}" for value in graph.outputs),
        *(f"the new %{names[state]}" for state, _ in graph.updates),
    ]
    expected = _outcome(lambda: interpret(graph, arrays))
    unfused: Outcome | str | None = None
    for step, make in _steps(graph, arrays, target, passes):
        try:
            got = _outcome(make)
        except CrashError as crash:
            return Fault(step, "crash", str(crash))
        except Exception as error:
            sentence = error.sentence if isinstance(error, LucidError) else str(error)
            return Fault(step, type(error).__name__, f"it raises {type(error).__name__}: {sentence}")
        exact = step == COMPILED and unfused is not None
        problem = _difference(unfused if exact and unfused is not None else expected, got, results, exact)
        if problem is not None:
            return Fault(step, "values", problem)
        if step == UNFUSED:
            unfused = got
        if step == last:
            break
    return None


def _steps(
    graph: Graph, arrays: Sequence[Array], target: Target, passes: Sequence[Pass]
) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    """Each step by its name, and what runs it. The last graph that a pass has made is what the next one is given."""
    graphs = {"": graph}

    def passed(step: Pass) -> Callable[[], Outcome]:
        def run() -> Outcome:
            graphs[""] = step.run(graphs[""])
            verify(graphs[""])
            return interpret(graphs[""], arrays)

        return run

    for step in passes:
        if step.run is fuse:
            yield UNFUSED, lambda: _run(target.compile(graphs[""]), graphs[""], arrays)
        yield step.run.__name__, passed(step)
    yield COMPILED, lambda: _run(target.compile(graphs[""]), graphs[""], arrays)


def _outcome(make: Callable[[], Outcome]) -> Outcome | str:
    """What a step gives, or the message of the check that fails in it."""
    try:
        with np.errstate(all="ignore"):
            return make()
    except CheckError as error:
        return error.sentence


def _run(executable: Executable, graph: Graph, arrays: Sequence[Array]) -> Outcome:
    """One run on copies of arrays, in a process of its own: code that is wrong may end the one that it runs in."""
    inputs, outputs = ([_shared(value.type) for value in values] for values in (graph.inputs, graph.outputs))
    for shared, array in zip(inputs, arrays, strict=True):
        shared[...] = array
    table = executable.new_table()
    table[: len(inputs) + len(outputs)] = [address(array) for array in (*inputs, *outputs)]
    _in_process(lambda: executable.run(table.ctypes.data))
    new = dict(zip(graph.inputs, inputs, strict=True))
    return Outcome(tuple(outputs), tuple(new[state] for state, _ in graph.updates))


def _shared(type: TensorType) -> Array:
    """An array in memory that a process shares with those that are forked from it."""
    memory = mmap.mmap(-1, max(type.nbytes, 1))
    return np.frombuffer(memory, type.dtype.numpy, type.size).reshape(type.shape)


def _in_process(run: Callable[[], object]) -> None:
    """Run a function in a process that is forked from this one. Raises what it raises, and CrashError where the process
    ends in another way. What interrupts this process ends the other one."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():  # of Python, about threads: the new process runs native code
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if not process:
        code = 1  # of an exception that can't be pickled
        try:
            try:
                run()
            except BaseException as error:
                os.write(writer, pickle.dumps(error))
            code = 0
        finally:
            os._exit(code)
    try:
        os.close(writer)
        with open(reader, "rb") as source:
            raised = source.read()
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        names = {each.value: each.name for each in signal.Signals}  # a signal of a user's own has none
        raise CrashError(f"the process that runs it is ended by {names.get(-code, f'signal {-code}')}.")
    if code > 0:
        raise CrashError(f"the process that runs it ends itself with the status {code}.")
    if raised:
        raise pickle.loads(raised)


def _difference(expected: Outcome | str, got: Outcome | str, results: Sequence[str], exact: bool) -> str | None:
    """What differs between two outcomes, None where nothing does."""
    if isinstance(expected, str) or isinstance(got, str):
        if expected == got:
            return None
        ends = [f"the check that fails: {x}" if isinstance(x, str) else "no check that fails" for x in (expected, got)]
        return f"expected {ends[0]}; got {ends[1]}."
    pairs = zip((*expected.outputs, *expected.updates), (*got.outputs, *got.updates), results, strict=True)
    for x, y, result in pairs:
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            return f"{result}: expected {x.dtype}{list(x.shape)}, got {y.dtype}{list(y.shape)}."
        apart = _bits_differ(x, y) if exact else _far_apart(x, y)
        if apart.any():
            position = tuple(int(i) for i in np.argwhere(apart)[0])
            place = f" at {position}" if position else ""
            return (
                f"{result}: expected {x[position]}, got {y[position]}{place}; "
                f"{np.count_nonzero(apart)} of {x.size} elements differ{' in their bits' if exact else ''}."
            )
    return None


def _bits_differ(x: Array, y: Array) -> Array:
    """Where two arrays differ in a bit; all NaNs are one."""
    if x.dtype.kind != "f":
        return np.asarray(x != y)
    differ = x.view(f"u{x.dtype.itemsize}") != y.view(f"u{x.dtype.itemsize}")
    return np.asarray(differ & ~(np.isnan(x) & np.isnan(y)))


def _far_apart(x: Array, y: Array) -> Array:
    """Where two arrays differ by more than the tolerance of their dtype."""
    tolerance = next((bound for dtype, bound in TOLERANCE.items() if dtype.numpy == x.dtype), None)
    if tolerance is None:
        return np.asarray(x != y)
    finite = np.abs(x[np.isfinite(x)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    return ~np.isclose(y, x, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
