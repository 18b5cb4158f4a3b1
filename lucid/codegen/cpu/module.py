"""The LLVM module of a graph: a function for each distinct kernel, and the steps that call them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.chunks import SHORTEST, SHORTEST_IN_LOOP
from lucid.codegen.cpu.control import I32, POINTER, TASK, VOID
from lucid.codegen.cpu.irregular import WRITERS
from lucid.codegen.cpu.machine import ENTRY, Machine
from lucid.codegen.cpu.matmul import matmul_call
from lucid.codegen.cpu.nest import KernelFunction, with_numbered_draws, write_kernel
from lucid.codegen.cpu.runner import COPY, RUN
from lucid.codegen.cpu.steps import Operand, Steps
from lucid.codegen.cpu.streamed import streamed
from lucid.codegen.cpu.task import Task
from lucid.codegen.handlers import handler_of
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import LOWERED
from lucid.codegen.memory import around_body, home, is_view
from lucid.ir.graph import Graph, Location, Node, Value
from lucid.ir.ops.base import Irregular, Op
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.structure import Check, Fused
from lucid.ir.types import TensorType

# A module of kernels is complete with so many: few enough for several threads to have something to do.
MOST_EXPRESSIONS = 150


class Scope(NamedTuple):
    """A graph that is being written: the whole, or the body of a loop; and where each value of it is that is not in the
    arena."""

    graph: Graph
    operands: Mapping[Value, Operand]
    shortest: int  # nanoseconds of what is cut into chunks


class ModuleWriter:
    """Writes a planned graph as one module or several, the last of which has the entry and its steps.

    `int entry(void **table, int64_t *status)` finds the addresses of arguments, states and outputs in the table, then
    that of the arena, then `slots` words that are its own, of which the first is zero. It returns 0 when all has been
    written, and says so in the status; or 1 where a check failed: then the status begins with the number of the check,
    the position, and the address of the values.
    """

    def __init__(self, graph: Graph, machine: Machine, kernel_of: Callable[[Node], Kernel]) -> None:
        self.graph = graph
        self.kernel_of = kernel_of
        self.machine = machine
        self.module = self.new_module()
        self.expressions = 0  # of the kernels in there
        values = (*graph.inputs, *graph.outputs)
        self.scope = Scope(graph, {value: (slot, 0) for slot, value in enumerate(values)}, SHORTEST)
        self.arena = len(values)
        self.slots = 0
        self.steps = Steps()
        self.functions: dict[tuple[Kernel, frozenset[int], int], KernelFunction] = {}
        self.irregular_tasks: dict[tuple[Op, tuple[TensorType, ...]], tuple[ir.Function, int, int]] = {}
        self.checks: list[tuple[Check, Value, Location | None]] = []
        self.imports: list[str] = []
        self.calls: list[tuple[Node, str]] = []

    def write(self) -> Iterator[str]:
        """The texts of the modules, each when it is complete."""
        for node in self.graph.nodes:
            handler_of(node, HANDLERS, "CPU")(self, node)
            if self.expressions >= MOST_EXPRESSIONS:
                yield str(self.module)
                self.module, self.expressions = self.new_module(), 0
        for state, new in self.graph.updates:
            if home(self.graph, new) is not state:
                self.copy(state, new)
        entry = ir.Function(self.module, ir.FunctionType(I32, [POINTER, POINTER]), ENTRY)
        builder = ir.IRBuilder(entry.append_basic_block("entry"))
        builder.ret(self.run(builder, self.steps.end(self.module), *entry.args))
        yield str(self.module)

    def new_module(self) -> ir.Module:
        module = ir.Module(self.graph.name)
        module.triple, module.data_layout = self.machine.layout()
        return module

    def run(self, builder: ir.IRBuilder, steps: ir.Value, table: ir.Value, status: ir.Value) -> ir.Value:
        """Take the steps."""
        return builder.call(self.imported(RUN, [POINTER] * 3, I32), [steps, table, status])

    # Operands.

    def operand(self, value: Value) -> Operand:
        """Where a value is."""
        return self._operand(self.scope, value)

    def _operand(self, scope: Scope, value: Value) -> Operand:
        value = home(scope.graph, value)
        if value in scope.operands:
            return scope.operands[value]
        offset = scope.graph.places[value].offset
        assert offset is not None
        return self.arena, offset

    def new_slot(self) -> int:
        """A word of the table that is the entry's own. The first stays zero."""
        self.slots = max(self.slots, 1) + 1
        return self.arena + self.slots

    # Nodes.

    def imported(self, name: str, operands: Sequence[ir.Type], result: ir.Type = VOID) -> ir.Function:
        """One of the functions that all graphs share."""
        if name not in self.imports:
            self.imports.append(name)
        found = self.module.globals.get(name)
        return found or ir.Function(self.module, ir.FunctionType(result, operands), name)

    def called(self, node: Node, name: str) -> None:
        """Note that a node has been written as a call of a function."""
        self.calls.append((node, name))

    def loops(self, node: Node) -> None:
        """A node that is a kernel. A reshape that shares its operand's storage needs no code."""
        if is_view(self.scope.graph, node):
            return
        kernel = self.kernel_of(node)
        if kernel.is_empty:
            return
        kernel, draws = with_numbered_draws(kernel)
        homes = [home(self.scope.graph, value) for value in (*node.inputs, *node.outputs)]
        count = len(node.inputs)
        past_caches = streamed(kernel, [n for n in range(count, len(homes)) if homes[n] in homes[:count]])
        key = kernel, past_caches, self.scope.shortest
        function = self.functions.get(key)
        if function is None:
            name = f"kernel_{len(self.functions)}"
            function = write_kernel(self.module, kernel, name, self.machine.vector_bytes, *key[1:])
            self.functions[key] = function
            self.expressions += len(kernel.values)
        operands = [*map(self.operand, (*node.inputs, *node.outputs))]
        self.steps.task(function.function, function.chunks, operands, draws)
        self.called(node, function.function.name)

    def contraction(self, node: Node) -> None:
        assert isinstance(node.op, Matmul)
        if node.output.type.size == 0:
            return
        call = matmul_call(node.op, node.inputs[0].type, node.inputs[1].type, self.machine, self.scope.shortest)
        task = self.imported(call.name, TASK.args)
        for constant in call.constants:
            if isinstance(constant, str):
                self.imported(constant, TASK.args)
        factors = reversed(node.inputs) if call.swapped else node.inputs
        memory = call.memory * node.output.type.dtype.itemsize
        self.steps.task(task, call.chunks, [*map(self.operand, (*factors, node.output))], call.constants, memory)
        self.called(node, call.name)

    def convolution(self, node: Node) -> None:
        from lucid.codegen.cpu.convolution_call import convolution_call  # for those who have any

        first, second = node.inputs
        if node.output.type.size == 0:
            return
        name, plan = convolution_call(node.op, first.type, second.type, self.machine)
        task = self.imported(name, TASK.args)
        operands = [*map(self.operand, (first, second, node.output))]
        self.steps.task(task, plan.chunks, operands, plan.words, plan.memory * first.type.dtype.itemsize)
        self.called(node, name)

    def irregular(self, node: Node) -> None:
        """A node whose op has a kernel of its own. Equal ones share it."""
        assert isinstance(node.op, Irregular)
        if all(value.type.size == 0 for value in node.outputs):
            return
        types = tuple(value.type for value in node.inputs)
        key = node.op, types
        if key not in self.irregular_tasks:
            function = ir.Function(self.module, TASK, f"{node.op.name}_{len(self.irregular_tasks)}")
            task = Task(function, types, self.machine, self.imported)
            self.irregular_tasks[key] = function, *WRITERS[type(node.op)](task, node.op)
        function, chunks, memory = self.irregular_tasks[key]
        self.steps.task(function, chunks, [*map(self.operand, (*node.inputs, *node.outputs))], memory=memory)
        self.called(node, function.name)

    def check(self, node: Node) -> None:
        assert isinstance(node.op, Check)
        position, values = node.inputs
        self.steps.check(len(self.checks), self.operand(position), self.operand(values))
        self.checks.append((node.op, values, node.location))

    def scan(self, node: Node) -> None:
        """A loop among the steps, those of a run once. The carries lie where the loop's results are."""
        scan, outer = node.op, self.scope
        assert isinstance(scan, Scan)
        body, count = scan.body, scan.carries
        for start, result in zip(node.inputs, node.outputs[:count], strict=False):
            if home(outer.graph, start) is not home(outer.graph, result):
                self.copy(result, start)
        if scan.length == 0:
            return
        whole, stacked = around_body(node)
        operands = {x: self._operand(outer, y) for x, y in whole}
        counter = self.new_slot()
        self.steps.set(counter, (self.arena + 1, scan.length))
        moving = []
        for element, stack in stacked:
            slot, offset = self._operand(outer, stack)
            size = element.type.nbytes
            operands[element] = self.new_slot(), 0
            self.steps.set(operands[element][0], (slot, offset + (scan.length - 1) * size if scan.reverse else offset))
            moving.append((operands[element][0], -size if scan.reverse else size))
        first = self.steps.at
        self.scope = Scope(body, operands, SHORTEST_IN_LOOP)
        for inner in body.nodes:
            handler_of(inner, HANDLERS, "CPU")(self, inner)
        for argument, new in zip(body.arguments, body.outputs[:count], strict=False):
            if home(body, new) is not argument:
                self.copy(argument, new)
        for slot, stride in moving:
            self.steps.set(slot, (slot, stride))
        self.steps.next(counter, first)
        self.scope = outer

    def copy(self, to: Value, source: Value) -> None:
        operands = [self.operand(to), self.operand(source)]
        self.steps.task(self.imported(COPY, TASK.args), 1, operands, [to.type.nbytes])


Handler = Callable[[ModuleWriter, Node], None]

# What writes a node, by the kind of its op. An op of no kind listed here is not supported.
HANDLERS: Mapping[type[Op], Handler] = {
    Fused: ModuleWriter.loops,
    **dict.fromkeys(LOWERED, ModuleWriter.loops),
    Matmul: ModuleWriter.contraction,
    **dict.fromkeys((Convolution, ConvolutionInput, ConvolutionWeight), ModuleWriter.convolution),
    Check: ModuleWriter.check,
    Scan: ModuleWriter.scan,
    **dict.fromkeys(WRITERS, ModuleWriter.irregular),
}
