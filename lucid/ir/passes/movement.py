"""Algebra on where elements lie: movements that change nothing, cancel, or become part of the op that follows."""

from __future__ import annotations

from dataclasses import replace

from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops import extremum as ex, movement as mv, reduction as rd
from lucid.ir.ops.base import Elementwise, Reduction
from lucid.ir.ops.contraction import Matmul
from lucid.ir.passes.rewrite import Context, Rules, rewrite


def movement(graph: Graph) -> Graph:
    """Drop and join movements, and read transposed operands in place.

    >>> from lucid.ir.text import parse
    >>> print(movement(parse('''graph(%x: f32[2, 3]) {
    ...     %1 = transpose %x, permutation=(1, 0); %2 = transpose %1, permutation=(1, 0); return %2 }''')).outputs)
    (%x: f32[2, 3],)
    """
    return rewrite(graph, MOVEMENT)


def reshape_to_itself(node: Node, context: Context) -> Value | None:
    # reshape or broadcast x to its own shape -> x
    return node.inputs[0] if node.inputs[0].type == node.output.type else None


def reshape_of_reshape(node: Node, context: Context) -> Value | None:
    # reshape (reshape x) -> reshape x
    inner = context.producer(node.inputs[0], mv.Reshape)
    return context.build(node.op, *inner.inputs) if inner else None


def broadcast_of_broadcast(node: Node, context: Context) -> Value | None:
    # broadcast (broadcast x) -> broadcast x
    inner = context.producer(node.inputs[0], mv.Broadcast)
    return context.build(node.op, *inner.inputs) if inner else None


def broadcast_of_new_axes(node: Node, context: Context) -> Value | None:
    # broadcast (reshape x, which puts axes of extent 1 before x's) -> broadcast x
    inner = context.producer(node.inputs[0], mv.Reshape)
    if inner is None:
        return None
    (x,), shape = inner.inputs, inner.output.type.shape
    new = len(shape) - x.type.rank
    leads = new > 0 and shape == (1,) * new + x.type.shape
    return context.build(node.op, x) if leads else None


def broadcast_that_only_reshapes(node: Node, context: Context) -> Value | None:
    # broadcast x, where nothing is repeated -> reshape x
    (x,) = node.inputs
    if x.type.size != node.output.type.size or x.type.size == 0:
        return None
    return context.expr(x).reshape(node.output.type.shape).value


def movement_of_scalar(node: Node, context: Context) -> Value | None:
    # reshape, transpose or slice (broadcast of a single element) -> broadcast of the element
    inner = context.producer(node.inputs[0], mv.Broadcast)
    if inner is None or inner.inputs[0].type.size != 1:
        return None
    return context.expr(inner.inputs[0]).reshape(()).broadcast(node.output.type.shape).value


def elementwise_of_scalars(node: Node, context: Context) -> Value | None:
    # op (broadcasts of single elements, constants) -> broadcast (op of the elements)
    elements: list[Value] = []
    for value in node.inputs:
        broadcast, number = context.producer(value, mv.Broadcast), context.constant(value)
        if broadcast is not None and broadcast.inputs[0].type.size == 1:
            elements.append(broadcast.inputs[0])
        elif number is None:
            return None
    if not elements or node.output.type.rank == 0:
        return None
    scalars = []
    for value in node.inputs:
        number = context.constant(value)
        if number is None:
            scalars.append(context.expr(elements.pop(0)).reshape(()).value)
        else:
            scalars.append(context.number(number, value.type.with_shape(())))
    return context.expr(context.build(node.op, *scalars)).broadcast(node.output.type.shape).value


def transpose_to_itself(node: Node, context: Context) -> Value | None:
    # transpose x, where axes longer than 1 stay in order -> reshape x
    assert isinstance(node.op, mv.Transpose)
    (x,) = node.inputs
    moved = [axis for axis in node.op.permutation if x.type.shape[axis] != 1]
    return context.expr(x).reshape(node.output.type.shape).value if moved == sorted(moved) else None


def transpose_of_transpose(node: Node, context: Context) -> Value | None:
    # transpose (transpose x by q) by p -> transpose x by q[p]
    assert isinstance(node.op, mv.Transpose)
    inner = context.producer(node.inputs[0], mv.Transpose)
    if inner is None:
        return None
    assert isinstance(inner.op, mv.Transpose)
    both = tuple(inner.op.permutation[axis] for axis in node.op.permutation)
    return context.build(mv.Transpose(both), *inner.inputs)


def transpose_of_matmul(node: Node, context: Context) -> Value | None:
    # transpose (a b) -> transposed b, transposed a multiplied: the same products in the same order
    product = context.producer(node.inputs[0], Matmul)
    if product is None or not swaps_last_two(node) or not context.is_used_once(product.output):
        return None
    assert isinstance(product.op, Matmul)
    a, b = product.inputs
    op = replace(product.op, transpose_a=not product.op.transpose_b, transpose_b=not product.op.transpose_a)
    return context.build(op, b, a)


