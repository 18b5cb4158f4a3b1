"""What a node takes: the bytes that it moves and the operations that it computes, counted from its kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lucid.codegen.kernel import Apply, Kernel, Load, Placement, RandomElement
from lucid.codegen.lowering import is_lowered, lower, lower_factor
from lucid.ir.graph import Node
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.cost import combining, operations


@dataclass(frozen=True)
class Work:
    """Bytes read and written, each element of an array once; and operations: two for a multiply-add of a matrix product
    or a convolution, and for all else as many as it takes in the scalar vocabulary, so that an addition is one and an
    exp some twenty."""

    read: int
    written: int
    operations: int

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / max(self.read + self.written, 1)

    def times(self, count: int) -> Work:
        return Work(self.read * count, self.written * count, self.operations * count)


def work_of(node: Node) -> Work:
    """The work of one run of a node. A loop's is that of all its runs."""
    if isinstance(node.op, Scan):
        return total([work_of(inner) for inner in node.op.body.nodes]).times(node.op.length)
    if is_lowered(node.op):
        return _work_of_kernel(lower(node), node)
    read = sum(value.type.nbytes for value in dict.fromkeys(node.inputs))
    products = node.op.products([value.type for value in node.inputs])
    written = sum(value.type.nbytes for value in node.outputs)
    return Work(read, written, 2 * products if products else sum(value.type.size for value in node.inputs[:1]))


def total(works: Sequence[Work]) -> Work:
    """The sum of works."""
    return Work(sum(w.read for w in works), sum(w.written for w in works), sum(w.operations for w in works))


def _work_of_kernel(kernel: Kernel, node: Node) -> Work:
    read, count = _loads_and_operations(kernel)
    written = 0
    for number, stage in enumerate(kernel.stages):
        steps = _runs(kernel, Placement(number, len(stage.axes)))
        written += sum(steps * store.buffer.dtype.itemsize for store in stage.stores)
    if isinstance(node.op, Fused) and node.op.product is not None:
        product, arguments = node.op.product, node.op.body.arguments
        del read[kernel.inputs - 1]  # what comes out of the product does not pass through memory
        for number, factor in enumerate(product.inputs):
            prologue = lower_factor(node, number)
            if prologue is None:
                read[arguments.index(factor)] = factor.type.size
                continue
            loads, computed = _loads_and_operations(prologue)
            read |= {number: max(elements, read.get(number, 0)) for number, elements in loads.items()}
            count += computed
        count += 2 * product.op.products([factor.type for factor in product.inputs])
    sizes = {buffer.number: buffer.dtype.itemsize for buffer in kernel.buffers}
    return Work(sum(elements * sizes[number] for number, elements in read.items()), written, count)


def _runs(kernel: Kernel, place: Placement) -> int:
    """How often what stands at a place is computed."""
    parallel = [axis.extent for axis in kernel.axes]
    if place.stage < 0:
        return math.prod(parallel[: place.depth])
    inner = kernel.stages[place.stage].axes[: place.depth] if place.stage < len(kernel.stages) else ()
    return math.prod(parallel) * math.prod(axis.extent for axis in inner)


def _loads_and_operations(kernel: Kernel) -> tuple[dict[int, int], int]:
    """The elements that a kernel reads of each buffer, by its number, and the operations that it computes."""
    read: dict[int, int] = {}
    count = 0
    for value, place in zip(kernel.values, kernel.placements(), strict=True):
        if isinstance(value, Load):
            number = value.buffer.number
            read[number] = min(read.get(number, 0) + _runs(kernel, place), value.buffer.type.size)
        elif isinstance(value, Apply | RandomElement):
            count += _runs(kernel, place) * operations(value.op, tuple(kernel.values[arg].dtype for arg in value.args))
    for number, stage in enumerate(kernel.stages):
        steps = _runs(kernel, Placement(number, len(stage.axes)))
        for reduction in stage.reductions:
            count += steps * combining(reduction.op, kernel.values[reduction.operand].dtype)
    return read, count
