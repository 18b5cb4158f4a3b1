"""The interpreter: reference semantics on NumPy arrays, node by node. Eager mode runs it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Array
from lucid.ir.ops.structure import Grad
from lucid.ir.text_print import value_names


@dataclass(frozen=True)
class Outcome:
    """What a run of a graph gives: its outputs, and the new array of each state it updates."""

    outputs: tuple[Array, ...]
    updates: tuple[Array, ...]


def interpret(graph: Graph, inputs: Sequence[Array]) -> Outcome:
    """Evaluate a graph for a list of arrays, in the order of `graph.inputs`: arguments, then states, whose arrays are
    not written to.

    Raises ArgumentTypeError for what is no list of arrays, ArgumentError for another number of them than the graph has
    inputs, DTypeError and ShapeError for one that is not of its input's type.
    """
    _expect_inputs(graph, inputs)
    if any(isinstance(node.op, Grad) for node in graph.nodes):
        from lucid.ir.passes.differentiate import differentiate

        graph = differentiate(graph)
    environment = dict(zip(graph.inputs, inputs, strict=True))
    run(graph.nodes, environment)
    return Outcome(
        tuple(environment[value] for value in graph.outputs),
        tuple(environment[value] for _, value in graph.updates),
    )


def _expect_inputs(graph: Graph, inputs: Sequence[Array]) -> None:
    """Raise unless there is an array of its type for each input of a graph."""
    if not isinstance(graph, Graph):
        raise ArgumentTypeError(
            f"interpret takes a graph, got {type(graph).__name__}.",
            hint='program.graph("traced") is one of a program, and lucid.ir.text.parse(text) reads one.',
        )
    if not isinstance(inputs, Sequence):
        raise ArgumentTypeError(
            f"interpret takes a list with an array for each input of the graph, got {type(inputs).__name__}.",
            hint="write interpret(graph, [x, weight]), also for one array.",
        )
    if len(inputs) != len(graph.inputs):
        raise ArgumentError(
            f"interpret takes an array for each input of the graph, {len(graph.inputs)}, got {len(inputs)}.",
            hint="graph.inputs are its arguments, then the states and hyperparameters that it captures.",
        )
    for value, array in zip(graph.inputs, inputs, strict=True):
        is_array = isinstance(array, np.ndarray | np.generic)
        expected = value.type.dtype.numpy, value.type.shape
        if is_array and (array.dtype, array.shape) == expected:
            continue
        sentence = f"interpret takes an array of {value.type} as %{value_names(graph)[value]}, got "
        if not is_array:
            hint = (
                "x.numpy() is the array of a Tensor."
                if hasattr(array, "numpy")
                else f'numpy.array(x, "{expected[0]}") makes one of numbers, in lists or not.'
            )
            raise ArgumentTypeError(f"{sentence}{type(array).__name__}.", hint=hint)
        kind = DTypeError if array.dtype != expected[0] else ShapeError
        raise kind(f"{sentence}{array.dtype}{list(array.shape)}.")


def run(nodes: Iterable[Node], environment: dict[Value, Array]) -> None:
    """Evaluate nodes in order, reading and extending the environment."""
    for node in nodes:
        results = node.op.evaluate([environment[value] for value in node.inputs])
        environment.update(zip(node.outputs, results, strict=True))


def environment_of(graph: Graph, inputs: Sequence[Array]) -> Mapping[Value, Array]:
    """Every value of a graph without grad ops: what `interpret` computes on the way."""
    environment = dict(zip(graph.inputs, inputs, strict=True))
    run(graph.nodes, environment)
    return environment
