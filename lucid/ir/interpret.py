"""The interpreter: reference semantics on NumPy arrays, node by node. Eager mode runs it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Array
from lucid.ir.ops.structure import Grad


@dataclass(frozen=True)
class Outcome:
    """What a run of a graph gives: its outputs, and the new array of each state it updates."""

    outputs: tuple[Array, ...]
    updates: tuple[Array, ...]


def interpret(graph: Graph, inputs: Sequence[Array]) -> Outcome:
    """Evaluate a graph for arrays in the order of `graph.inputs`. State arrays are not written to."""
    if any(isinstance(node.op, Grad) for node in graph.nodes):
        from lucid.ir.passes.differentiate import differentiate

        graph = differentiate(graph)
    environment = dict(zip(graph.inputs, inputs, strict=True))
    run(graph.nodes, environment)
    return Outcome(
        tuple(environment[value] for value in graph.outputs),
        tuple(environment[value] for _, value in graph.updates),
    )


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
