"""The CUDA C module of a graph: a function for each distinct kernel, and the plan that launches them in order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lucid.codegen.cuda.functions import Function, LoopNest, Product, Report
from lucid.codegen.cuda.plan import Launch, LaunchPlan, Stretch
from lucid.codegen.cuda.product import is_wide, product_launch
from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import LOWERED, lower, where
from lucid.codegen.memory import arena_size, home, plan
from lucid.errors import CompileError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Op
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.ops.elementwise import Detach
from lucid.ir.ops.indexing import Argsort, ScatterAdd
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Check, Fused, Grad
from lucid.ir.verify import verify

# What the CUDA target cannot do, and why. Beside it stands one limit of a kernel: see `nest.kernel_lanes`.
UNSUPPORTED: Mapping[type[Op], str] = {
    ScatterAdd: "it needs an ordered kernel of its own",
    Argsort: "it needs a sort of its own",
    Scan: "it needs a loop of launches",
    **dict.fromkeys((Convolution, ConvolutionInput, ConvolutionWeight), "it needs a tiled kernel of its own"),
    Grad: "the pass `differentiate` must have written it out",
}


@dataclass(frozen=True)
class Module:
    """A planned graph as CUDA C: the text of each function by its name, and the launches."""

    graph: Graph
    functions: Mapping[str, str]
    plan: LaunchPlan

    @property
    def text(self) -> str:
        """The source of the module."""
        head = f"// {printable(self.graph.name)}: compile with {' '.join(NVRTC_OPTIONS)}\n"
        return "\n".join([head, *self.functions.values()])


def write_module(graph: Graph, prefix: str = "") -> Module:
    """The module of a graph, planned or not. The names of its functions begin with the prefix.

    Nodes with equal kernels share a function. Raises CompileError for an op that has no CUDA kernel.
    """
    kernel_of = functools.cache(lower)  # asked by the plan, then by the writer
    if not graph.places:
        graph = plan(graph, kernel_of)
        verify(graph)
    return _Writer(graph, prefix, kernel_of).write()


class _Writer:
    def __init__(self, graph: Graph, prefix: str, kernel_of: Callable[[Node], Kernel]) -> None:
        self.graph = graph
        self.prefix = prefix
        self.kernel_of = kernel_of
        self.slots = {value: number for number, value in enumerate((*graph.inputs, *graph.outputs))}
        self.stretches: dict[Stretch, int] = {}
        self.names: dict[tuple[Function, bool], str] = {}
        self.nodes_of: dict[tuple[Function, bool], list[Node]] = {}
        self.launches: list[tuple[Launch, bool]] = []  # and whether it is guarded
        self.checks: list[tuple[str, str]] = []
        self.states = {state for state, _ in graph.updates}
        self.may_fail = any(isinstance(node.op, Check) for node in graph.nodes)

    def write(self) -> Module:
        for node in self.graph.nodes:
            handler_of(node)(self, node)
        for state, new in self.graph.updates:
            if home(self.graph, new) is not state:
                self.loops(Node(Detach(), (new,), (state,)))
        status = len(self.slots) + len(self.stretches)
        plan = LaunchPlan(
            tuple(str(value.type) for value in self.graph.inputs),
            tuple(str(value.type) for value in self.graph.outputs),
            tuple(self.slots[state] for state, _ in self.graph.updates),
            tuple(self.stretches),
            arena_size(self.graph),
            tuple(self.checks),
            tuple(self.names.values()),
            tuple(
                Launch(x.function, x.blocks, x.threads, (*x.buffers, status) if guarded else x.buffers, x.scalars)
                for x, guarded in self.launches
            ),
        )
        return Module(self.graph, {name: self.text(key, name) for key, name in self.names.items()}, plan)

    def text(self, key: tuple[Function, bool], name: str) -> str:
        (function, guarded), nodes = key, self.nodes_of[key]
        return "".join(f"// {line}\n" for line in _origins(nodes)) + function.text(name, guarded, where(nodes[0]))

    # Storages and functions.

    def storage(self, value: Value) -> int:
        """The number of the storage that a value lives in."""
        value = home(self.graph, value)
        if value in self.slots:
            return self.slots[value]
        offset = self.graph.places[value].offset
        assert offset is not None
        stretch = Stretch(offset, value.type.nbytes)
        return len(self.slots) + self.stretches.setdefault(stretch, len(self.stretches))

    def launch(
        self, node: Node, function: Function, blocks: tuple[int, int], threads: int, scalars: tuple[int, ...] = ()
    ) -> None:
        """Launch a function on the operands and results of a node."""
        writes_state = any(home(self.graph, value) in self.states for value in node.outputs)
        key = function, writes_state and self.may_fail
        if key not in self.names:
            self.names[key] = self.new_name(*key)
        self.nodes_of.setdefault(key, []).append(node)
        buffers = tuple(map(self.storage, (*node.inputs, *node.outputs)))
        self.launches.append((Launch(self.names[key], blocks, threads, buffers, scalars), key[1] or not node.outputs))

    def new_name(self, function: Function, guarded: bool) -> str:
        label = self.prefix + function.label
        if isinstance(function, LoopNest):
            return f"{label}_{sum(isinstance(other, LoopNest) for other, _ in self.names)}"
        return f"{label}_guarded" if guarded else label

    # Nodes.

    def loops(self, node: Node) -> None:
        """A node that is a kernel. A reshape that shares its operand's storage needs no code."""
        if isinstance(node.op, Reshape) and home(self.graph, node.output) is home(self.graph, node.inputs[0]):
            return
        nest = LoopNest(self.kernel_of(node))
        if not nest.kernel.is_empty:
            blocks, threads = nest.grid(where(node))
            self.launch(node, nest, (blocks, 1), threads)

    def contraction(self, node: Node) -> None:
        assert isinstance(node.op, Matmul)
        if node.output.type.size:
            a, b = (value.type for value in node.inputs)
            function = Product(a.dtype, node.op.transpose_a, node.op.transpose_b, is_wide(a, b, node.output.type))
            self.launch(node, function, *product_launch(node.op, a, b))

    def check(self, node: Node) -> None:
        assert isinstance(node.op, Check)
        dtype = node.inputs[1].type.dtype
        self.launch(node, Report(dtype), (1, 1), 1, (len(self.checks),))
        self.checks.append((node.op.message, dtype.short))


Handler = Callable[[_Writer, Node], None]

# What writes a node, by the kind of its op.
HANDLERS: Mapping[type[Op], Handler] = {
    Fused: _Writer.loops,
    **dict.fromkeys(LOWERED, _Writer.loops),
    Matmul: _Writer.contraction,
    Check: _Writer.check,
}


def handler_of(node: Node) -> Handler:
    """What writes a node, or a CompileError."""
    for kind in type(node.op).__mro__:
        if kind in HANDLERS:
            return HANDLERS[kind]
    reason = f": {UNSUPPORTED[type(node.op)]}" if type(node.op) in UNSUPPORTED else ""
    raise CompileError(f"the CUDA target does not support {node.op.name}{reason}.", where=where(node))


def _origins(nodes: list[Node]) -> Iterator[str]:
    """The module and the user's line behind each op of some nodes, each once."""
    inner = (part for node in nodes for part in (node.op.body.nodes if isinstance(node.op, Fused) else (node,)))
    found = dict.fromkeys(printable(str(part.location)) for part in inner if part.location is not None)
    return (line for line in found if line)


def printable(text: str) -> str:
    """A text that stays in its // comment: one line, which a backslash at its end would continue."""
    return "".join(character if character.isprintable() else " " for character in text).rstrip("\\ ")
