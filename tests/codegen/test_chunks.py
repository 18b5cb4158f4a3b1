"""How kernels are cut into chunks."""

import ctypes

import pytest

import lucid
from lucid.codegen.cpu.chunks import MOST, SHORTEST, kernel_chunks
from lucid.codegen.cpu.machine import machine
from lucid.codegen.cpu.pool import pool
from lucid.codegen.cpu.pool_text import JOIN
from lucid.codegen.cpu.target import CPUTarget
from lucid.codegen.lowering import lower
from lucid.ir.passes.order import order
from lucid.ir.text import parse
from tests.ir.graphs import random_inputs
from tests.oracle import run_executable


@pytest.mark.parametrize("rows", [2, 3, 5, 7, 64, 100, 333, 512, 10_000])
@pytest.mark.parametrize("columns", [128, 3000, 20_000])
def test_the_shares_of_two_and_four_workers_are_equal_and_the_same_in_kernels_of_all_lengths(
    rows: int, columns: int
) -> None:
    text = f"graph(%x: f32[{rows}, {columns}]) {{ %s = sum %x, axes=(1,), lanes=16; return %s }}"
    chunks, steps = kernel_chunks(lower(parse(text).nodes[0]), 1, SHORTEST)
    assert steps == rows
    assert 1 <= chunks <= min(rows, MOST)
    starts = [chunk * steps // chunks for chunk in range(chunks + 1)]
    for workers in (2, 4):
        if chunks < rows and chunks >= workers:
            shares = [starts[chunks * worker // workers] for worker in range(workers + 1)]
            assert shares == [rows * worker // workers for worker in range(workers + 1)]


# Programs of one task each, and two sizes: of some microseconds, and of hundreds.
LENGTHS = {
    "a map": ("graph(%x: f32[SIZE, 64]) { %y = exp %x; return %y }", 8, 8192),
    "sums of rows": ("graph(%x: f32[SIZE, 64]) { %y = sum %x, axes=(1,); return %y }", 64, 32768),
    "sums of columns": ("graph(%x: f32[100, SIZE]) { %y = sum %x, axes=(0,); return %y }", 32, 8192),
    "a product": ("graph(%x: f32[SIZE, SIZE]) { %y = matmul %x, %x; return %y }", 72, 300),
    "a tiny product": ("graph(%x: f32[SIZE, 8]) { %y = matmul %x, %x, transpose_b=true; return %y }", 8, 900),
    "a product with lanes": (
        "graph(%x: f32[SIZE, 512], %y: f32[1, 512]) { %z = matmul %x, %y, transpose_b=true; return %z }",
        4,
        2048,
    ),
    "a sweep": ("graph(%x: f32[1, 64], %y: f32[64, SIZE]) { %z = matmul %x, %y; return %z }", 512, 32768),
    "a sort": ("graph(%x: f32[SIZE, 64]) { %y = argsort %x; return %y }", 8, 1024),
    "a scatter": (
        "graph(%x: f32[SIZE, 64, 2], %i: i64[SIZE, 64, 1]) { %y = scatter_add %x, %i, axis=1, extent=9; return %y }",
        2,
        512,
    ),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_what_is_short_is_one_chunk_on_the_caller(name: str) -> None:
    """Whoever runs chunks for several threads is not even asked."""
    text, short, long = LENGTHS[name]
    asked: list[int] = []

    def team(task: int, context: int, count: int, job: int) -> None:
        asked.append(count)
        for chunk in range(count):
            task_type(task)(context, chunk, 0, job)

    task_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    own = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(team)
    join = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(pool(machine()).addresses[JOIN])
    for size, chunks in ((short, 1), (long, 2)):
        graph = order(parse(text.replace("SIZE", str(size))))
        executable = CPUTarget().compile(graph)
        assert executable.code.plan["shares"] == (chunks > 1)
        join(own)
        try:
            run_executable(executable, graph, random_inputs(graph, 0))
        finally:
            join(None)
            lucid.set_num_threads(lucid.get_num_threads())  # joins the workers, where there are any
        assert len(asked) == chunks - 1
        assert min(asked, default=chunks) >= chunks


@pytest.mark.parametrize(
    ("op", "extent"), [("exp %x", 110), ("matmul %x, %x", 80), ("matmul %x, %x, transpose_b=true", 80)]
)
def test_a_loop_shares_what_is_too_short_to_wake_a_worker_for(op: str, extent: int) -> None:
    shape = f"f32[{extent}, {extent}]"
    alone = f"graph(%x: {shape}) {{ %y = {op}; return %y }}"
    loop = f"""graph(%x: {shape}) {{
      %last = scan %x, length=9, carries=1, sequences=0 (%x: {shape}) {{ %y = {op}; return %y }}
      return %last
    }}"""
    for text, shares in ((alone, False), (loop, True)):
        assert CPUTarget().compile(order(parse(text))).code.plan["shares"] == shares
