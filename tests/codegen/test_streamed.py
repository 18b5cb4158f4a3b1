"""Large results are aligned, and go past the caches with the bits that any other store gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
import lucid.optim
from lucid import Tensor
from lucid.codegen.cpu import streamed
from lucid.codegen.cpu.chunks import SHORTEST, kernel_chunks
from lucid.codegen.cpu.target import CPUTarget
from lucid.ir.passes.order import order
from lucid.ir.text import parse
from tests.codegen.processors import runs_here
from tests.guarded import guarded_copy
from tests.oracle import Array

HINT, FENCE = "!nontemporal", "fence "

# How far two results lie behind a multiple of 64 bytes, and how many threads write them.
RUNS = (0, 0, 1), (0, 0, 2), (0, 0, 3), (0, 0, 8), (0, 16, 2), (48, 0, 3), (4, 4, 8), (36, 60, 2)


def placed(shape: tuple[int, ...], offset: int) -> Array:
    """An array of NaNs at so many bytes behind a multiple of 64."""
    memory = np.full(4 * int(np.prod(shape)) + 128, 0xFF, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    return memory[start : start + 4 * int(np.prod(shape))].view(np.float32).reshape(shape)


@pytest.mark.parametrize("columns", [112, 113, 50])
def test_streamed_results_have_the_same_bits_wherever_they_lie(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "BYTES", 0)
    monkeypatch.setattr(streamed, "SHORTEST", 0)
    shape = f"f32[1607, {columns}]"
    graph = order(
        parse(
            f"graph(%x: {shape}, %y: f32[{columns}, 1607]) {{"
            f" %t = transpose %y, permutation=(1, 0); %a = add %x, %t; %b: {shape} = mul %x, %x; return %a, %b }}"
        )
    )
    x, y = np.random.default_rng(0).random((2, 1607, columns), np.float32)
    inputs = guarded_copy(x, np.dtype(np.float32)), guarded_copy(y.T, np.dtype(np.float32))
    before = lucid.get_num_threads()
    try:
        for cpu in ("", "x86-64-v3") if runs_here("x86-64-v3") else ("",):
            monkeypatch.setenv("LUCID_CPU", cpu)
            executable = CPUTarget().compile(graph)
            text = executable.llvm_ir()
            assert all(kernel_chunks(executable.kernel(node), 64, SHORTEST)[0] > 1 for node in graph.nodes)
            assert text.count(HINT) >= text.count(FENCE) == len(graph.nodes)
            table = executable.new_table()
            for one, other, threads in RUNS:
                results = placed(x.shape, one), placed(x.shape, other)
                table[:4] = [array.ctypes.data for array in (*inputs, *results)]
                lucid.set_num_threads(threads)
                executable.run(table.ctypes.data)
                for result, expected in zip(results, (x + y, x * x), strict=True):
                    np.testing.assert_array_equal(result, expected)
    finally:
        lucid.set_num_threads(before)


TABLE, MANY = (1 << 17, 128), (1 << 22, 4)

# What programs do with an array of some shape, and whether a result is stored past the caches.
CASES: dict[str, tuple[Callable[[Tensor], Tensor], tuple[int, ...], bool]] = {
    "a map": (lambda x: x + x, TABLE, True),
    "a small map": (lambda x: x + x, (1 << 13, 128), False),
    "rows of softmax": (lambda x: F.softmax(x, 1), TABLE, True),
    "two results in one": (lambda x: lucid.concatenate((x, x)), (1 << 15, 128), True),
    "a half, read twice": (lambda x: F.softmax(x[: 1 << 14], 1), TABLE, False),
    "few rows": (lambda x: x[:16] * 2.0, TABLE, False),
    "rows that are named": (lambda x: x[Tensor(np.arange(64))] * 2.0, TABLE, False),
    "all rows, by name": (lambda x: x[Tensor(np.arange(1 << 17))], TABLE, False),
    "sums of columns": (lambda x: x.sum(0), TABLE, False),
    "maxima of rows": (lambda x: x.max(1), TABLE, False),
    "maxima of many rows": (lambda x: x.max(1), MANY, True),
    "sums of eight rows": (lambda x: x.reshape(-1, 8, 128).sum(1), TABLE, True),
    "sums of thirty-two rows": (lambda x: x.reshape(-1, 32, 128).sum(1), TABLE, False),
}


@pytest.mark.parametrize("name", CASES)
def test_large_results_of_kernels_that_reach_more_than_a_cache_are_streamed(name: str) -> None:
    function, shape, writes = CASES[name]
    text = lucid.compile(function).lower(Tensor(np.empty(shape, np.float32))).llvm_ir()
    assert (HINT in text, FENCE in text) == (writes, writes)


def test_what_is_overwritten_in_place_is_not_streamed() -> None:
    weight = Tensor(np.empty(1 << 24, np.float32), requires_grad=True)
    optimizer = lucid.optim.SGD([weight], lr=0.1)

    @lucid.compile
    def step(gradient: Tensor) -> None:
        weight.grad = gradient
        optimizer.step()
        weight.grad = None

    assert HINT not in step.lower(Tensor(np.empty(1 << 24, np.float32))).llvm_ir()


def test_a_view_of_a_large_result_keeps_it() -> None:
    double = lucid.compile(lambda x: x + x)
    x = np.ones(1 << 18, np.float32)
    result = double(x).numpy()
    assert result.ctypes.data % 64 == 0
    view = result[5:]
    del result
    for factor in range(2, 6):
        double(x * factor)
    np.testing.assert_array_equal(view, 2.0)
