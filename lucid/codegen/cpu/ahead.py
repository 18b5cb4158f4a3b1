"""Which shared functions a traced graph will call, as far as can be told before its passes run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from lucid.codegen.cpu.chunks import SHORTEST
from lucid.codegen.cpu.machine import Machine
from lucid.codegen.cpu.matmul import matmul_call
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution, ConvolutionWeight
from lucid.ir.ops.movement import Transpose
from lucid.ir.ops.structure import Grad
from lucid.ir.passes.movement import swaps_last_two
from lucid.ir.passes.order import in_order
from lucid.ir.types import TensorType

Product = tuple[Matmul, tuple[TensorType, TensorType]]  # with the types of its operands


def expected(graph: Graph, machine: Machine) -> tuple[list[str], bool]:
    """Their names, those of gradients with them, and whether any of them has work for several threads. None is missed
    that matters, for what is not begun now is begun later."""
    wanted = [x for node in graph.nodes if isinstance(node.op, Grad) for x in node.inputs[2:]]
    products: dict[Product, None] = {}  # each once, in order
    names: dict[str, None] = {}
    _look_through(graph, wanted, machine, products, names)
    shares = bool(names)  # images have enough of it
    for op, types in products:
        a, b = types
        (result,) = op.infer(types)
        if result.size == 0:
            continue  # it becomes no call
        call = matmul_call(op if op.chunk else in_order(op, a.shape, b.shape), a, b, machine, SHORTEST)
        names.update(dict.fromkeys([call.name, *(word for word in call.constants if isinstance(word, str))]))
        shares = shares or call.chunks > 1
    return [*names], shares


def _look_through(
    graph: Graph, wanted: Collection[Value], machine: Machine, products: dict[Product, None], names: dict[str, None]
) -> None:
    """Note the products of a graph, and the names of the tasks of its convolutions, where gradients of some values are
    wanted."""
    varying = set(wanted)
    swapped: dict[Value, Value] = {}  # operands with their last two axes in the other order
    for node in graph.nodes:
        if not varying.isdisjoint(node.inputs):
            varying.update(node.outputs)
        if isinstance(node.op, Transpose) and swaps_last_two(node):
            swapped[node.output] = node.inputs[0]
        elif isinstance(node.op, Matmul) and node.output.type.dtype.is_float:
            product = _read_swapped(node, swapped)
            products[product] = None
            products.update(dict.fromkeys(_gradients(*product, [x in varying for x in node.inputs])))
        elif isinstance(node.op, Convolution):
            from lucid.codegen.cpu.convolution_call import convolution_prefix  # for those who have any

            first, second = (value.type for value in node.inputs)
            prefix = convolution_prefix(node.op, first, second, machine)
            names[f"{prefix}{first.dtype.short}"] = None
            if wanted:
                gradient = ConvolutionWeight(*node.op.geometry(), second.shape[2:])
                prefix = convolution_prefix(gradient, first, node.output.type, machine)
                names[f"{prefix}{first.dtype.short}"] = None
        for region in node.op.regions():
            inner = region.arguments if not varying.isdisjoint(node.outputs) else ()
            _look_through(region, inner, machine, products, names)


def _read_swapped(node: Node, swapped: dict[Value, Value]) -> Product:
    """The product that reads operands as they were before their last two axes were swapped: see
    `matmul_of_transpose`."""
    assert isinstance(node.op, Matmul)
    (a, b), op = node.inputs, node.op
    op = replace(op, transpose_a=op.transpose_a ^ (a in swapped), transpose_b=op.transpose_b ^ (b in swapped))
    return op, (swapped.get(a, a).type, swapped.get(b, b).type)


def _gradients(op: Matmul, types: Sequence[TensorType], wanted: Sequence[bool]) -> Iterator[Product]:
    """The products that are the gradients of some operands of a product."""
    builder = Builder()
    a, b = (builder.wrap(Value(type)) for type in types)
    y = builder.expr(op, a.value, b.value)
    for is_wanted, gradient in zip(wanted, op.vjp(builder.wrap(Value(y.type)), y, a, b), strict=True):
        if is_wanted and gradient is not None:
            node = next(node for node in builder.nodes if gradient.value in node.outputs)
            assert isinstance(node.op, Matmul)
            left, right = node.inputs
            yield node.op, (left.type, right.type)