def matmul_of_transpose(node: Node, context: Context) -> Value | None:
    # matmul of an operand whose last two axes are swapped -> matmul that reads it so
    assert isinstance(node.op, Matmul)
    (a, b), op = node.inputs, node.op
    if (swap := context.producer(a, mv.Transpose)) and swaps_last_two(swap):
        (a,), op = swap.inputs, replace(op, transpose_a=not op.transpose_a)
    if (swap := context.producer(b, mv.Transpose)) and swaps_last_two(swap):
        (b,), op = swap.inputs, replace(op, transpose_b=not op.transpose_b)
    return None if op is node.op else context.build(op, a, b)


def slice_everything(node: Node, context: Context) -> Value | None:
    # slice or scatter_slice x, all of it -> x
    assert isinstance(node.op, mv.Slice | mv.ScatterSlice)
    (x,) = node.inputs
    steps = zip(node.op.step, node.op.shape, strict=True)
    whole = x.type == node.output.type and all(step == 1 or extent <= 1 for step, extent in steps)
    return x if whole else None


def slice_of_slice(node: Node, context: Context) -> Value | None:
    # slice (slice x) -> slice x
    assert isinstance(node.op, mv.Slice)
    inner = context.producer(node.inputs[0], mv.Slice)
    if inner is None or node.output.type.size == 0:
        return None
    assert isinstance(inner.op, mv.Slice)
    axes = list(zip(inner.op.start, inner.op.step, node.op.start, node.op.step, strict=True))
    start = tuple(first + stride * second for first, stride, second, _ in axes)
    step = tuple(stride * by for _, stride, _, by in axes)
    return context.build(mv.Slice(start, step, node.op.shape), *inner.inputs)


def slice_of_scatter(node: Node, context: Context) -> Value | None:
    # slice of just what scatter_slice laid out -> x
    assert isinstance(node.op, mv.Slice)
    inner = context.producer(node.inputs[0], mv.ScatterSlice)
    if inner is None or inner.inputs[0].type != node.output.type:
        return None
    assert isinstance(inner.op, mv.ScatterSlice)
    same_place = (inner.op.start, inner.op.step) == (node.op.start, node.op.step)
    return inner.inputs[0] if same_place else None


def slice_of_concatenate(node: Node, context: Context) -> Value | None:
    # slice of a part that one operand of concatenate fills -> slice of that operand
    assert isinstance(node.op, mv.Slice)
    inner = context.producer(node.inputs[0], mv.Concatenate)
    if inner is None or node.output.type.size == 0:
        return None
    assert isinstance(inner.op, mv.Concatenate)
    axis, offset = inner.op.axis, 0
    ends = (node.op.start[axis], node.op.start[axis] + node.op.step[axis] * (node.op.shape[axis] - 1))
    for operand in inner.inputs:
        extent = operand.type.shape[axis]
        if offset <= min(ends) and max(ends) < offset + extent:
            start = (*node.op.start[:axis], node.op.start[axis] - offset, *node.op.start[axis + 1 :])
            return context.build(replace(node.op, start=start), operand)
        offset += extent
    return None


def concatenate_one(node: Node, context: Context) -> Value | None:
    # concatenate x -> x, and so where all other operands are empty
    filled = [value for value in node.inputs if value.type.size]
    return filled[0] if len(filled) == 1 and filled[0].type == node.output.type else None


def reduce_single_elements(node: Node, context: Context) -> Value | None:
    # sum, max, min, any or all of one element -> reshape x;  for a sum of floats, which starts from 0: reshape x + 0.0
    assert isinstance(node.op, Reduction)
    x = context.expr(node.inputs[0])
    if any(x.shape[axis] != 1 for axis in node.op.axes):
        return None
    if isinstance(node.op, rd.Sum) and x.dtype.is_float:
        x = x + 0.0
    return x.reshape(node.output.type.shape).value


def swaps_last_two(node: Node) -> bool:
    assert isinstance(node.op, mv.Transpose)
    rank = len(node.op.permutation)
    return rank >= 2 and node.op.permutation == (*range(rank - 2), rank - 1, rank - 2)


MOVEMENT: Rules = {
    Elementwise: (elementwise_of_scalars,),
    mv.Reshape: (reshape_to_itself, reshape_of_reshape, movement_of_scalar),
    mv.Broadcast: (reshape_to_itself, broadcast_of_broadcast, broadcast_of_new_axes, broadcast_that_only_reshapes),
    mv.Transpose: (transpose_to_itself, transpose_of_transpose, transpose_of_matmul, movement_of_scalar),
    mv.Slice: (slice_everything, slice_of_slice, slice_of_scatter, slice_of_concatenate, movement_of_scalar),
    mv.ScatterSlice: (slice_everything,),
    mv.Concatenate: (concatenate_one,),
    Matmul: (matmul_of_transpose,),
    **dict.fromkeys((rd.Sum, ex.Max, ex.Min, rd.Any, rd.All), (reduce_single_elements,)),
}
