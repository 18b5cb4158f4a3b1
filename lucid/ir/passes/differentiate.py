"""Reverse-mode differentiation: every grad op becomes the nodes of its backward sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lucid.errors import GradientError
from lucid.ir.build import Builder, Expr
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.structure import Grad


def differentiate(graph: Graph) -> Graph:
    """Write out grad ops, in order, so that a later one may differentiate the result of an earlier one.

    The sweep names no op: each op's vjp says how a gradient passes it. A value's gradients are added in the reverse
    order of its uses.
    """
    if not any(isinstance(node.op, Grad) for node in graph.nodes):
        return graph
    builder = Builder()
    written: dict[Value, Value] = {}
    for node in graph.nodes:
        inputs = tuple(written.get(value, value) for value in node.inputs)
        if isinstance(node.op, Grad):
            output, seed, *wrt = inputs
            written.update(zip(node.outputs, backward_sweep(builder, output, seed, wrt), strict=True))
        else:
            builder.nodes.append(node if inputs == node.inputs else replace(node, inputs=inputs))
    return replace(
        graph,
        nodes=tuple(builder.nodes),
        outputs=tuple(written.get(value, value) for value in graph.outputs),
        updates=tuple((state, written.get(value, value)) for state, value in graph.updates),
    )


def backward_sweep(builder: Builder, output: Value, seed: Value, wrt: Sequence[Value]) -> list[Value]:
    """Append the nodes that compute d sum(output * seed) / dx for each x in `wrt`; zeros where x has no effect."""
    builder.backward = 1 + max((node.backward for node in builder.nodes), default=0)
    gradients = sweep(builder, {output: builder.wrap(seed)}, wrt)
    found = [(gradients[x] if x in gradients else builder.constant(0, x.type)).value for x in wrt]
    builder.location, builder.backward = None, 0
    return found


def sweep(builder: Builder, gradients: dict[Value, Expr], wrt: Sequence[Value]) -> dict[Value, Expr]:
    """Append the nodes that pass gradients from the values that have one to `wrt`: what each value got in the end.

    Ops that the sweep goes through are replaced by their recorded forms, whose further results are new values.
    """
    forward = list(builder.nodes)
    active = _depending_on(wrt, forward)
    for place, node in reversed(list(enumerate(forward))):
        reached = [gradients.get(value) for value in node.outputs]
        if all(g is None for g in reached) or not active.intersection(node.inputs):
            continue
        builder.location = node.location
        node = builder.nodes[place] = recorded(node)
        results = tuple(builder.wrap(value) for value in node.outputs)
        operands = tuple(builder.wrap(value) for value in node.inputs)
        reached += [None] * (len(results) - len(reached))
        found = node.op.pullback(tuple(reached), results, operands)
        if not isinstance(found, tuple):
            raise _wrong(
                node,
                f"gives {type(found).__name__} where a tuple of one gradient an operand is expected",
                "return a tuple: `return (g * x,)` for one operand; None stands for no gradient.",
            )
        if len(found) != len(node.inputs):
            raise _wrong(node, f"gives {len(found)} gradients for {len(node.inputs)} operands")
        for value, g in zip(node.inputs, found, strict=True):
            if g is not None and value in active:
                if g.type != value.type:
                    raise _wrong(node, f"gives a gradient {g.type} for an operand {value.type}")
                gradients[value] = gradients[value] + g if value in gradients else g
    return gradients


def recorded(node: Node) -> Node:
    """The node of the recorded form of an op: it has the same results, then others."""
    op = node.op.recorded()
    if op is node.op:
        return node
    types = op.infer([value.type for value in node.inputs])[len(node.outputs) :]
    return replace(node, op=op, outputs=(*node.outputs, *map(Value, types)))


def _wrong(node: Node, what: str, hint: str | None = None) -> GradientError:
    """The error of a derivative rule that breaks its contract."""
    location = node.location
    where = (location.file, location.line) if location is not None and location.file else None
    return GradientError(f"the derivative of {node.op.name} {what}.", where=where, hint=hint)


def _depending_on(values: Sequence[Value], nodes: Sequence[Node]) -> set[Value]:
    """The float values that depend on any of `values`, themselves included."""
    active = set(values)
    for node in nodes:
        if not active.isdisjoint(node.inputs):
            active.update(value for value in node.outputs if value.type.dtype.is_float)
    return active
