"""Loops: passes that reach into their bodies, and rules between a body and what is around it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Set as AbstractSet
from dataclasses import replace

from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Movement
from lucid.ir.ops.loop import Scan, in_loops
from lucid.ir.ops.structure import Const
from lucid.ir.passes.loop_parts import Loop, Pair
from lucid.ir.passes.loop_products import factors_before, products_after, products_before
from lucid.ir.passes.outline import LOOPS, SOURCES
from lucid.ir.passes.prune import prune


def in_loops_too(run: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    """A pass that treats the bodies of loops, the innermost first, and then the graph around them."""

    @functools.wraps(run)
    def everywhere(graph: Graph) -> Graph:
        return run(in_loops(graph, lambda scan: everywhere(scan.body)))

    return everywhere


def tidy_loops(graph: Graph) -> Graph:
    """Move out of loops what is the same in every run, and drop what nothing needs.

    >>> from lucid.ir.text import parse
    >>> print(tidy_loops(parse('''
    ... graph @powers(%h: f32[], %x: f32[9], %a: f32[]) {
    ...   %last, %ys = scan %h, %x, %a, length=9, carries=1, sequences=1 (%h: f32[], %x: f32[], %a: f32[]) {
    ...     %e = exp %a
    ...     %y = mul %x, %h
    ...     %new = mul %h, %e
    ...     return %new, %y
    ...   }
    ...   return %last
    ... }''')))
    graph @powers(%h: f32[], %x: f32[9], %a: f32[]) {
      %e: f32[] = exp %a
      %last: f32[] = scan %h, %e, length=9, carries=1, sequences=0 (%h: f32[], %e: f32[]) {
        %new: f32[] = mul %h, %e
        return %new
      }
      return %last
    }
    """
    if not any(isinstance(node.op, Scan) for node in graph.nodes):
        return graph
    return _trimmed(_settled(graph))


def _trimmed(graph: Graph) -> Graph:
    """Drop results of loops that nothing needs, carries that only they depend on, and operands that no run reads."""
    needed = set(graph.results)
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if isinstance(node.op, Scan):
            node = _trim(node, needed)
        nodes.append(node)
        needed.update(node.inputs)
    nodes.reverse()
    return graph if all(x is y for x, y in zip(nodes, graph.nodes, strict=True)) else graph.with_nodes(nodes)


def _trim(node: Node, needed: AbstractSet[Value]) -> Node:
    loop = Loop.of(node)
    stacked = [pair for pair in loop.stacked if pair.outside in needed]
    kept = [carry for carry in loop.carries if carry.result in needed]
    while True:
        outputs = (*(carry.new for carry in kept), *(pair.inside for pair in stacked))
        nodes = prune(replace(loop.scan.body, nodes=tuple(loop.nodes), outputs=outputs)).nodes
        read = {value for node in nodes for value in node.inputs}.union(outputs)
        wanted = [carry for carry in loop.carries if carry in kept or carry.argument in read]
        if len(wanted) == len(kept):
            break
        kept = wanted
    sequences = [pair for pair in loop.sequences if pair.inside in read]
    constants = [pair for pair in loop.constants if pair.inside in read]
    trimmed = replace(
        loop, carries=kept, sequences=sequences, constants=constants, stacked=stacked, nodes=[*nodes]
    ).node()
    unchanged = len(nodes) == len(loop.nodes) and (trimmed.inputs, trimmed.outputs) == (node.inputs, node.outputs)
    return node if unchanged else trimmed


def _settled(graph: Graph) -> Graph:
    """Apply the rules below to each loop."""
    sweep = _Settling()
    for node in graph.nodes:
        inputs = tuple(sweep.replaced.get(value, value) for value in node.inputs)
        node = node if inputs == node.inputs else replace(node, inputs=inputs)
        if isinstance(node.op, Scan):
            sweep.settle(node)
        else:
            sweep.add(node)
    if not sweep.changed:
        return graph
    return replace(
        graph,
        nodes=tuple(sweep.builder.nodes),
        outputs=tuple(sweep.replaced.get(value, value) for value in graph.outputs),
        updates=tuple((state, sweep.replaced.get(value, value)) for state, value in graph.updates),
    )


class _Settling:
    def __init__(self) -> None:
        self.builder = Builder()  # of the graph around the loops
        self.constant: dict[Value, Const] = {}
        self.replaced: dict[Value, Value] = {}
        self.changed = False

    def add(self, node: Node) -> None:
        self.builder.nodes.append(node)
        if isinstance(node.op, Const):
            self.constant[node.output] = node.op

    def settle(self, node: Node) -> None:
        """Append a loop, and what has moved out of it."""
        self.builder.location, self.builder.backward = node.location, node.backward
        loop, applied = Loop.of(node), False
        for rule in RULES:
            applied = rule(self, loop) or applied
        late = products_after(loop)
        applied = factors_before(loop, self.builder) or applied  # of products that stay
        self.changed |= applied or bool(late)
        self.add(loop.node() if applied or late else node)
        for product in late:
            self.replaced[product.result] = product.append(self.builder)

    # Rules. Each says whether it applied.

    def constant_carries(self, loop: Loop) -> bool:
        # a carry that every run leaves as it is -> a constant; and so where it starts as a number, and stays that
        numbers = {n.output: n.op for n in loop.nodes if isinstance(n.op, Const)}
        fixed = [carry for carry in loop.carries if carry.new is carry.argument]
        for carry in fixed:
            loop.constants.append(Pair(carry.argument, carry.start))
        same = [c for c in loop.carries if c.new in numbers and numbers[c.new] == self.constant.get(c.start)]
        for carry in same:
            loop.nodes.insert(0, Node(numbers[carry.new], (), (carry.argument,), loop.origin.location))
        for carry in (*fixed, *same):
            self.replaced[carry.result] = carry.start
        loop.carries = [carry for carry in loop.carries if carry not in fixed and carry not in same]
        return bool(fixed or same)

    def numbers_inside(self, loop: Loop) -> bool:
        # a constant, or a sequence, of one number -> that number, in the body, unless it is needed in memory there
        in_memory = _in_memory(loop)
        pairs = [pair for pair in (*loop.constants, *loop.sequences) if pair.inside not in in_memory]
        known = [pair for pair in pairs if pair.outside in self.constant]
        for pair in known:
            op = Const(self.constant[pair.outside].value, pair.inside.type)
            loop.nodes.insert(0, Node(op, (), (pair.inside,), loop.origin.location))
        loop.constants = [pair for pair in loop.constants if pair not in known]
        loop.sequences = [pair for pair in loop.sequences if pair not in known]
        return bool(known)

    def operands_once(self, loop: Loop) -> bool:
        # an operand that is given twice -> once
        applied = False
        for pairs in (loop.sequences, loop.constants):
            first: dict[Value, Pair] = {}
            for pair in list(pairs):
                if first.setdefault(pair.outside, pair) is not pair:
                    loop.substitute(pair.inside, first[pair.outside].inside)
                    pairs.remove(pair)
                    applied = True
        return applied

    def results_once(self, loop: Loop) -> bool:
        # elements that are stacked twice -> once; elements of a sequence -> the sequence; a number -> outside
        numbers = {n.output: n.op for n in loop.nodes if isinstance(n.op, Const)}
        first: dict[Value, Value] = {pair.inside: pair.outside for pair in loop.sequences}
        kept: list[Pair] = []
        for pair in loop.stacked:
            if pair.inside in numbers and pair.inside not in first:
                first[pair.inside] = self.builder.constant(numbers[pair.inside].value, pair.outside.type).value
                self.constant[first[pair.inside]] = Const(numbers[pair.inside].value, pair.outside.type)
            if first.setdefault(pair.inside, pair.outside) is pair.outside:
                kept.append(pair)
            else:
                self.replaced[pair.outside] = first[pair.inside]
        applied = len(kept) < len(loop.stacked)
        loop.stacked = kept
        return applied

    def hoist(self, loop: Loop) -> bool:
        # what every run computes alike -> computed once, before the loop
        outside = {pair.inside: pair.outside for pair in loop.constants}
        alike = set(outside)
        found: list[Node] = []
        for node in loop.nodes:
            if not node.op.has_effect and alike.issuperset(node.inputs):
                alike.update(node.outputs)
                found.append(node)
        wanted = _worth_hoisting(loop, found)
        for node in found:
            if node not in wanted:
                continue
            copies = tuple(Value(value.type, value.name) for value in node.outputs)
            self.add(replace(node, inputs=tuple(outside[x] for x in node.inputs), outputs=copies))
            outside.update(zip(node.outputs, copies, strict=True))
            if not isinstance(node.op, SOURCES):  # of which the body keeps its own
                loop.nodes.remove(node)
                loop.constants += [Pair(*pair) for pair in zip(node.outputs, copies, strict=True)]
        return not all(isinstance(node.op, SOURCES) for node in wanted)

    def multiply_before(self, loop: Loop) -> bool:
        # products with elements of a sequence -> elements of one product
        return products_before(loop, self.builder)


def _in_memory(loop: Loop) -> set[Value]:
    """The values of a body that ops such as matmul read, which need them in memory."""
    return {value for node in loop.nodes if not isinstance(node.op, (*LOOPS, *SOURCES)) for value in node.inputs}


def _worth_hoisting(loop: Loop, found: list[Node]) -> set[Node]:
    """Of nodes that every run computes alike, those that take work, and those that they, or ops such as matmul, read. A
    movement, such as the broadcast of a bias, costs a run nothing, and reads less than its result holds."""
    read = _in_memory(loop)
    wanted: set[Node] = set()
    for node in reversed(found):
        if not isinstance(node.op, (Movement, *SOURCES)) or not read.isdisjoint(node.outputs):
            wanted.add(node)
            read.update(node.inputs)
    return wanted


RULES = (
    _Settling.constant_carries,
    _Settling.numbers_inside,
    _Settling.operands_once,
    _Settling.results_once,
    _Settling.hoist,
    _Settling.multiply_before,
)
