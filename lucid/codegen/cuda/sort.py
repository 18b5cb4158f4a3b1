"""The stable sort in CUDA C: runs of a row are sorted in shared memory, then merged two by two.

Keys are the unsigned integers that the CPU sorts by (`sort_keys.py`); of equal ones the earlier position comes first.
So no two elements are equal, there is one order, and a network that is not stable by itself finds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lucid.codegen.cuda.plan import WARP
from lucid.codegen.cuda.scalars import C_TYPES
from lucid.codegen.cuda.writer import GUARD, INDENT, Writer, function_head
from lucid.codegen.sort_keys import key_type, sort_key
from lucid.ir.ops.indexing import Argsort
from lucid.ir.types import TensorType, int64

RUN = 2048  # elements that a block sorts; those of 64 bits and their positions take 24 KiB of shared memory
MOST_THREADS = 256  # of such a block
MOST_BLOCKS = 4096


def run_length(x: TensorType) -> int:
    """The elements of a run of rows like those of x, a power of two."""
    return min(RUN, 1 << (x.shape[-1] - 1).bit_length())


def merges(x: TensorType) -> int:
    """How often runs are merged until each row is one."""
    return (math.ceil(x.shape[-1] / run_length(x)) - 1).bit_length()


def sort_grid(x: TensorType) -> tuple[int, int]:
    """The blocks that sort the runs, and the threads of each, which take a pair of elements at a time."""
    runs = math.prod(x.shape[:-1]) * math.ceil(x.shape[-1] / run_length(x))
    return min(runs, MOST_BLOCKS), max(WARP, min(run_length(x) // 2, MOST_THREADS))


def print_sort(op: Argsort, x: TensorType, name: str, guarded: bool) -> str:
    """The CUDA C function that sorts each run: pointers to the elements and to the positions. Any blocks along x run
    it, with as many threads as `sort_grid` says.

    It is the bitonic network: a sequence becomes sorted by merging pairs of sorted halves, one ascending and one
    descending, with comparisons at distances that halve. What is behind the end of a row counts as larger than all.
    """
    length, run = x.shape[-1], run_length(x)
    runs, threads = math.ceil(length / run), sort_grid(x)[1]
    unsigned = key_type(x.dtype)
    key = C_TYPES[unsigned]
    writer = Writer()
    line = writer.line
    line(f"__shared__ {key} keys[{run}];")
    line(f"__shared__ int positions[{run}];  // in the run")
    work = math.prod(x.shape[:-1]) * runs
    with writer.block(f"for (long long work = blockIdx.x; work < {work}; work += gridDim.x)"):
        line(f"const long long row = work / {runs} * {length}, start = work % {runs} * {run};")
        with writer.block(f"for (int i = threadIdx.x; i < {run}; i += {threads})"):
            line(f"{key} key = {writer.s.constant((1 << unsigned.bits) - 1, unsigned).text};")
            with writer.block(f"if (start + i < {length})"):
                line(f"key = {_key(writer, op, x, 'b0[row + start + i]')};")
            line("keys[i] = key;")
            line("positions[i] = i;")
        line("__syncthreads();  // the run is there")
        with (
            writer.block(f"for (int size = 2; size <= {run}; size *= 2)"),
            writer.block("for (int distance = size / 2; distance > 0; distance /= 2)"),
        ):
            with writer.block(f"for (int pair = threadIdx.x; pair < {run // 2}; pair += {threads})"):
                line("const int low = 2 * pair - (pair & (distance - 1)), high = low + distance;")
                line(f"const {key} one = keys[low], other = keys[high];")
                line("const int first = positions[low], second = positions[high];")
                line("const bool ascends = one < other || (one == other && first < second);")
                with writer.block("if (ascends != ((low & size) == 0))"):
                    line("keys[low] = other;")
                    line("keys[high] = one;")
                    line("positions[low] = second;")
                    line("positions[high] = first;")
            line("__syncthreads();  // all pairs at this distance are in order")
        # A thread reads the positions that it writes itself for the next run.
        with writer.block(f"for (int i = threadIdx.x; i < {run} && start + i < {length}; i += {threads})"):
            line("b1[row + start + i] = start + positions[i];")
    comment = f"// {op.name} of {x}, each run of {run} by itself, in shared memory"
    head = [f"const {C_TYPES[x.dtype]}* b0", "long long* b1"]
    return _text(comment, function_head(name, head, guarded, bounds=f"__launch_bounds__({threads}) "), guarded, writer)


def print_merge(op: Argsort, x: TensorType, name: str, guarded: bool) -> str:
    """The CUDA C function that merges runs of `run << turn` elements two by two: pointers to the elements, to positions
    in order in each run, and to those in order in each pair of runs. Any grid runs it.

    An element finds its place by itself: behind those of its own run, and those of the other one that come before it.
    """
    length, size = x.shape[-1], x.size
    key = C_TYPES[key_type(x.dtype)]
    writer = Writer(int64)
    line = writer.line
    line(f"const long long run = {run_length(x)}ll << turn;")
    first = "blockIdx.x * (long long)blockDim.x + threadIdx.x"
    step = "gridDim.x * (long long)blockDim.x"
    with writer.block(f"for (long long i = {first}; i < {size}; i += {step})"):
        line(f"const long long row = i / {length} * {length}, place = i % {length};")
        line("const long long begin = place / run * run;  // of its own run")
        line("const long long pair = begin / (2 * run) * (2 * run);")
        line("long long low = begin == pair ? begin + run : pair, high = low + run;  // the ends of the other one")
        line(f"low = low < {length} ? low : {length};")
        line(f"high = high < {length} ? high : {length};")
        line("const long long others = low, position = b1[i];")
        line(f"const {key} own = {_key(writer, op, x, 'b0[row + position]')};")
        with writer.block("while (low < high)"):
            line("const long long middle = low + (high - low) / 2, met = b1[row + middle];")
            line(f"const {key} other = {_key(writer, op, x, 'b0[row + met]')};")
            with writer.block("if (other < own || (other == own && met < position))"):
                line("low = middle + 1;")
            with writer.block("else"):
                line("high = middle;")
        line("b2[row + pair + (place - begin) + (low - others)] = position;")
    comment = f"// {op.name} of {x}: runs that are in order become twice as long"
    head = [f"const {C_TYPES[x.dtype]}* b0", "const long long* b1", "long long* b2"]
    return _text(comment, function_head(name, head, guarded, ["int turn"]), guarded, writer)


def _key(writer: Writer, op: Argsort, x: TensorType, element: str) -> str:
    """The key of an element."""
    return sort_key(writer.s, writer.s.declare(x.dtype, element), op.descending).text


def _text(comment: str, head: Sequence[str], guarded: bool, writer: Writer) -> str:
    body = [INDENT + line for line in (*([GUARD] if guarded else []), *writer.lines)]
    return "\n".join([comment, *head, *body, "}"]) + "\n"
