"""The stable sort in CUDA C: each element counts those that come before it in its row."""

from __future__ import annotations

import math

from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.writer import GUARD, INDENT, function_head
from lucid.ir.ops.indexing import Argsort
from lucid.ir.types import TensorType

THREADS = 256  # of a block, which takes as many neighbours of a row at a time

_BODY = """\
// {name} of {x}: an element's place is the number of those that come before it, of equal ones the earlier
{head}
{guard}    __shared__ {type} tile[{threads}];
    for (long long work = blockIdx.x; work < {work}; work += gridDim.x) {{
        const {type}* row = b0 + work / {pieces} * {length};
        const long long i = work % {pieces} * {threads} + threadIdx.x;
        const {type} own = row[i < {length} ? i : 0];
        long long before = 0;
        for (long long start = 0; start < {length}; start += {threads}) {{
            if (start + threadIdx.x < {length}) {{
                tile[threadIdx.x] = row[start + threadIdx.x];
            }}
            __syncthreads();  // the tile is written
            const int count = {length} - start < {threads} ? {length} - start : {threads};
            for (int l = 0; l < count; ++l) {{
                const {type} other = tile[l];
                const bool less = {less};
                const bool more = {more};
                before += {first} || (!less && !more && start + l < i);
            }}
            __syncthreads();  // the tile has been read
        }}
        if (i < {length}) {{
            b1[work / {pieces} * {length} + before] = i;
        }}
    }}
}}
"""


def sort_threads(x: TensorType) -> int:
    """The threads that a sort is shared out to, in blocks of THREADS."""
    return math.prod(x.shape[:-1]) * math.ceil(x.shape[-1] / THREADS) * THREADS


def print_argsort(op: Argsort, x: TensorType, name: str, guarded: bool) -> str:
    """The CUDA C function of a sort: pointers to the elements and to the result. It runs in any number of blocks of
    THREADS threads."""
    type, length = C_TYPES[x.dtype], x.shape[-1]
    less, more = "other < own", "own < other"
    if x.dtype.is_float:  # NaN counts as larger than any number
        less, more = f"{less} || (own != own && other == other)", f"{more} || (other != other && own == own)"
    return _BODY.format(
        name=op.name,
        x=x,
        head="\n".join(
            function_head(
                name, [f"const {type}* b0", "long long* b1"], guarded, bounds=f"__launch_bounds__({THREADS}) "
            )
        ),
        guard=f"{INDENT}{GUARD}\n" if guarded else "",
        type=type,
        threads=THREADS,
        work=sort_threads(x) // THREADS,
        pieces=math.ceil(length / THREADS),
        length=length,
        less=less,
        more=more,
        first="more" if op.descending else "less",
    )
