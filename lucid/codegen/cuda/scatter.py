"""The ordered scatter-add in CUDA C."""

from __future__ import annotations

import math

from lucid.codegen.cuda.indices import index_expression, magnitude
from lucid.codegen.cuda.nest import NARROW
from lucid.codegen.cuda.scalars import C_TYPES, CTerm
from lucid.codegen.cuda.writer import GUARD, INDENT, Writer, function_head
from lucid.ir.index import Axis, Index, delinear, linear, of
from lucid.ir.ops.base import on_axis
from lucid.ir.ops.indexing import ScatterAdd
from lucid.ir.types import TensorType, int32, int64

# A thread adds up ranges of the axis of the result, for one place before and one behind it, and looks at all indices
# for that. So many threads are wanted, at the price of so many looks at an index.
THREADS_WANTED = 2**15
MOST_RANGES = 64


def scatter_ranges(op: ScatterAdd, updates: TensorType) -> int:
    """Into how many ranges the axis of the result is cut."""
    columns = updates.size // max(updates.shape[op.axis], 1)
    return max(1, min(op.extent, MOST_RANGES, math.ceil(THREADS_WANTED / max(columns, 1))))


def scatter_threads(op: ScatterAdd, updates: TensorType) -> int:
    """The threads that a scatter-add is shared out to."""
    return math.prod((*updates.shape[: op.axis], *updates.shape[op.axis + 1 :])) * scatter_ranges(op, updates)


def print_scatter_add(op: ScatterAdd, updates: TensorType, indices: TensorType, name: str, guarded: bool) -> str:
    """The CUDA C function of a scatter-add: pointers to updates, indices and result. Any grid runs it.

    A thread owns a range of the rows of the result at one place before and one behind the axis. It clears them, then
    walks along the updates in order and adds those whose row is its own: the order of a sum is that of the indices.
    """
    along, ranges = updates.shape[op.axis], scatter_ranges(op, updates)
    each = math.ceil(op.extent / ranges)
    before = Axis(0, math.prod(updates.shape[: op.axis]))
    after = Axis(1, math.prod(updates.shape[op.axis + 1 :]))
    step, row = Axis(2, along), Axis(3, op.extent)
    outer, inner = (delinear(of(before), updates.shape[: op.axis]), delinear(of(after), updates.shape[op.axis + 1 :]))
    place = (*outer, of(step), *inner)
    update_at = linear(place, updates.shape)
    index_at = linear([Index() if e == 1 else i for i, e in zip(place, indices.shape, strict=True)], indices.shape)
    result_at = linear((*outer, of(row), *inner), (*updates.shape[: op.axis], op.extent, *updates.shape[op.axis + 1 :]))
    threads = scatter_threads(op, updates)
    wide = max(*map(magnitude, (update_at, index_at, result_at)), threads) > NARROW
    writer = Writer(int64 if wide else int32)
    index, long = C_TYPES[writer.index], "(long long)" if wide else ""
    line = writer.line
    line(f"const {index} threads = gridDim.x * {long}blockDim.x;")
    first = f"blockIdx.x * {long}blockDim.x + threadIdx.x"
    with writer.block(f"for ({index} thread = {first}; thread < {threads}; thread += threads)"):
        line(f"const {index} i1 = thread % {after.extent};")
        line(f"const {index} begin = thread / {after.extent} % {ranges} * {each};")
        line(f"const {index} i0 = thread / {after.extent * ranges};")
        line(f"const {index} end = {op.extent} - begin < {each} ? {op.extent} : begin + {each};")
        result = f"b2[{index_expression(result_at)}]"
        with writer.block(f"for ({index} i3 = begin; i3 < end; ++i3)"):
            line(f"{result} = {writer.s.constant(0, updates.dtype).text};")
        with writer.block(f"for ({index} i2 = 0; i2 < {along}; ++i2)"):
            named = on_axis(writer.s, CTerm(indices.dtype, f"b1[{index_expression(index_at)}]"), op.extent)
            line(f"const {index} i3 = {named.text};")
            with writer.block("if (begin <= i3 && i3 < end)"):
                total = writer.s.add(
                    CTerm(updates.dtype, result), CTerm(updates.dtype, f"b0[{index_expression(update_at)}]")
                )
                line(f"{result} = {total.text};")
    pointers = [f"const {C_TYPES[x.dtype]}* b{n}" for n, x in enumerate((updates, indices))]
    head = function_head(name, [*pointers, f"{C_TYPES[updates.dtype]}* b2"], guarded)
    comment = f"// {op.name} of {updates} at {indices} along axis {op.axis}, which gets the extent {op.extent}"
    body = [INDENT + text for text in (*([GUARD] if guarded else []), *writer.lines)]
    return "\n".join([comment, *head, *body, "}"]) + "\n"
