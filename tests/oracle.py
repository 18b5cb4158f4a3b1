"""Comparing ways to compute a graph: interpreted, compiled, compiled after a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.codegen.cpu.target import CPUTarget
from lucid.codegen.target import Executable
from lucid.ir.graph import Graph
from lucid.ir.interpret import Outcome, interpret
from lucid.ir.types import bool_
from tests.guarded import guarded, guarded_copy

Array = npt.NDArray[Any]

# Relative to the largest magnitude of an array, and absolute: sums in another order, and polynomials of our own.
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}


def run_compiled(graph: Graph, arrays: Sequence[Array]) -> Outcome:
    """What a graph computes when compiled, for arrays in the order of `graph.inputs`. They are not written to."""
    return run_executable(CPUTarget().compile(graph), graph, arrays)


def run_executable(executable: Executable, graph: Graph, arrays: Sequence[Array]) -> Outcome:
    """The outcome of one run, on arrays with forbidden memory behind them."""
    types = [(value.type.shape, value.type.dtype.numpy) for value in graph.inputs]
    assert [np.shape(array) for array in arrays] == [shape for shape, _ in types]
    inputs = [guarded_copy(np.asarray(array), dtype) for array, (_, dtype) in zip(arrays, types, strict=True)]
    # No test expects these bytes, so an element that is not written shows; in a bool they must be 0 or 1.
    outputs = [
        guarded(value.type.shape, value.type.dtype.numpy, fill=1 if value.type.dtype == bool_ else 0x5A)
        for value in graph.outputs
    ]
    table = executable.new_table()
    table[: len(inputs) + len(outputs)] = [array.ctypes.data for array in (*inputs, *outputs)]
    executable.run(table.ctypes.data)
    for number, before in enumerate(arrays[: len(graph.arguments)]):
        np.testing.assert_array_equal(inputs[number], before, f"argument {number} was written to")
    new = dict(zip(graph.inputs, inputs, strict=True))
    return Outcome(tuple(outputs), tuple(new[state] for state, _ in graph.updates))


def assert_compiled_matches(graph: Graph, arrays: Sequence[Array]) -> None:
    """Check a compiled graph against the interpreter: floats to a tolerance, all else exactly."""
    with np.errstate(all="ignore"):
        expected = interpret(graph, arrays)
    got = run_compiled(graph, arrays)
    for what in ("outputs", "updates"):
        for number, (x, y) in enumerate(zip(getattr(expected, what), getattr(got, what), strict=True)):
            assert_close(x, y, f"{what}[{number}] of\n{graph}")


def assert_same_bits(a: Graph, b: Graph, arrays: Sequence[Array]) -> None:
    """Check that two graphs, compiled, give the same bits. NaNs are equal, whatever their payloads."""
    first, second = run_compiled(a, arrays), run_compiled(b, arrays)
    for what in ("outputs", "updates"):
        for number, (x, y) in enumerate(zip(getattr(first, what), getattr(second, what), strict=True)):
            np.testing.assert_array_equal(bits(x), bits(y), f"{what}[{number}] of\n{a}\nand\n{b}")


def assert_close(expected: Array, got: Array, message: str = "") -> None:
    """Check an array: floats to a tolerance relative to the largest finite magnitude, all else exactly."""
    assert (expected.dtype, expected.shape) == (got.dtype, got.shape), message
    if expected.dtype not in TOLERANCE:
        np.testing.assert_array_equal(got, expected, message)
        return
    finite = np.abs(expected[np.isfinite(expected)])
    tolerance = TOLERANCE[expected.dtype]
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale, err_msg=message)


def bits(array: Array) -> Array:
    """The bits of an array as unsigned integers, with one pattern for all NaNs."""
    if array.dtype.kind != "f":
        return array
    clean = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return clean.view(f"u{array.dtype.itemsize}")
