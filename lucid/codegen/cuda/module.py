"""The CUDA C module of a graph: a function for each distinct kernel, and the plan that launches them in order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lucid.codegen.cuda.convolution import convolution_products
from lucid.codegen.cuda.dots import dots_launch
from lucid.codegen.cuda.functions import (
    Dots,
    Function,
    FusedProduct,
    Gathered,
    LoopNest,
    Merge,
    Product,
    Report,
    Scatter,
    Sort,
)
from lucid.codegen.cuda.plan import Element, Launch, LaunchPlan, Loop, Step, Stretch, line_of_blocks
from lucid.codegen.cuda.product import is_wide, product_launch
from lucid.codegen.cuda.prologues import join_prologues
from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from lucid.codegen.cuda.scatter import scatter_threads
from lucid.codegen.cuda.sort import merges, sort_grid
from lucid.codegen.cuda.tiles import Around
from lucid.codegen.cuda.wide_maps import cut_wide_maps, is_narrow
from lucid.codegen.handlers import handler_of
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import LOWERED, lower, lower_factor, where
from lucid.codegen.memory import arena_size, around_body, home, is_view, plan
from lucid.ir.graph import Graph, Location, Node, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionOp, ConvolutionWeight
from lucid.ir.ops.derivative import CustomVjp
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.indexing import Argsort, ScatterAdd
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.structure import Check, Fused, Grad
from lucid.ir.passes.epilogues import join_epilogues
from lucid.ir.text_print import print_graph
from lucid.ir.types import TensorType
from lucid.ir.verify import verify

# Ops that the CUDA target has no function for, and why.
UNSUPPORTED: Mapping[type[Op], str] = {
    Grad: "the pass `differentiate` must have written it out",
    CustomVjp: "the pass `simplify` must have put values in its place",
}


@dataclass(frozen=True)
class Module:
    """A planned graph as CUDA C: the text of each function by its name, the launches, and the locations of checks by
    their numbers."""

    graph: Graph
    functions: Mapping[str, str]
    plan: LaunchPlan
    checks: tuple[Location | None, ...]

    @property
    def text(self) -> str:
        """The source of the module."""
        head = f"// {printable(self.graph.name)}: compile with {' '.join(NVRTC_OPTIONS)}\n"
        return "\n".join([head, *self.functions.values()])


def write_module(graph: Graph, prefix: str = "") -> Module:
    """The module of a graph, planned or not. The names of its functions begin with the prefix.

    Where it is not planned, maps that keep too many values are cut, and products take narrow maps that read their
    results as epilogues, and those that make a factor as prologues: elements then need not go through memory, which
    bounds a GPU. Nodes with equal kernels share a function. Raises CompileError for an op that has no CUDA kernel.
    """
    kernel_of = functools.cache(lower)  # asked by the plan, then by the writer
    if not graph.places:
        graph = plan(join_prologues(join_epilogues(cut_wide_maps(graph), is_narrow)), kernel_of)
        verify(graph)
    return _Writer(graph, prefix, kernel_of).write()


@dataclass(frozen=True)
class _Scope:
    """A graph that is being written, the whole or the body of a loop, and the storages of its values that are not in
    the arena."""

    graph: Graph
    storages: Mapping[Value, int]


class _Writer:
    def __init__(self, graph: Graph, prefix: str, kernel_of: Callable[[Node], Kernel]) -> None:
        self.graph = graph
        self.prefix = prefix
        self.kernel_of = kernel_of
        slots = {value: number for number, value in enumerate((*graph.inputs, *graph.outputs))}
        self.slots = len(slots)
        self.scope = _Scope(graph, slots)
        self.arena = arena_size(graph)
        self.stretches: dict[Stretch, int] = {}
        # Numbered behind the stretches, whose number is known in the end: until then from -1 downwards.
        self.elements: list[Element] = []
        self.names: dict[tuple[Function, bool], str] = {}
        self.nodes_of: dict[tuple[Function, bool], list[Node]] = {}
        self.steps: list[Step[Launch]] = []
        self.checks: list[tuple[str, str]] = []
        self.locations: list[Location | None] = []  # of the checks
        self.states = {slots[state] for state, _ in graph.updates}

    def write(self) -> Module:
        graph, slots, makers = self.graph, self.scope.storages, self.graph.producers()
        for node in graph.nodes:
            handler_of(node, HANDLERS, "CUDA", UNSUPPORTED)(self, node)
        for state, new in graph.updates:
            if home(graph, new) is not state:
                self.copy(state, new, makers[new].location)
        plan = LaunchPlan(
            tuple(str(value.type) for value in graph.inputs),
            tuple(str(value.type) for value in graph.outputs),
            tuple(slots[state] for state, _ in graph.updates),
            tuple(self.stretches),
            self.arena,
            tuple(self.checks),
            tuple(self.names.values()),
            self.numbered(self.steps),
            self.number(_STATUS),
        )
        return Module(
            graph, {name: self.text(key, name) for key, name in self.names.items()}, plan, tuple(self.locations)
        )

    def number(self, storage: int) -> int:
        """The final number of a storage."""
        first = self.slots + len(self.stretches)
        if storage == _STATUS:
            return first + len(self.elements)
        return storage if storage >= 0 else first - 1 - storage

    def numbered(self, steps: Sequence[Step[Launch]]) -> tuple[Step[Launch], ...]:
        """Steps with the final numbers of their storages."""

        def final(step: Step[Launch]) -> Step[Launch]:
            if isinstance(step, Launch):
                return replace(step, buffers=tuple(map(self.number, step.buffers)))
            elements = tuple(replace(element, storage=self.number(element.storage)) for element in step.elements)
            return replace(step, first=self.number(step.first), elements=elements, steps=self.numbered(step.steps))

        return tuple(map(final, steps))

    def text(self, key: tuple[Function, bool], name: str) -> str:
        (function, guarded), nodes = key, self.nodes_of[key]
        comment = (*_origins(nodes), *_statements(nodes))
        return "".join(f"// {line}\n" for line in comment) + function.text(name, guarded, where(nodes[0]))

    # Storages and functions.

    def storage(self, value: Value, scope: _Scope | None = None) -> int:
        """The storage that a value of a scope, the present one if none is given, lives in."""
        scope = scope or self.scope
        value = home(scope.graph, value)
        if value in scope.storages:
            return scope.storages[value]
        offset = scope.graph.places[value].offset
        assert offset is not None
        return self.in_arena(offset, value.type.nbytes)

    def temporary(self, type: TensorType) -> Value:
        """A value for the launches of one node, behind everything else in the arena."""
        value = Value(type)
        storage = self.in_arena(arena_size(self.graph), type.nbytes)
        self.arena = max(self.arena, arena_size(self.graph) + type.nbytes)
        self.scope = replace(self.scope, storages={**self.scope.storages, value: storage})
        return value

    def in_arena(self, offset: int, size: int) -> int:
        """The storage that is a stretch of the arena."""
        return self.slots + self.stretches.setdefault(Stretch(offset, size), len(self.stretches))

    def is_state(self, storage: int) -> bool:
        """Whether a storage is that of a state which the graph updates, or a part of one."""
        while storage < 0:
            storage = self.elements[-1 - storage].storage
        return storage in self.states

    def launch(
        self,
        node: Node,
        function: Function,
        blocks: tuple[int, int],
        threads: int,
        scalars: tuple[int, ...] = (),
        values: Sequence[Value] | None = None,
    ) -> None:
        """Launch a function on the operands and results of a node, or on `values`."""
        buffers = tuple(map(self.storage, (*node.inputs, *node.outputs) if values is None else values))
        # Also where no check is in the graph: one of a step before may have failed.
        key = function, any(self.is_state(self.storage(value)) for value in node.outputs)
        if key not in self.names:
            self.names[key] = self.new_name(*key)
        self.nodes_of.setdefault(key, []).append(node)
        if key[1] or isinstance(function, Report):
            buffers = (*buffers, _STATUS)
        self.steps.append(Launch(self.names[key], blocks, threads, buffers, scalars, isinstance(function, Report)))

    def new_name(self, function: Function, guarded: bool) -> str:
        label = self.prefix + function.label
        if isinstance(function, Product | Dots | Report):
            return f"{label}_guarded" if guarded else label
        return f"{label}_{sum(type(other) is type(function) for other, _ in self.names)}"

    # Nodes.

    def loops(self, node: Node) -> None:
        """A node that is a kernel. A reshape that shares its operand's storage needs no code."""
        if is_view(self.scope.graph, node):
            return
        nest = LoopNest(self.kernel_of(node))
        if not nest.kernel.is_empty:
            blocks, threads = nest.grid(where(node))
            self.launch(node, nest, (blocks, 1), threads)

    def fused(self, node: Node) -> None:
        assert isinstance(node.op, Fused)
        if node.op.product is None:
            self.loops(node)
            return
        product, given = node.op.product, dict(zip(node.op.body.arguments, node.inputs, strict=True))
        factors = [given[value] for value in product.inputs if value in given]  # the others are computed
        for function in kernel_functions(node, self.kernel_of(node)):
            assert isinstance(function, Gathered | FusedProduct)
            assert function.around is not None
            computed = function.around.values(node)
            if isinstance(function, Gathered):
                blocks, threads = function.product.grid()
                self.launch(node, function, blocks, threads, values=[*factors[::-1], *computed])
            else:
                assert isinstance(product.op, Matmul)
                a, b = (value.type for value in product.inputs)
                launch = product_launch(product.op, a, b, where(node))
                self.launch(node, function, *launch, values=[*factors, *computed])

    def copy(self, to: Value, source: Value, location: Location | None) -> None:
        self.loops(Node(Detach(), (source,), (to,), location))

    def contraction(self, node: Node) -> None:
        assert isinstance(node.op, Matmul)
        if node.output.type.size == 0:
            return
        (a, b), c = (value.type for value in node.inputs), node.output.type
        if node.op.lanes == 1:
            self.launch(node, _product_of(node), *product_launch(node.op, a, b, where(node)))
        else:
            op, wide = node.op, is_wide(a, b, c)
            dots = Dots(a.dtype, op.lanes, op.transpose_a, op.transpose_b, wide)
            self.launch(node, dots, *dots_launch(op, a, b, where(node)))

    def convolution(self, node: Node) -> None:
        assert isinstance(node.op, ConvolutionOp)
        if node.output.type.size:
            first, second = node.inputs
            for product in convolution_products(node.op, first.type, second.type):
                blocks, threads = product.grid()
                self.launch(node, Gathered(product), blocks, threads, values=(second, first, node.output))

    def scatter_add(self, node: Node) -> None:
        assert isinstance(node.op, ScatterAdd)
        if node.output.type.size:
            updates, indices = (value.type for value in node.inputs)
            blocks, threads = line_of_blocks(scatter_threads(node.op, updates))
            self.launch(node, Scatter(node.op, updates, indices), (blocks, 1), threads)

    def argsort(self, node: Node) -> None:
        assert isinstance(node.op, Argsort)
        if not node.output.type.size:
            return
        (x,), result, turns = node.inputs, node.output, merges(node.inputs[0].type)
        blocks, threads = sort_grid(x.type)
        other = self.temporary(result.type) if turns else result
        here, there = (other, result) if turns % 2 else (result, other)
        self.launch(node, Sort(node.op, x.type), (blocks, 1), threads, values=(x, here))
        for turn in range(turns):
            blocks, threads = line_of_blocks(x.type.size)
            self.launch(node, Merge(node.op, x.type), (blocks, 1), threads, (turn,), values=(x, here, there))
            here, there = there, here

    def check(self, node: Node) -> None:
        assert isinstance(node.op, Check)
        dtype = node.inputs[1].type.dtype
        self.launch(node, Report(dtype), (1, 1), 1, (len(self.checks),))
        self.checks.append((node.op.message, dtype.short))
        self.locations.append(node.location)

    def scan(self, node: Node) -> None:
        """A loop of the plan. The carries lie where the loop's results are."""
        scan, outer, steps = node.op, self.scope, self.steps
        assert isinstance(scan, Scan)
        body, count = scan.body, scan.carries
        for start, result in zip(node.inputs, node.outputs[:count], strict=False):
            if home(outer.graph, start) is not home(outer.graph, result):
                self.copy(result, start, node.location)
        whole, stacked = around_body(node)
        elements = tuple(Element(self.storage(stack, outer), inside.type.nbytes) for inside, stack in stacked)
        first = -1 - len(self.elements)
        self.elements += elements
        storages = {inside: self.storage(value, outer) for inside, value in whole}
        storages |= {inside: first - number for number, (inside, _) in enumerate(stacked)}
        self.scope, self.steps = _Scope(body, storages), []
        for inner in body.nodes:
            located = inner if inner.location is not None else replace(inner, location=node.location)
            handler_of(located, HANDLERS, "CUDA", UNSUPPORTED)(self, located)
        for argument, new in zip(body.arguments, body.outputs[:count], strict=False):
            if home(body, new) is not argument:
                self.copy(argument, new, node.location)
        loop = Loop(scan.length, scan.reverse, first, elements, tuple(self.steps))
        self.scope, self.steps = outer, [*steps, loop]


