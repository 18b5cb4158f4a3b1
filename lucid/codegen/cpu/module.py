"""The LLVM module of a graph: a function for each distinct kernel, and the entry that calls them in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from llvmlite import ir

from lucid.codegen.cpu.chunks import kernel_chunks
from lucid.codegen.cpu.control import (
    I8,
    I32,
    I64,
    POINTER,
    VOID,
    Values,
    element,
    i64,
    intrinsic,
    loop,
    memory_type,
)
from lucid.codegen.cpu.convolution_call import convolution_call
from lucid.codegen.cpu.irregular import WRITERS
from lucid.codegen.cpu.machine import DONE_WORD, ENTRY, Machine
from lucid.codegen.cpu.matmul import matmul_call
from lucid.codegen.cpu.nest import KernelFunction, write_kernel
from lucid.codegen.cpu.pool import PARALLEL
from lucid.codegen.cpu.task import Task
from lucid.codegen.handlers import handler_of
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import LOWERED
from lucid.codegen.memory import home
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Irregular, Op
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Check, Fused
from lucid.ir.types import TensorType

TASK = ir.FunctionType(VOID, [POINTER, I64, I64])  # context, chunk, worker


@dataclass(frozen=True)
class Scope:
    """A graph that is being written: the whole, or the body of a loop; and what finds the address of each value of it
    that is not in the arena."""

    graph: Graph
    addresses: Mapping[Value, Callable[[], ir.Value]]


class ModuleWriter:
    """Writes the module of a planned graph.

    `int entry(void **table, int64_t *status)` finds the addresses of arguments, states and outputs in the table, then
    that of the arena. It returns 0 when all has been written, and says so in the status; or 1 where a check
    failed: then the status begins with the number of the check, the position, and the bits of the value there.
    """

    def __init__(self, graph: Graph, machine: Machine, kernel_of: Callable[[Node], Kernel]) -> None:
        self.graph = graph
        self.kernel_of = kernel_of
        self.module = ir.Module(graph.name)
        self.module.triple, self.module.data_layout = machine.layout()
        self.entry = ir.Function(self.module, ir.FunctionType(I32, [POINTER, POINTER]), ENTRY)
        self.addresses = ir.IRBuilder(self.entry.append_basic_block("addresses"))
        self.builder = ir.IRBuilder(self.entry.append_basic_block("start"))
        values = (*graph.inputs, *graph.outputs)
        self.scope = Scope(graph, {x: partial(self._slot, self.builder, n) for n, x in enumerate(values)})
        self.contexts: dict[int, ir.Value] = {}  # by their number of words
        self.arena = self._slot(self.addresses, len(values))
        self.functions: dict[Kernel, KernelFunction] = {}
        self.tasks: dict[tuple[str, int], ir.Function] = {}
        self.plans: dict[tuple[int, ...], ir.GlobalVariable] = {}
        self.irregular_tasks: dict[tuple[Op, tuple[TensorType, ...]], tuple[ir.Function, int]] = {}
        self.checks: list[tuple[Check, Value]] = []
        self.machine = machine
        self.imports: list[str] = []
        self.calls: list[tuple[Node, str]] = []

    def write(self) -> str:
        """The text of the module."""
        start = self.builder.block
        for node in self.graph.nodes:
            handler_of(node, HANDLERS, "CPU")(self, node)
        for state, new in self.graph.updates:
            if home(self.graph, new) is not state:
                self.copy(state, new)
        self.builder.store(i64(1), self.builder.gep(self.entry.args[1], [i64(DONE_WORD)], source_etype=I64))
        self.builder.ret(I32(0))
        self.addresses.branch(start)
        return str(self.module)

    # Addresses.

    def pointer(self, value: Value) -> ir.Value:
        """The address of a value. It is found anew for each use: hundreds of addresses that stay in use from the start
        of the entry to its end cost LLVM's register allocator more than in proportion."""
        return self._address(self.scope, value)

    def _address(self, scope: Scope, value: Value) -> ir.Value:
        value = home(scope.graph, value)
        if value in scope.addresses:
            return scope.addresses[value]()
        offset = scope.graph.places[value].offset
        assert offset is not None
        return self.builder.gep(self.arena, [i64(offset)], source_etype=I8)

    def _slot(self, builder: ir.IRBuilder, number: int) -> ir.Value:
        """An entry of the table."""
        return builder.load(builder.gep(self.entry.args[0], [i64(number)], source_etype=POINTER), typ=POINTER)

    # Nodes.

    def run_task(self, task: ir.Function, arguments: Sequence[ir.Value], chunks: int) -> None:
        """Run the chunks of a task on the pool. Its context is an array of the arguments, a word each, which is free
        again when they have run."""
        if len(arguments) not in self.contexts:
            self.contexts[len(arguments)] = self.addresses.alloca(I64, len(arguments))
        context = self.contexts[len(arguments)]
        for slot, argument in enumerate(arguments):
            word = argument if argument.type == I64 else self.builder.ptrtoint(argument, I64)
            self.builder.store(word, self.builder.gep(context, [i64(slot)]))
        if chunks == 1:
            self.builder.call(task, [context, i64(0), i64(0)])
        else:
            parallel = self.imported(PARALLEL, [POINTER, POINTER, I64])
            self.builder.call(parallel, [task, context, i64(chunks)])

    def imported(self, name: str, operands: Sequence[ir.Type], result: ir.Type = VOID) -> ir.Function:
        """One of the functions that all graphs share."""
        if name not in self.imports:
            self.imports.append(name)
            ir.Function(self.module, ir.FunctionType(result, operands), name)
        return self.module.globals[name]

    def called(self, node: Node, name: str) -> None:
        """Note that a node has been written as a call of a function."""
        self.calls.append((node, name))

    def loops(self, node: Node) -> None:
        """A node that is a kernel. A reshape that shares its operand's storage needs no code."""
        graph = self.scope.graph
        if isinstance(node.op, Reshape) and home(graph, node.output) is home(graph, node.inputs[0]):
            return
        kernel = self.kernel_of(node)
        if kernel.is_empty:
            return
        if kernel not in self.functions:
            self.functions[kernel] = write_kernel(self.module, kernel, f"kernel_{len(self.functions)}")
        function = self.functions[kernel]
        pointers = [*map(self.pointer, (*node.inputs, *node.outputs))]
        extent = kernel.axes[0].extent if kernel.axes else 0
        chunks, grain = kernel_chunks(kernel, function.step)
        if chunks == 1:
            self.builder.call(function.function, [*pointers, i64(0), i64(extent)])
        else:
            self.run_task(self.kernel_task(function.function, grain, extent), pointers, chunks)
        self.called(node, function.function.name)

    def kernel_task(self, function: ir.Function, grain: int, extent: int) -> ir.Function:
        """The task whose chunks are parts of a kernel."""
        key = function.name, grain
        if key not in self.tasks:
            task = ir.Function(self.module, TASK, f"{function.name}_task")
            task.linkage = "internal"
            context, chunk, _ = task.args
            builder = ir.IRBuilder(task.append_basic_block("entry"))
            pointers = [
                builder.load(builder.gep(context, [i64(slot)], source_etype=I64), typ=POINTER)
                for slot in range(len(function.args) - 2)
            ]
            begin = builder.mul(chunk, i64(grain))
            end = builder.add(begin, i64(grain))
            end = builder.select(builder.icmp_signed("<", end, i64(extent)), end, i64(extent))
            builder.call(function, [*pointers, begin, end])
            builder.ret_void()
            self.tasks[key] = task
        return self.tasks[key]

    def contraction(self, node: Node) -> None:
        assert isinstance(node.op, Matmul)
        if node.output.type.size == 0:
            return
        call = matmul_call(node.op, node.inputs[0].type, node.inputs[1].type, self.machine)
        task = self.imported(call.name, TASK.args)
        self.run_task(task, [*map(self.pointer, (*node.inputs, node.output)), *map(i64, call.sizes)], call.chunks)
        self.called(node, call.name)

    def convolution(self, node: Node) -> None:
        first, second = node.inputs
        if node.output.type.size == 0:
            return
        name, plan = convolution_call(node.op, first.type, second.type, self.machine)
        task = self.imported(name, TASK.args)
        self.run_task(task, [*map(self.pointer, (first, second, node.output)), self.words(plan.words)], plan.chunks)
        self.called(node, name)

    def words(self, words: tuple[int, ...]) -> ir.GlobalVariable:
        """A constant array of words."""
        if words not in self.plans:
            type = ir.ArrayType(I64, len(words))
            self.plans[words] = ir.GlobalVariable(self.module, type, f"plan_{len(self.plans)}")
            # As text at once: thousands of words would take a microsecond each.
            self.plans[words].initializer = ir.FormattedConstant(
                type, f"[{', '.join(f'i64 {word}' for word in words)}]"
            )
            self.plans[words].global_constant = True
            self.plans[words].linkage = "internal"
        return self.plans[words]

    def irregular(self, node: Node) -> None:
        """A node whose op has a kernel of its own. Equal ones share it."""
        assert isinstance(node.op, Irregular)
        if all(value.type.size == 0 for value in node.outputs):
            return
        types = tuple(value.type for value in node.inputs)
        key = node.op, types
        if key not in self.irregular_tasks:
            function = ir.Function(self.module, TASK, f"{node.op.name}_{len(self.irregular_tasks)}")
            function.linkage = "internal"
            task = Task(function, types, self.machine, self.imported)
            self.irregular_tasks[key] = function, WRITERS[type(node.op)](task, node.op)
        function, chunks = self.irregular_tasks[key]
        self.run_task(function, [*map(self.pointer, (*node.inputs, *node.outputs))], chunks)
        self.called(node, function.name)

    def check(self, node: Node) -> None:
        assert isinstance(node.op, Check)
        position, values = node.inputs
        failed, passed = (self.builder.append_basic_block(name) for name in ("failed", "passed"))
        at = self.builder.load(self.pointer(position), typ=I64)
        self.builder.cbranch(self.builder.icmp_signed("<", at, i64(0)), passed, failed)
        self.builder.position_at_end(failed)
        dtype = values.type.dtype
        value = self.builder.load(
            element(self.builder, self.pointer(values), at, dtype), align=dtype.itemsize, typ=memory_type(dtype, 1)
        )
        if dtype.itemsize < 8:
            value = (self.builder.sext if dtype.signed else self.builder.zext)(value, I64)
        for slot, word in enumerate((i64(len(self.checks)), at, value)):
            address = self.builder.gep(self.entry.args[1], [i64(slot)], source_etype=I64)
            self.builder.store(word, address)
        self.builder.ret(I32(1))
        self.builder.position_at_end(passed)
        self.checks.append((node.op, values))

    def scan(self, node: Node) -> None:
        """A loop in the entry: the code of a run stands there once. The carries lie where the loop's results are."""
        scan, outer = node.op, self.scope
        assert isinstance(scan, Scan)
        body, count, stop = scan.body, scan.carries, scan.carries + scan.sequences
        for start, result in zip(node.inputs, node.outputs[:count], strict=False):
            if home(outer.graph, start) is not home(outer.graph, result):
                self.copy(result, start)

        def run(number: ir.Value, _: Values) -> Values:
            place = self.builder.sub(i64(scan.length - 1), number) if scan.reverse else number

            def element(stack: Value, element: Value) -> ir.Value:
                offset = self.builder.mul(place, i64(element.type.nbytes))
                return self.builder.gep(self._address(outer, stack), [offset], source_etype=I8)

            whole = [*zip(body.arguments[:count], node.outputs, strict=False)]
            whole += zip(body.arguments[stop:], node.inputs[stop:], strict=True)
            stacked = [*zip(body.arguments[count:stop], node.inputs[count:stop], strict=True)]
            stacked += zip(body.outputs[count:], node.outputs[count:], strict=True)
            addresses = {x: partial(self._address, outer, y) for x, y in whole}
            addresses |= {x: partial(element, y, x) for x, y in stacked}
            self.scope = Scope(body, addresses)
            for inner in body.nodes:
                handler_of(inner, HANDLERS, "CPU")(self, inner)
            for argument, new in zip(body.arguments, body.outputs[:count], strict=False):
                if home(body, new) is not argument:
                    self.copy(argument, new)
            return []

        loop(self.builder, i64(0), i64(scan.length), 1, [], run)
        self.scope = outer

    def copy(self, to: Value, source: Value) -> None:
        copy = intrinsic(self.module, "memcpy.p0.p0.i64", VOID, [POINTER, POINTER, I64, ir.IntType(1)])
        size = i64(to.type.nbytes)
        self.builder.call(copy, [self.pointer(to), self.pointer(source), size, ir.IntType(1)(0)])


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
