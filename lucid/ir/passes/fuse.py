"""Fusion: groups of nodes that are computed together, in one pass over memory, become `fused` nodes.

A group is one of two kinds. In a *map* every node has as many elements as the others, and element i of one depends on
element i of the others, in row-major order. In a *reduction* there are nodes of the operand's size, among them the
operands of the reductions, which all have one shape and reduce the same axes; and nodes of the results' size, which may
depend on the results. Nothing of the operand's size may depend on a result.

Constants, iotas and movements of values in memory cost no more than a load: they are repeated in each group that reads
them and belong to none; so is what windows read, where that is cheaper than to store it (`windowed.py`), and what has a
short formula of one value in memory and would be stored for a later kernel (`formulas.py`). Everything else is computed
once; what other groups read, the group stores.
"""

from __future__ import annotations

import enum
import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise, Movement, Reduction
from lucid.ir.ops.elementwise import Cast
from lucid.ir.ops.indexing import Gather
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.random import Random
from lucid.ir.ops.windows import Unwindow, Window
from lucid.ir.passes.cost import combining, operations
from lucid.ir.passes.formulas import computed_again
from lucid.ir.passes.groups import Groups
from lucid.ir.passes.loops import in_loops_too
from lucid.ir.passes.outline import SOURCES, VIEWS, outline
from lucid.ir.passes.prune import prune
from lucid.ir.passes.windowed import windowed
from lucid.ir.types import Extent, Shape
from lucid.logs import FUSION

COMPUTED = (Elementwise, Random, Movement)  # of movements, those that are not views


@in_loops_too
def fuse(graph: Graph) -> Graph:
    """Join nodes into fused nodes, first along the values that they pass to each other, then where they read the same.

    Matmuls, checks and other ops that are not loop nests stay as they are, and so does a group of one node.
    """
    plan = _joined(graph)
    fused = outline(plan.graph, plan.kernels(), plan.repeated)
    if FUSION.isEnabledFor(logging.DEBUG):
        FUSION.debug("%s: %d nodes become %d", graph.name, len(plan.graph.nodes), len(fused.nodes))
        for a, b, value, obstacle in plan.neighbours():
            if obstacle is Obstacle.NO_LOOPS:  # nearly every step has many, and nobody could do anything about them
                continue
            names = (plan.name(a), plan.name(b), value.name or value.type)
            FUSION.debug("  %s and %s at %s: %s", *names, obstacle.value.format(plan.detail(a, b, obstacle)))
    return fused


def _joined(graph: Graph) -> _Plan:
    plan = _Plan(prune(graph))
    plan.join_producers()
    plan.join_siblings()
    return plan


# The most scalar operations for an element of a kernel. LLVM takes more than in proportion to compile more; only
# long loops that Python unrolls come near.
LARGEST = 4_000


class Obstacle(enum.Enum):
    """Why two groups are not one kernel. The words leave a place for details."""

    NO_LOOPS = "{} is not a loop nest: it has a kernel of its own"
    DOMAINS = "their elements differ: {}"
    ELSEWHERE = "one reads what the other computes elsewhere than in place, so it must be in memory"
    ROWS = "one walks rows of windows, the other elements across the ends of rows"
    LARGE = "one kernel of both would take long to compile: {} scalar operations for an element"
    CIRCLE = "a third kernel needs one of them and is needed by the other"
    SWEEPS = "forward and backward stay apart: what is recomputed would be computed in the forward again"
    CHECKED = "a check waits for one of them, and for nothing else"
    ORDER = "a third kernel stood between them when they were tried, and has joined one of them since"


@dataclass(frozen=True)
class Separation:
    """Two neighbours that `fuse` leaves apart: `value` passes from the first to the second, or else both read it. Each
    is the values that its group computes."""

    first: frozenset[Value]
    second: frozenset[Value]
    value: Value
    obstacle: Obstacle
    reason: str