# The storage that is the status, until its number is known.
_STATUS = -(2**62)

Handler = Callable[[_Writer, Node], None]

# What writes a node, by the kind of its op.
HANDLERS: Mapping[type[Op], Handler] = {
    Fused: _Writer.fused,
    **dict.fromkeys(LOWERED, _Writer.loops),
    Matmul: _Writer.contraction,
    **dict.fromkeys((Convolution, ConvolutionInput, ConvolutionWeight), _Writer.convolution),
    ScatterAdd: _Writer.scatter_add,
    Argsort: _Writer.argsort,
    Check: _Writer.check,
    Scan: _Writer.scan,
}


def kernel_functions(node: Node, kernel: Kernel) -> list[Function]:
    """The functions of a node that is a kernel: one, or those of the products that make up a convolution."""
    product = node.op.product if isinstance(node.op, Fused) else None
    if product is None:
        return [LoopNest(kernel)]
    first, second = (lower_factor(node, number) for number in range(2))
    if isinstance(product.op, ConvolutionOp):
        around = Around(kernel, (second, first))
        types = (value.type for value in product.inputs)
        return [Gathered(part, around) for part in convolution_products(product.op, *types)]
    return [FusedProduct(_product_of(product), Around(kernel, (first, second)))]


def _product_of(node: Node) -> Product:
    """The function of a matmul."""
    assert isinstance(node.op, Matmul)
    (a, b), c = node.inputs, node.output
    return Product(a.type.dtype, node.op.transpose_a, node.op.transpose_b, is_wide(a.type, b.type, c.type))


def _origins(nodes: list[Node]) -> Iterator[str]:
    """The module and the user's line behind each op of some nodes, each once."""
    inner = (part for node in nodes for part in (node.op.body.nodes if isinstance(node.op, Fused) else (node,)))
    found = dict.fromkeys(printable(str(part.location)) for part in inner if part.location is not None)
    return (line for line in found if line)


def _statements(nodes: list[Node]) -> Iterator[str]:
    """The IR of some nodes, each as a graph of its own; equal ones once."""
    graphs = (
        node.op.body
        if isinstance(node.op, Fused)
        else Graph("", tuple(dict.fromkeys(node.inputs)), (), (node,), node.outputs)
        for node in nodes
    )
    for text in dict.fromkeys(print_graph(graph, locations=False, names=False) for graph in graphs):
        yield from text.splitlines()


def printable(text: str) -> str:
    """A text that stays in its // comment: one line, which a backslash at its end would continue."""
    return "".join(character if character.isprintable() else " " for character in text).rstrip("\\ ")
