"""How kernels are cut into chunks."""

import pytest

from lucid.codegen.cpu.chunks import MOST, kernel_chunks
from lucid.codegen.lowering import lower
from lucid.ir.text import parse


@pytest.mark.parametrize("rows", [2, 3, 5, 7, 64, 100, 333, 512, 10_000])
@pytest.mark.parametrize("columns", [128, 3000, 20_000])
def test_the_shares_of_two_and_four_workers_are_equal_and_the_same_in_kernels_of_all_lengths(
    rows: int, columns: int
) -> None:
    text = f"graph(%x: f32[{rows}, {columns}]) {{ %s = sum %x, axes=(1,), lanes=16; return %s }}"
    chunks, steps = kernel_chunks(lower(parse(text).nodes[0]), 1)
    assert steps == rows
    assert 1 <= chunks <= min(rows, MOST)
    starts = [chunk * steps // chunks for chunk in range(chunks + 1)]
    for workers in (2, 4):
        if chunks < rows and chunks >= workers:
            shares = [starts[chunks * worker // workers] for worker in range(workers + 1)]
            assert shares == [rows * worker // workers for worker in range(workers + 1)]