def separations(graph: Graph) -> list[Separation]:
    """Why the kernels that `fuse` makes of a graph are not fewer: for each pair of groups that pass a value or read one
    value in place, what keeps them apart. A value that many groups read is told of each group and the next."""
    plan = _joined(graph)
    values: dict[int, frozenset[Value]] = {}
    for number, node in enumerate(plan.nodes):
        group = plan.groups.group(number)
        values[group] = values.get(group, frozenset()).union(node.outputs)
    found: dict[tuple[int, int], Separation] = {}
    for a, b, value, obstacle in plan.neighbours():
        if (a, b) not in found and (b, a) not in found:
            reason = obstacle.value.format(plan.detail(a, b, obstacle))
            found[a, b] = Separation(values[a], values[b], value, obstacle, reason)
    return list(found.values())


@dataclass(frozen=True)
class _Domain:
    """The elements that a group runs over: `size` of them, reduced along axes of a shape to `result_size`."""

    size: Extent
    reduction: tuple[Shape, tuple[int, ...], int] | None = None
    result_size: Extent = 0

    @staticmethod
    def of(node: Node) -> _Domain | None:
        """The domain of a node, None where it cannot be in a group."""
        if isinstance(node.op, Reduction):
            operand, result = node.inputs[0].type, node.output.type
            if operand.size == result.size:  # nothing would tell the two apart
                return None
            return _Domain(operand.size, (operand.shape, node.op.axes, node.op.lanes), result.size)
        computed = isinstance(node.op, COMPUTED) and not isinstance(node.op, VIEWS)
        return _Domain(node.output.type.size) if computed else None

    def __str__(self) -> str:
        if self.reduction is None:
            return f"{self.size}"
        shape, axes, _ = self.reduction
        return f"{' x '.join(map(str, shape))} reduced along {', '.join(map(str, axes))}"

    def joined(self, other: _Domain) -> _Domain | None:
        """The domain of both groups in one, None where there is none."""
        if (self.reduction is None) == (other.reduction is None):
            return self if self == other else None
        reduction, map = (other, self) if self.reduction is None else (self, other)
        return reduction if map.size in (reduction.size, reduction.result_size) else None


@dataclass(frozen=True)
class _Read:
    """A value in memory, or of another group, that a node reads: `in_place` where its element i goes with element i,
    `in_window` where windows lie in between."""

    value: Value
    in_place: bool
    in_window: bool = False


def _walks_across_rows(node: Node) -> bool:
    """Whether a kernel of the node walks elements that are not in rows: a random op in whole quads of words, a sum in
    lanes that do not divide its rows."""
    if isinstance(node.op, Reduction):
        row = node.inputs[0].type.shape[-1:]
        return node.op.lanes > 1 and bool(row) and row[0] % node.op.lanes != 0
    return isinstance(node.op, Random)


def _work(node: Node) -> int:
    """The scalar operations for an element of a node."""
    dtypes = tuple(value.type.dtype for value in node.inputs)
    if isinstance(node.op, Elementwise | Random):
        return operations(node.op, dtypes)
    return combining(node.op, dtypes[0]) if isinstance(node.op, Reduction) else 1


