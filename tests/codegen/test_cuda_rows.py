"""Long rows on CUDA: which kernels give a block to each, and that what keeps their threads apart is needed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lucid.codegen.cuda.functions import LoopNest
from lucid.codegen.cuda.loops import kernel_grid, kernel_label, kernel_lanes
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.rows import FEW, TILE, has_long_rows
from lucid.codegen.cuda.simulator.library import Library, build
from lucid.codegen.cuda.simulator.target import SimulatorExecutable
from lucid.codegen.kernel import Kernel
from lucid.codegen.lowering import lower
from lucid.codegen.target import Code
from lucid.ir.text import parse
from tests.codegen.cuda_graphs import OTHERS, fused
from tests.codegen.simulated import ORDERS, need_compiler, same_bits
from tests.ir.graphs import random_inputs
from tests.oracle import run_compiled, run_executable


def kernel_of(text: str) -> Kernel:
    (node,) = parse(text).nodes
    return lower(node)


def rows(count: int, length: int, op: str = "sum", lanes: int = 32) -> Kernel:
    kind = "f64" if op == "sum" else "f32"
    return kernel_of(f"graph(%x: {kind}[{count}, {length}]) {{ %r = {op} %x, axes=(1,), lanes={lanes}; return %r }}")


@pytest.mark.parametrize(
    ("kernel", "grid"),
    [
        (rows(1, TILE), (1, 256)),
        (rows(1, TILE - 1), (1, 32)),
        (rows(FEW // 32 - 1, TILE, "argmax"), (FEW // 32 - 1, 256)),
        (rows(FEW // 32, TILE, "argmax"), (FEW // 256, 256)),  # a warp for each keeps the memory busy
        (rows(4000, TILE, lanes=16), (4000, 256)),
        (rows(1, 2**20, lanes=1), (1, 32)),
        (rows(0, TILE), (0, 256)),
    ],
)
def test_a_block_takes_a_row_where_rows_are_few_and_long(kernel: Kernel, grid: tuple[int, int]) -> None:
    assert has_long_rows(kernel, kernel_lanes(kernel)) == (grid[1] == 256 and grid[0] in (1, 4000, FEW // 32 - 1))
    if not kernel.is_empty:
        assert kernel_grid(kernel) == grid
        assert kernel_label(kernel) == ("rows" if has_long_rows(kernel, kernel_lanes(kernel)) else "kernel")


def test_a_row_of_several_axes_is_as_long_as_all_of_them() -> None:
    text = "graph(%x: f32[{n}, 3, 33]) {{ %s = sum %x, axes=(0, 2), lanes=16; return %s }}"
    assert kernel_label(kernel_of(text.format(n=22))) == "rows"  # of 22 x 48 steps
    assert kernel_label(kernel_of(text.format(n=21))) == "kernel"


@pytest.mark.parametrize(("dtype", "count", "label"), [("f64", 2, "rows"), ("f64", 3, "kernel"), ("f32", 5, "rows")])
def test_shared_memory_bounds_what_is_reduced_at_once(dtype: str, count: int, label: str) -> None:
    chain = ["%x", *(f"%e{n}" for n in range(count))]
    maps = "; ".join(f"{y}: {dtype}[2, 2048] = exp {x}" for x, y in pairwise(chain))
    sums = "; ".join(f"%s{n}: {dtype}[2] = sum %e{n}, axes=(1,), lanes=32" for n in range(count))
    results = ", ".join(f"%s{n}" for n in range(count))
    types = ", ".join(f"%s{n}: {dtype}[2]" for n in range(count))
    body = f"@body(%x: {dtype}[2, 2048]) {{ {maps}; {sums}; return {results} }}"
    kernel = kernel_of(f"graph(%x: {dtype}[2, 2048]) {{ {types} = fused %x {body}; return {results} }}")
    assert kernel_label(kernel) == label
    assert ("__shared__" in LoopNest(kernel).text("k", False, None)) == (label == "rows")


@pytest.mark.parametrize(("length", "index"), [(2**30 - 2 * TILE, "int"), (2**30, "long long")])
def test_indices_have_as_many_bits_as_they_need(length: int, index: str) -> None:
    text = LoopNest(rows(1, length)).text("k", False, None)
    assert f"for ({index} start = 0; start < {length}; start += {TILE})" in text


# Planted faults: each barrier, and the second tile, is needed.

TERMS = "__syncthreads();  // the terms are there, and those before them have been added up"
RESULTS = "__syncthreads();  // the results are there, and all threads have read what one may overwrite"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TERMS, ""),
        ("which ^= 1;", ""),
        (RESULTS, ""),
        ("threadIdx.x + 256 * i", "threadIdx.x + 255 * i"),
    ],
    ids=["no barrier", "one tile", "no results", "not all"],
)
def test_faults_show_in_the_bits(old: str, new: str) -> None:
    need_compiler()
    graph = fused(OTHERS["softmax_of_blocks"])
    module = write_module(graph)
    assert old in module.text
    code = Code(module.plan.to_json(), build(module.text.replace(old, new), module.plan.functions))
    arrays = random_inputs(graph, seed=0)
    expected, library = run_compiled(graph, arrays), Library(code.machine_code)
    runs = [
        run_executable(SimulatorExecutable(code, lambda: module, order, library), graph, arrays) for order in ORDERS
    ]
    assert not all(same_bits(run, expected) for run in runs)
