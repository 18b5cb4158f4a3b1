"""Large results are aligned, and go past the caches with the bits that any other store gives."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
import lucid.optim
from lucid import Tensor
from lucid.codegen.cpu import streamed
from lucid.codegen.cpu.target import CPUTarget
from lucid.ir.passes.order import order
from lucid.ir.text import parse
from tests.guarded import guarded_copy
from tests.oracle import Array

HINT = "!nontemporal"


def placed(shape: tuple[int, ...], offset: int) -> Array:
    """An array of NaNs at so many bytes behind a multiple of 64."""
    memory = np.full(4 * int(np.prod(shape)) + 128, 0xFF, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    return memory[start : start + 4 * int(np.prod(shape))].view(np.float32).reshape(shape)


@pytest.mark.parametrize("columns", [112, 50])
@pytest.mark.parametrize("offsets", [(0, 0), (0, 16), (48, 0), (4, 4)])
def test_streamed_results_have_the_same_bits_wherever_they_lie(
    columns: int, offsets: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "BYTES", 0)
    shape = f"f32[40, {columns}]"
    graph = order(
        parse(
            f"graph(%x: {shape}, %y: f32[{columns}, 40]) {{"
            f" %t = transpose %y, permutation=(1, 0); %a = add %x, %t; %b: {shape} = mul %x, %x; return %a, %b }}"
        )
    )
    x, y = np.random.default_rng(0).random((2, 40, columns), np.float32)
    inputs = guarded_copy(x, np.dtype(np.float32)), guarded_copy(y.T, np.dtype(np.float32))
    results = [placed(x.shape, offset) for offset in offsets]
    executable = CPUTarget().compile(graph)
    table = executable.new_table()
    table[:4] = [array.ctypes.data for array in (*inputs, *results)]
    executable.run(table.ctypes.data)
    for result, expected in zip(results, (x + y, x * x), strict=True):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(("count", "writes"), [(1 << 24, True), (1 << 20, False)])
def test_results_that_no_cache_holds_are_streamed(count: int, writes: bool) -> None:
    @lucid.compile
    def double(x: Tensor) -> Tensor:
        return x + x

    assert (HINT in double.lower(Tensor(np.empty(count, np.float32))).llvm_ir()) == writes


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