class _Plan:
    """The nodes that are computed, by number; what each reads through the views above it; and their groups."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producer = graph.producers()
        self.repeated = self._repeated()
        self.nodes = [node for node in graph.nodes if node not in self.repeated]
        self.number = {value: number for number, node in enumerate(self.nodes) for value in node.outputs}
        self.reads = [self._reads_of(node) for node in self.nodes]
        sources = [[self.number[read.value] for read in reads if read.value in self.number] for reads in self.reads]
        self.groups = Groups(sources)
        self.domain = [_Domain.of(node) for node in self.nodes]
        self.sweep = [node.backward for node in self.nodes]  # the last backward sweep that has a node in the group
        # The numbers that a group reads elsewhere than in place: they must be in memory when it starts.
        self.apart = [0] * len(self.nodes)
        for number, reads in enumerate(self.reads):
            for read in reads:
                if read.value in self.number and not read.in_place:
                    self.apart[number] |= 1 << self.number[read.value]
        self.work = [_work(node) for node in self.nodes]
        # Whether a group walks the rows of windows, whose neighbours stand in a pattern; and whether it walks elements
        # on and on, across the ends of rows. It does one or the other.
        self.in_rows = [any(read.in_window for read in reads) for reads in self.reads]
        self.on_and_on = list(map(_walks_across_rows, self.nodes))

    def _repeated(self) -> set[Node]:
        """The nodes that each group repeats for itself."""
        found: set[Node] = set()
        inputs = set(self.graph.inputs)
        to_memory = set(self.graph.results)
        for node in self.graph.nodes:
            if _Domain.of(node) is None:
                to_memory.update(node.inputs)
        for node in self.graph.nodes:
            if isinstance(node.op, (*SOURCES, *VIEWS)):
                found.add(node)
            elif isinstance(node.op, Cast):
                (x,), y = node.inputs, node.output
                # Storing and loading a mask as bools moves less than as floats, where nobody needs the floats.
                widens = x.type.dtype.itemsize < y.type.dtype.itemsize and y not in to_memory
                is_scalar_input = x in inputs and x.type.size == 1
                of_repeated = self.producer.get(x) in found and not self._is_computed(x)
                if widens or is_scalar_input or of_repeated:
                    found.add(node)
        return found | windowed(self.graph) | computed_again(self.graph)

    def _is_computed(self, value: Value) -> bool:
        """Whether a value is a computed one, maybe under another shape."""
        node = self.producer.get(value)
        if node is not None and isinstance(node.op, Reshape):
            return self._is_computed(node.inputs[0])
        return node is not None and not isinstance(node.op, (*SOURCES, *VIEWS, Cast))

    def _reads_of(self, node: Node) -> list[_Read]:
        """What a node reads of inputs and of computed nodes, each once, through the nodes that are repeated."""
        found: dict[_Read, None] = {}

        def follow(value: Value, in_place: bool, in_window: bool = False) -> None:
            source = self.producer.get(value)
            if source is None or source not in self.repeated:
                found[_Read(value, in_place, in_window)] = None
                return
            in_window |= isinstance(source.op, Window | Unwindow)
            for operand in source.inputs:
                follow(operand, in_place and isinstance(source.op, Reshape | Elementwise), in_window)

        for number, value in enumerate(node.inputs):
            looks_up = isinstance(node.op, Gather) and number == 1 and value.type.shape == node.output.type.shape
            follow(value, looks_up or isinstance(node.op, Elementwise | Reduction))
        return list(found)

    # Grouping.

    def join_producers(self) -> None:
        """Join each node with the groups of what it reads in place: the largest value first, then the latest.

        Nodes of one sweep come first. Else a node of the backward that reads the forward alone, such as the comparison
        behind a ReLU, would join the forward, which would then store its result, and not the backward that needs it.
        """
        crossing: list[tuple[int, int]] = []
        for number, reads in enumerate(self.reads):
            sources = [read.value for read in reads if read.in_place and read.value in self.number]
            for value in sorted(sources, key=lambda value: (value.type.nbytes, self.number[value]), reverse=True):
                source = self.number[value]
                if self.nodes[source].backward == self.nodes[number].backward:
                    self.join(source, number)
                else:
                    crossing.append((source, number))
        for source, number in crossing:
            self.join(source, number)

    def join_siblings(self) -> None:
        """Join groups that read one value in place, so that it is loaded once. A single element is not worth it: the
        scalars of each parameter's update would become one large kernel, and not one small one for them all.

        The forward and a backward stay apart: what is recomputed in the backward would end up in the forward again.
        What a check waits for stays apart too: the check should not wait for anything else.
        """
        checked = self.checked()
        for numbers in self.readers().values():
            kept: list[int] = []
            for number in numbers:
                mates = (mate for mate in kept if self.obstacle_to_siblings(mate, number, checked) is None)
                if not any(self.join(mate, number) for mate in mates):
                    kept.append(number)

    def readers(self) -> dict[Value, list[int]]:
        """The numbers that read each value of more than one element in place."""
        readers: dict[Value, list[int]] = {}
        for number, reads in enumerate(self.reads):
            for read in reads:
                if read.in_place and read.value.type.size > 1:
                    readers.setdefault(read.value, []).append(number)
        return readers

    def checked(self) -> int:
        """The groups that a check waits for."""
        checked = 0
        for number, node in enumerate(self.nodes):
            checked |= self.groups.above[self.groups.group(number)] if node.op.has_effect else 0
        return checked

    def obstacle_to_siblings(self, a: int, b: int, checked: int) -> Obstacle | None:
        """What keeps the groups of two numbers that read one value from being tried."""
        a, b = self.groups.group(a), self.groups.group(b)
        if (checked >> a | checked >> b) & 1:
            return Obstacle.CHECKED
        return Obstacle.SWEEPS if self.sweep[a] != self.sweep[b] else None

    def obstacle(self, a: int, b: int) -> Obstacle | None:
        """What keeps two groups from being one kernel."""
        first, second = self.domain[a], self.domain[b]
        if first is None or second is None:
            return Obstacle.NO_LOOPS
        if first.joined(second) is None:
            return Obstacle.DOMAINS
        if self.apart[a] & self.groups.members[b] or self.apart[b] & self.groups.members[a]:
            return Obstacle.ELSEWHERE
        if (self.in_rows[a] or self.in_rows[b]) and (self.on_and_on[a] or self.on_and_on[b]):
            return Obstacle.ROWS
        if self.work[a] + self.work[b] > LARGEST:
            return Obstacle.LARGE
        return None if self.groups.may_merge(a, b) else Obstacle.CIRCLE

    def detail(self, a: int, b: int, obstacle: Obstacle) -> str:
        """What an obstacle's words leave a place for."""
        if obstacle is Obstacle.NO_LOOPS:
            return self.nodes[a if self.domain[a] is None else b].op.name
        if obstacle is Obstacle.LARGE:
            return str(self.work[a] + self.work[b])
        return f"{self.domain[a]}, and {self.domain[b]}"

    def join(self, a: int, b: int) -> bool:
        """Join the groups of two numbers if they make one kernel; whether they are one group now."""
        a, b = self.groups.group(a), self.groups.group(b)
        if a == b:
            return True
        if self.obstacle(a, b) is not None:
            return False
        first, second = self.domain[a], self.domain[b]
        domain = first.joined(second) if first and second else None
        everything_apart, last_sweep = self.apart[a] | self.apart[b], max(self.sweep[a], self.sweep[b])
        group = self.groups.merge(a, b)
        self.domain[group], self.apart[group], self.sweep[group] = domain, everything_apart, last_sweep
        self.work[group] = self.work[a] + self.work[b]
        self.in_rows[group] = self.in_rows[a] or self.in_rows[b]
        self.on_and_on[group] = self.on_and_on[a] or self.on_and_on[b]
        return True

    def name(self, group: int) -> str:
        """The ops of a group, each once."""
        members = (node for number, node in enumerate(self.nodes) if self.groups.group(number) == group)
        return "_".join(dict.fromkeys(node.op.name for node in members))

    def kernels(self) -> list[list[Node]]:
        """The groups, in the order of their first nodes, each as its nodes in order."""
        groups: dict[int, list[Node]] = {}
        for number, node in enumerate(self.nodes):
            groups.setdefault(self.groups.group(number), []).append(node)
        return list(groups.values())

    def neighbours(self) -> Iterator[tuple[int, int, Value, Obstacle]]:
        """Pairs of groups that pass a value, or read one in place, with what keeps them apart."""
        for number, reads in enumerate(self.reads):
            for read in reads:
                if read.value in self.number:
                    a, b = self.groups.group(self.number[read.value]), self.groups.group(number)
                    if a != b:
                        yield a, b, read.value, self.obstacle(a, b) or Obstacle.ORDER
        checked = self.checked()
        for value, numbers in self.readers().items():
            groups = list(dict.fromkeys(map(self.groups.group, numbers)))
            for a, b in itertools.pairwise(groups):
                yield a, b, value, self.obstacle(a, b) or self.obstacle_to_siblings(a, b, checked) or Obstacle.ORDER
