"""The order of every sum: chosen here, from shapes alone, and obeyed by every kernel of every target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from lucid.ir.build import Expr
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Reduction
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.convolution import Convolution, ConvolutionInput, ConvolutionWeight
from lucid.ir.ops.extremum import Argmax, Argmin, Max, Min
from lucid.ir.ops.reduction import All, Any, FirstFalse, Sum
from lucid.ir.ops.structure import Iota
from lucid.ir.passes.loops import in_loops_too
from lucid.ir.passes.rewrite import Context, Rules, rewrite
from lucid.ir.types import Extent, Shape

# A sum of more elements than LONG is made of sums of at most BLOCK: it rounds less, and has parts to give to threads.
# A lane by itself adds up to half as many as one of many lanes does: a sum along columns rounds as little as one along
# rows, and threads share rows of it, as of the kernels around, rather than columns.
LONG = 2**14
BLOCK = 2**12
LONG_LANE, BLOCK_LANE = 2**8, 2**7

# Lanes of a reduction along the last axis: below NARROW elements most would idle, from WIDE on more of them keep an
# adder busy that starts an addition each cycle and ends it four cycles later.
NARROW, FEW_LANES = 16, 16
WIDE, MANY_LANES = 256, 32

# The most products that a matmul adds up before it starts anew, so that what it reads meanwhile stays in cache.
CHUNK = 512
CHUNK_MULTIPLE = 8

# With lanes, a row or column takes as long as so many products more: their tree.
TREE = 48
LANES, LANES_OF_ONE = 16, 32  # of any product, and of a single long sum

# The gradient of a convolution's weight is summed in parts, for threads: so many at most, of so many elements together.
PARTS = 16
PARTS_SIZE = 2**20


@in_loops_too
def order(graph: Graph) -> Graph:
    """Give each reduction its lanes, each matmul and convolution its chunk, and split long sums into sums of sums, and
    long extrema, their positions and searches likewise. Products of integers, which have no order, become sums.

    >>> from lucid.ir.text import parse
    >>> graph = order(parse("graph(%x: f32[64, 1000]) { %s = sum %x, axes=(1,); return %s }"))
    >>> graph.nodes[0].op
    Sum(axes=(1,), lanes=32)
    """
    return rewrite(graph, ORDERING)


def split_long(node: Node, context: Context) -> Value | None:
    # sum x -> sum (sum of blocks of x), and likewise max, min, any and all
    op = node.op
    assert isinstance(op, Reduction)
    (x,) = node.inputs
    if op.lanes or type(op) not in IN_PARTS or not _is_long(x.type.shape, op.axes):
        return None
    return _in_parts(context.expr(x), type(op), op.axes).reshape(node.output.type.shape).value


def split_long_position(node: Node, context: Context) -> Value | None:
    # argmax x -> the argmax of the first part of x whose max is the max of all, behind the parts before it; argmin too
    op = node.op
    assert isinstance(op, Argmax | Argmin)
    (x,) = node.inputs
    if op.lanes or not _is_long(x.type.shape, op.axes) or len(_groups(op.axes)) > 1:
        return None
    parts = _parts(context.expr(x), op.axes, padded=False)
    if parts is None:
        return None
    first, kind = op.axes[0], type(op)
    places = parts.apply(kind((first + 1,)))
    part = parts.apply(op.extremum((first + 1,))).apply(kind((first,)))
    kept = (*places.shape[:first], 1, *places.shape[first + 1 :])
    place = places.gather(part.reshape(kept), first).reshape(part.shape)
    return (part * parts.shape[first + 1] + place).value


def split_long_search(node: Node, context: Context) -> Value | None:
    # first_false x -> the least of the first places in blocks of x, each behind the blocks before it; -1 where none is
    op = node.op
    assert isinstance(op, FirstFalse)
    (x,) = node.inputs
    if op.lanes or not _is_long(x.type.shape, op.axes) or len(_groups(op.axes)) > 1:
        return None
    first, length = op.axes[0], prod(x.type.shape[axis] for axis in op.axes)
    blocks = _parts(context.expr(x), op.axes, padded=True)  # what pads is false, and no place of x
    assert blocks is not None
    places = blocks.apply(FirstFalse((first + 1,)))
    starts = places.builder.expr(Iota(first, places.type)) * blocks.shape[first + 1]
    least = _in_parts(places.less(0).where(places.constant(length), places + starts), Min, (first,))
    return least.less(length).where(least, least.constant(-1)).cast(op.dtype).value


def choose_lanes(node: Node, context: Context) -> Value | None:
    # lanes = 0 -> lanes from the shape
    assert isinstance(node.op, Reduction)
    if node.op.lanes:
        return None
    lanes = lanes_for(node.inputs[0].type.shape, node.op.axes)
    return context.build(replace(node.op, lanes=lanes), *node.inputs)  # type: ignore[type-var]


def sum_products_of_integers(node: Node, context: Context) -> Value | None:
    # matmul of integers -> sum of the products, along the axis that leaves memory to be read in its order
    assert isinstance(node.op, Matmul)
    a, b = map(context.expr, node.inputs)
    if a.dtype.is_float:
        return None
    *batch, m, n = node.output.type.shape
    rank = len(batch)
    if node.op.transpose_a:
        a = a.transpose((*range(rank), rank + 1, rank))
    k, along = a.shape[-1], rank + 2 if node.op.transpose_b else rank + 1
    every = (*batch, m, n, k) if node.op.transpose_b else (*batch, m, k, n)
    left = a.reshape((*batch, m, 1, k) if node.op.transpose_b else (*batch, m, k, 1)).broadcast(every)
    right = b.reshape((*batch, 1, *b.shape[-2:])).broadcast(every)
    lanes = lanes_for(every, (along,))
    return (left * right).apply(Sum((along,), lanes)).value


def choose_chunk(node: Node, context: Context) -> Value | None:
    # chunk = 0 -> chunk from the number of products in a sum, lanes from that and the layout
    assert isinstance(node.op, Matmul)
    if node.op.chunk:
        return None
    a, b = (value.type.shape for value in node.inputs)
    return context.build(in_order(node.op, a, b), *node.inputs)


def choose_channels(node: Node, context: Context) -> Value | None:
    # chunk = 0 -> chunk from the channels and taps of a sum
    assert isinstance(node.op, Convolution | ConvolutionInput)
    if node.op.chunk:
        return None
    summed, weight = node.inputs[0].type.shape[1] // node.op.groups, node.inputs[1].type.shape
    chunk = balanced(summed, prod(weight[2:]))
    return context.build(replace(node.op, chunk=chunk), *node.inputs)


def choose_rows(node: Node, context: Context) -> Value | None:
    # chunk = 0 -> chunk from the positions of the result; the sum in parts -> sum of the parts
    assert isinstance(node.op, ConvolutionWeight)
    if node.op.chunk:
        return None
    images, _, rows, *row = node.inputs[1].type.shape
    parts = max(1, min(PARTS, images, PARTS_SIZE // max(node.output.type.size, 1)))
    parts = -(-images // -(-images // parts)) if images else 1  # no part without images
    op = replace(node.op, chunk=balanced(rows, prod(row)), parts=parts if parts > 1 else 0)
    result = context.expr(context.build(op, *node.inputs))
    return (result.sum((0,)) if parts > 1 else result).value


def balanced(count: Extent, each: Extent) -> Extent:
    """How many of `count` things, each of `each` products, a chunk has: chunks of about equal length, of up to CHUNK
    products where one thing does not have more.

    >>> balanced(16, 9), balanced(64, 9), balanced(3, 1000)
    (16, 32, 1)
    """
    most = max(CHUNK // max(each, 1), 1)
    chunks = -(-count // most)
    return -(-count // max(chunks, 1)) or 1


def lanes_for(shape: Shape, axes: tuple[int, ...]) -> int:
    """One lane where the elements of a row of memory go to different results: there the results are the vector."""
    innermost = max((axis for axis, extent in enumerate(shape) if extent > 1), default=-1)
    if innermost not in axes:
        return 1
    along = _groups(axes)[-1]
    length = prod(shape[axis] for axis in along)
    return 1 if length < NARROW else FEW_LANES if length < WIDE else MANY_LANES


def in_order(op: Matmul, a: Shape, b: Shape) -> Matmul:
    """A matmul of operands of these shapes with the order of its sums."""
    rows, products = a[-2:][::-1] if op.transpose_a else a[-2:]
    columns = b[-2 if op.transpose_b else -1]
    lanes = product_lanes(rows, products, columns, op.transpose_a, op.transpose_b)
    return replace(op, chunk=chunk_for(products, lanes), lanes=lanes)


def product_lanes(rows: Extent, products: Extent, columns: Extent, transpose_a: bool, transpose_b: bool) -> int:
    """Several lanes for few rows or columns, if the products of a sum lie side by side in the other factor: there, a
    vector of results would be short, or would have to be brought together from as many lines of memory. One lane for
    sums that would not fill them.

    >>> product_lanes(64, 512, 10, False, True), product_lanes(64, 512, 512, False, True)
    (16, 1)
    >>> product_lanes(1, 512, 64, False, False), product_lanes(1, 512, 64, False, True)
    (1, 16)
    """
    if products < LANES:
        return 1
    if rows == columns == 1:
        return LANES if products < WIDE else LANES_OF_ONE
    by_rows, by_columns = not transpose_a and columns <= rows, transpose_b and rows <= columns
    if not by_rows and not by_columns:
        return 1
    return LANES if min(rows, columns) * (products + TREE) <= LANES * products else 1


def chunk_for(products: Extent, lanes: int = 1) -> Extent:
    """The whole sum where it is short; else chunks of about equal length, between half of CHUNK products a lane, of
    BLOCK at most, and as many.

    >>> chunk_for(300), chunk_for(784), chunk_for(4096), chunk_for(10000, 16)
    (300, 392, 512, 3344)
    """
    longest, multiple = (CHUNK, CHUNK_MULTIPLE) if lanes == 1 else (BLOCK, lanes)
    if products <= longest:
        return max(products, 1)
    chunks = -(-products // longest)
    return -(-products // (chunks * multiple)) * multiple


def _in_parts(x: Expr, kind: Callable[..., Reduction], axes: tuple[int, ...]) -> Expr:
    """A reduction along axes, by steps of which none is long. But for sums, which zeros pad, lengths need a divisor."""
    if not _is_long(x.shape, axes):
        return x.apply(kind(axes)) if axes else x
    *outer, last = _groups(axes)
    if outer:
        inner = _in_parts(x, kind, last)
        return _in_parts(inner, kind, tuple(axis for group in outer for axis in group))
    parts = _parts(x, last, padded=kind is Sum)
    if parts is None:
        return x.apply(kind(axes, lanes_for(x.shape, last)))
    return _in_parts(parts.apply(kind((last[0] + 1,))), kind, last[:1])


def _parts(x: Expr, axes: tuple[int, ...], padded: bool) -> Expr | None:
    """x with neighbouring axes as two: the parts of a long reduction, and the elements of one. A length without a
    divisor that suits is padded with zeros; None where it may not be."""
    first = axes[0]
    before, after = x.shape[:first], x.shape[axes[-1] + 1 :]
    length = prod(x.shape[axis] for axis in axes)
    block = _block(length, BLOCK if lanes_for(x.shape, axes) > 1 else BLOCK_LANE)
    blocks = -(-length // block)
    if blocks * block != length:
        if not padded:
            return None
        x = x.reshape((*before, length, *after))
        rank = len(x.shape)
        x = x.scatter_slice((0,) * rank, (1,) * rank, (*before, blocks * block, *after))
    return x.reshape((*before, blocks, block, *after))


def _is_long(shape: Shape, axes: tuple[int, ...]) -> bool:
    """Whether a reduction has too many elements for one result."""
    return prod(shape[axis] for axis in axes) > (LONG if lanes_for(shape, axes) > 1 else LONG_LANE)


def _block(length: Extent, most: Extent) -> Extent:
    """The largest divisor of a length up to `most`, if that is not much less; else `most`, after padding."""
    return next((block for block in range(most, most // 4, -1) if length % block == 0), most)


def _groups(axes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Axes, ascending, as runs of neighbours.

    >>> _groups((0, 2, 3))
    [(0,), (2, 3)]
    """
    groups: list[tuple[int, ...]] = []
    for axis in axes:
        if groups and groups[-1][-1] == axis - 1:
            groups[-1] = (*groups[-1], axis)
        else:
            groups.append((axis,))
    return groups


# The reductions of which those of blocks can be reduced again: their order changes no bit, but for sums.
IN_PARTS = frozenset({Sum, Max, Min, Any, All})

ORDERING: Rules = {
    Reduction: (split_long, choose_lanes),
    **dict.fromkeys((Argmax, Argmin), (split_long_position,)),
    FirstFalse: (split_long_search,),
    Matmul: (sum_products_of_integers, choose_chunk),
    **dict.fromkeys((Convolution, ConvolutionInput), (choose_channels,)),
    ConvolutionWeight: (choose_rows,),
}
