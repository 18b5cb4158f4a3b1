"""A joint graph of a forward and its backward, as two graphs that run at different times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.passes.copies import Copies
from lucid.ir.passes.cut import choose
from lucid.ir.passes.outline import SOURCES
from lucid.ir.passes.prune import prune


@dataclass(frozen=True)
class Partition:
    """A forward and a backward, in terms of the values of the joint graph that they were cut from.

    `forward` has the arguments (without the seeds), the states and the updates of the joint graph. Its outputs are the
    forward's own, then `saved`.

    `backward` has no states. Its arguments are the very values of the joint graph that they stand for: first the
    inputs that it reads again, in the order of the joint graph's, then `saved`, then all seeds. Its outputs are the
    gradients. A state that the forward updates is among the saved, not among the inputs: the backward needs what it
    held before. `again` are the inputs.
    """

    forward: Graph
    backward: Graph
    again: tuple[Value, ...]
    saved: tuple[Value, ...]


def partition(graph: Graph, outputs: int, seeds: Sequence[Value]) -> Partition:
    """Cut a differentiated graph in two. Its first `outputs` outputs are the forward's, the others are gradients.

    `seeds` are the arguments that stand for the gradients of the forward's outputs; the forward must not depend on
    them. Which values are saved, and which the backward computes again, is decided as in `rematerialize`.
    """
    graph = prune(graph)
    given = tuple(value for value in graph.arguments if value not in seeds)
    forward_results, gradients = graph.outputs[:outputs], graph.outputs[outputs:]
    forward = _above(graph, forward_results)
    assert not any(value in seeds for node in forward for value in node.inputs), "the forward depends on a seed"
    backward = [node for node in graph.nodes if node not in forward]
    updated = {state for state, _ in graph.updates}
    sweep = max((node.backward for node in backward), default=0)
    repeated = choose(graph, forward, backward, gradients, updated)
    repeated |= {node for node in forward if isinstance(node.op, SOURCES)}

    nodes: list[Node] = []
    copies = Copies(repeated, sweep)
    for node in backward:
        nodes += copies.above(node.inputs)
        nodes.append(Node(node.op, copies.of(node.inputs), node.outputs, node.location, node.backward))
    nodes += copies.above(gradients)

    made = {value for node in nodes for value in node.outputs}
    read = dict.fromkeys([*(value for node in nodes for value in node.inputs), *copies.of(gradients)])
    again = tuple(value for value in (*given, *graph.states) if value in read and value not in updated)
    apart = {*again, *made, *seeds}
    saved = tuple(value for value in read if value not in apart)
    return Partition(
        prune(replace(graph, arguments=given, outputs=(*forward_results, *saved))),
        Graph(f"{graph.name}.backward", (*again, *saved, *seeds), (), tuple(nodes), copies.of(gradients)),
        again,
        saved,
    )


def _above(graph: Graph, results: Sequence[Value]) -> set[Node]:
    """The nodes that results, new states and effects depend on."""
    return set(prune(replace(graph, outputs=tuple(results))).nodes)
