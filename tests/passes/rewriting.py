"""Helpers for tests of passes: IR text in, IR text out, and equal values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Value, same
from lucid.ir.interpret import interpret
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.text import parse, print_graph
from lucid.ir.verify import verify
from tests.ir.graphs import random_inputs

SEEDS = (0, 1, 2)
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -3e38, 1.0)  # 1e-40 is subnormal in float32


def assert_rewrites(run: Callable[[Graph], Graph], before: str, after: str, tolerance: float = 0.0) -> None:
    """The pass turns the first graph into the second, and both give equal results on random inputs.

    Results are equal bit for bit, NaNs aside, or within a relative tolerance if one is given.
    """
    graph, expected = parse(before), parse(after)
    verify(graph)
    result = run(graph)
    verify(result)
    assert same(result, expected), f"expected\n{print_graph(expected)}\ngot\n{print_graph(result)}"
    assert_equal_values(graph, result, tolerance)


def assert_unchanged(run: Callable[[Graph], Graph], text: str) -> None:
    """The pass returns the very graph that it got."""
    graph = parse(text)
    assert run(graph) is graph, f"expected no change, got\n{print_graph(run(graph))}"


def assert_equal_values(before: Graph, after: Graph, tolerance: float = 0.0) -> None:
    """Two graphs give equal outputs and equal new states, on random inputs and on floats of every kind."""
    for seed in SEEDS:
        inputs = random_inputs(before, seed)
        if seed:
            inputs = [_with_special(x, seed) for x in inputs]
        first, second = interpret(before, inputs), interpret(after, inputs)
        results = zip((*first.outputs, *first.updates), (*second.outputs, *second.updates), strict=True)
        for number, (x, y) in enumerate(results):
            assert_same_bits(x, y) if tolerance == 0.0 else np.testing.assert_allclose(x, y, tolerance, tolerance)
            assert x.dtype == y.dtype, f"result {number} is {y.dtype}, not {x.dtype}"


def joint_graph(graph: Graph) -> Graph | None:
    """The graph with a seed as last argument and the gradients of its first float output with respect to its float
    inputs, a grad op, as further outputs; None where there is no such output or no such input."""
    output = next((value for value in graph.outputs if value.type.dtype.is_float), None)
    wrt = [value for value in graph.inputs if value.type.dtype.is_float]
    if output is None or not wrt:
        return None
    builder = Builder(graph.nodes)
    seed = Value(output.type, "seed")
    gradients = builder.add(Grad(), output, seed, *wrt)
    return replace(
        graph,
        arguments=(*graph.arguments, seed),
        nodes=tuple(builder.nodes),
        outputs=(*graph.outputs, *gradients),
    )


def with_gradient(graph: Graph) -> tuple[Graph, Value] | None:
    """The joint graph, differentiated, and its seed."""
    joint = joint_graph(graph)
    return None if joint is None else (differentiate(joint), joint.arguments[-1])


def assert_same_bits(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    """Two arrays are equal bit for bit, but NaN is NaN."""
    np.testing.assert_array_equal(x, y)
    if x.dtype.kind == "f":
        is_number = ~np.isnan(x)
        np.testing.assert_array_equal(np.signbit(x)[is_number], np.signbit(y)[is_number])


def _with_special(x: npt.NDArray[Any], shift: int) -> npt.NDArray[Any]:
    """The array with special values in place of half of its floats."""
    if x.dtype.kind != "f":
        return x
    flat = x.reshape(-1).copy()
    flat[::2] = np.resize(np.roll(np.asarray(SPECIAL, x.dtype), shift), flat[::2].shape)
    return flat.reshape(x.shape)
