"""The driver of rewrite rules: one forward sweep over a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from lucid.ir.build import Builder, Expr, Number
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.structure import Const
from lucid.ir.types import TensorType


class Context:
    """What a rule may look at, and what it builds with: the nodes above the one it is asked about, already rewritten.

    A rule builds only when it is sure to replace its node.
    """

    def __init__(self, graph: Graph) -> None:
        self.builder = Builder()
        self.producers: dict[Value, Node] = {}
        self._uses: dict[Value, int] = {}
        for value in (*(value for node in graph.nodes for value in node.inputs), *graph.results):
            self._uses[value] = self._uses.get(value, 0) + 1

    def producer(self, value: Value, of: type[Op]) -> Node | None:
        """The node that makes a value, where its op is an `of`."""
        node = self.producers.get(value)
        return node if node is not None and isinstance(node.op, of) else None

    def constant(self, value: Value) -> Number | None:
        """The number in every element of a value, where that is known."""
        node = self.producers.get(value)
        return node.op.value if node is not None and isinstance(node.op, Const) else None

    def is_used_once(self, value: Value) -> bool:
        """Whether one use of a value is all there is; false also where that is not known yet."""
        return self._uses.get(value) == 1

    def expr(self, value: Value) -> Expr:
        """The value as an expression: what is computed with it becomes part of the replacement."""
        return self.builder.wrap(value)

    def build(self, op: Op, *inputs: Value) -> Value:
        """The result of a new node."""
        return self.builder.expr(op, *inputs).value

    def number(self, value: Number, type: TensorType) -> Value:
        """A new constant."""
        return self.builder.constant(value, type).value


# A rule is asked about a node of one result. It returns the value to use in its place, or None where it does not apply.
Rule = Callable[[Node, Context], Value | None]

# The rules of an op, or of a family of ops. An op has its own rules first, then those of its family.
Rules = Mapping[type, tuple[Rule, ...]]


def rewrite(graph: Graph, rules: Rules) -> Graph:
    """The graph after the rules of each node's op, tried in order until one applies; the same object if none did.

    What a rule builds is rewritten in turn, so rules must lead somewhere: each makes the graph smaller, cheaper or
    closer to one form. New nodes get the location and the sweep of the node they replace, and a new value its name.
    A rule looks at what is above its node only; nodes that lose their last use stay, for `prune` to take.
    """
    sweep = _Sweep(graph, rules)
    for node in graph.nodes:
        sweep.emit(node)
    if not sweep.applied:
        return graph
    return replace(
        graph,
        nodes=tuple(sweep.nodes),
        outputs=tuple(sweep.current(value) for value in graph.outputs),
        updates=tuple((state, sweep.current(value)) for state, value in graph.updates),
    )


class _Sweep:
    def __init__(self, graph: Graph, rules: Rules) -> None:
        self.context = Context(graph)
        self.rules = rules
        self.rules_of: dict[type, tuple[Rule, ...]] = {}
        self.nodes: list[Node] = []
        self.replaced: dict[Value, Value] = {}
        self.applied = False

    def current(self, value: Value) -> Value:
        return self.replaced.get(value, value)

    def emit(self, node: Node) -> None:
        """Append a node with its inputs replaced, or what its rules make of it."""
        if any(value in self.replaced for value in node.inputs):
            inputs = tuple(self.current(value) for value in node.inputs)
            node = Node(node.op, inputs, node.outputs, node.location, node.backward)
        builder = self.context.builder
        kind = type(node.op)
        if kind not in self.rules_of:
            self.rules_of[kind] = tuple(rule for base in kind.__mro__ for rule in self.rules.get(base, ()))
        for rule in self.rules_of[kind]:
            builder.location, builder.backward = node.location, node.backward
            replacement = rule(node, self.context)
            if replacement is not None:
                self.replace(node.output, replacement)
                return
        self.nodes.append(node)
        self.context.producers.update((value, node) for value in node.outputs)

    def replace(self, old: Value, new: Value) -> None:
        """Append the nodes that a rule built, and use `new` for `old` from here on."""
        assert new.type == old.type, f"a rule replaced {old} by {new}"
        self.applied = True
        builder = self.context.builder
        built, builder.nodes = builder.nodes, []
        for node in built:
            if node.outputs == (new,) and new.name is None and old.name is not None:
                new = Value(new.type, old.name)
                node = replace(node, outputs=(new,))
            self.emit(node)
        self.replaced[old] = self.current(new)
