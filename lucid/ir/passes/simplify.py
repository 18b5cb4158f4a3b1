"""Everything that makes a graph smaller without changing what it computes."""

from __future__ import annotations

from dataclasses import replace

from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.derivative import CustomVjp
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.loop import in_loops
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.algebra import ALGEBRA
from lucid.ir.passes.fold import FOLDING
from lucid.ir.passes.loops import tidy_loops
from lucid.ir.passes.movement import MOVEMENT
from lucid.ir.passes.prune import prune
from lucid.ir.passes.rewrite import Context, Rule, Rules, rewrite
from lucid.ir.passes.share import share

# A round finds nearly everything, since a sweep sees operands that are already simplified. What sharing makes equal
# needs another; the bound is there so that a pair of rules that undo each other would be slow, not endless.
ROUNDS = 8


def simplify(graph: Graph) -> Graph:
    """Fold constants, apply algebra on elements and on movements, share equal nodes and drop dead ones.

    Results keep their bits, except that a power may be rounded better. Runs after `differentiate`: a grad op names
    the very values it asks about, and replacing those changes the question.
    """
    if any(isinstance(node.op, Grad) for node in graph.nodes):
        raise CompileError(
            "simplify takes a graph whose grad ops are written out.", hint="run differentiate before it."
        )
    graph = forget_derivatives(graph)
    for _ in range(ROUNDS):
        before = graph
        graph = in_loops(graph, lambda scan: simplify(scan.body))
        graph = prune(tidy_loops(share(rewrite(graph, RULES))))
        if graph is before:
            break
    return graph


def forget_derivatives(graph: Graph) -> Graph:
    # custom_vjp y..., x... -> y..., now that the backward is written out
    if not any(isinstance(node.op, CustomVjp) for node in graph.nodes):
        return graph
    nodes: list[Node] = []
    known: dict[Value, Value] = {}
    for node in graph.nodes:
        inputs = tuple(known.get(value, value) for value in node.inputs)
        if isinstance(node.op, CustomVjp):
            known.update(zip(node.outputs, inputs, strict=False))
        else:
            nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
    return replace(
        graph,
        nodes=tuple(nodes),
        outputs=tuple(known.get(value, value) for value in graph.outputs),
        updates=tuple((state, known.get(value, value)) for state, value in graph.updates),
    )


def forget_detach(node: Node, context: Context) -> Value | None:
    # detach x -> x, now that the backward is written out
    return node.inputs[0]


def _joined(*tables: Rules) -> Rules:
    """One table: an op's rules from all tables, in their order."""
    rules: dict[type, tuple[Rule, ...]] = {}
    for table in tables:
        for op, more in table.items():
            rules[op] = rules.get(op, ()) + more
    return rules


RULES = _joined(FOLDING, ALGEBRA, MOVEMENT, {Detach: (forget_detach,)})
