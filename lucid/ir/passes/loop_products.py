"""Products of a loop. Those that do not depend on its carries are one product for all runs, before the loop or after
it; a factor that all runs read transposed is transposed once.

An element of a product is the same sum wherever it is computed. The pass `order` chooses its order afterwards, by the
shape of the one product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lucid.ir.build import Builder, Expr
from lucid.ir.graph import Node, Value
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.movement import Reshape
from lucid.ir.passes.loop_parts import Loop, Pair
from lucid.ir.types import Extent, TensorType

# A factor is transposed for so many runs at least, each of which would turn it, or its result. Beyond so many rows of
# the result that is a small part of a run; and lines of the factor further apart displace each other in the nearest
# cache, where they are read.
RUNS, ROWS, ROW_BYTES = 4, 128, 2048


def products_before(loop: Loop, builder: Builder) -> bool:
    """Whether a product was moved before a loop.

    x_t k for each element x_t of a sequence -> elements of x k
    """
    constants = {pair.inside: pair.outside for pair in loop.constants}
    stacks = {pair.inside: builder.wrap(pair.outside) for pair in loop.sequences}
    moved: list[Node] = []
    for node in loop.nodes:
        if isinstance(node.op, Reshape) and node.inputs[0] in stacks:
            stacks[node.output] = _stacked_reshape(stacks[node.inputs[0]], node.op)
        elif _multiplies_rows(node) and node.inputs[0] in stacks and node.inputs[1] in constants:
            stacks[node.output] = _product(stacks[node.inputs[0]], node, builder.wrap(constants[node.inputs[1]]))
            moved.append(node)
    loop.nodes = [node for node in loop.nodes if node not in moved]
    loop.sequences += [Pair(node.output, stacks[node.output].value) for node in moved]
    return bool(moved)


def factors_before(loop: Loop, builder: Builder) -> bool:
    """Whether a factor was transposed before a loop.

    x_t k^T for a constant k -> x_t h, where h = k^T
    """
    outside = {pair.inside: pair.outside for pair in loop.constants}
    turned: dict[Value, Value] = {}
    for number, node in enumerate(loop.nodes):
        op = node.op
        if not isinstance(op, Matmul) or not op.transpose_b or node.inputs[1] not in outside:
            continue
        if not _gains_by_turning(node.output.type, loop.scan.length):
            continue
        rows, factor = node.inputs
        if factor not in turned:
            once = builder.wrap(outside[factor]).transpose((1, 0)).value
            turned[factor] = Value(once.type)
            loop.constants.append(Pair(turned[factor], once))
        loop.nodes[number] = replace(node, op=replace(op, transpose_b=False), inputs=(rows, turned[factor]))
    return bool(turned)


def _gains_by_turning(product: TensorType, runs: Extent) -> bool:
    if product.rank != 2 or not product.dtype.is_float:
        return False
    rows, columns = product.shape
    return runs >= RUNS and rows <= ROWS and columns * product.dtype.itemsize <= ROW_BYTES


@dataclass(frozen=True)
class LateProduct:
    """A stack of products, and what it is to be computed from when the loop has run."""

    result: Value
    node: Node
    rows: Value
    factor: Value

    def append(self, builder: Builder) -> Value:
        """Append the product of all rows: the value to use for the result."""
        return _product(builder.wrap(self.rows), self.node, builder.wrap(self.factor)).value


def products_after(loop: Loop) -> list[LateProduct]:
    """The products that were moved behind a loop.

    stack of g_t k, which nothing else reads -> (stack of g_t) k
    """
    constants = {pair.inside: pair.outside for pair in loop.constants}
    read = {value for node in loop.nodes for value in node.inputs} | {carry.new for carry in loop.carries}
    producers = {value: node for node in loop.nodes for value in node.outputs}
    stacks = {pair.inside: pair.outside for pair in loop.stacked}
    moved: list[LateProduct] = []
    for pair in list(loop.stacked):
        node = producers.get(pair.inside)
        if node is None or pair.inside in read or not _multiplies_rows(node) or node.inputs[1] not in constants:
            continue
        rows, factor = node.inputs
        if rows not in stacks:
            stacks[rows] = Value(rows.type.with_shape((loop.scan.length, *rows.type.shape)), rows.name)
            loop.stacked.append(Pair(rows, stacks[rows]))
        loop.stacked.remove(pair)
        moved.append(LateProduct(pair.outside, node, stacks[rows], constants[factor]))
    kept = {pair.inside for pair in loop.stacked}
    gone = [late.node for late in moved if late.node.output not in kept]
    loop.nodes = [node for node in loop.nodes if node not in gone]
    return moved


def _multiplies_rows(node: Node) -> bool:
    """Whether a node multiplies the rows of a matrix by another: rows of all runs can follow each other."""
    return isinstance(node.op, Matmul) and node.output.type.rank == 2 and not node.op.transpose_a


def _product(stack: Expr, node: Node, factor: Expr) -> Expr:
    """The products of all runs, stacked, from the stacked rows."""
    assert isinstance(node.op, Matmul)
    length, rows, summed = stack.shape
    product = stack.reshape((length * rows, summed)).matmul(factor, False, node.op.transpose_b)
    return product.reshape((length, *node.output.type.shape))


def _stacked_reshape(stack: Expr, op: Reshape) -> Expr:
    return stack.reshape((stack.shape[0], *op.shape))
