"""Draws, sorts, running sums, sums by index and softmax have the same bits on every processor and any threads."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import starmap

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor
from lucid.codegen.cpu.machine import CPU_VARIABLE
from lucid.compiler import CompiledFunction
from lucid.ir.types import DType, float32, float64
from tests.codegen.processors import on_x86, runs_here
from tests.oracle import Array

WIDEST = {"x86-64": "%xmm", "x86-64-v3": "%ymm", "x86-64-v4": "%zmm"}  # the registers of their vectors
ROWS, COLUMNS = 67, 1003  # no vector and no number of threads divides them
Function = Callable[..., Sequence[Tensor]]


def _gradients(of: Callable[..., Tensor], *operands: Tensor) -> list[Tensor]:
    """A result, and the gradients of its operands for a seed whose elements differ."""
    leaves = [operand.detach().requires_grad_() for operand in operands]
    found = of(*leaves)
    seed = lucid.cos(lucid.arange(found.numel()) % 1009).astype(found.dtype).reshape(found.shape)
    gradients = lucid.grad(found, leaves, seed)
    return [found.detach(), *gradients]


def _draws(x: Tensor) -> list[Tensor]:
    normal = lucid.normal(x.abs(), x.exp(), dtype=x.dtype)
    return [lucid.rand(x.shape, dtype=x.dtype), lucid.randn(x.shape, dtype=x.dtype), normal, F.dropout(x, 0.3)]


def _sorts(x: Tensor) -> list[Tensor]:
    return [*lucid.sort(x, 1), lucid.argsort(x, 0), *lucid.topk(x, 7), *lucid.topk(x, 9, 0, largest=False)]


def _added(x: Tensor, places: Tensor) -> list[Tensor]:
    rows, ones = places[:ROWS], lucid.ones((50, COLUMNS), dtype=x.dtype)
    columns = (places[:, None] + lucid.arange(COLUMNS)) % 11
    return [
        *_gradients(lambda x: lucid.index_add(ones, 0, rows, x), x),
        *_gradients(lambda x: lucid.scatter_add(ones[:, :11], 1, columns[:50], x[:50]), x),
        *_gradients(lambda x: lucid.gather(x, 1, columns), x),
    ]


def _embedding(x: Tensor, places: Tensor) -> list[Tensor]:
    words = (places[:, None] * lucid.arange(31)) % ROWS  # many are 0
    return _gradients(lambda x: F.embedding(words, x), x)


def _attention(x: Tensor) -> list[Tensor]:
    heads = x.reshape(-1)[: 5 * 4 * 37 * 19].reshape(5, 4, 37, 19)
    return _gradients(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), heads, heads * 0.5, heads.sin()
    )


CASES: dict[str, Function] = {
    "draws": lambda x, _: _draws(x),
    "sorts": lambda x, _: _sorts(x),
    "cumsum": lambda x, _: _gradients(lambda x: lucid.cumsum(x, 1) + lucid.cumsum(x, 0), x),
    "cumprod": lambda x, _: _gradients(lambda x: lucid.cumprod(1.0 + 0.01 * x, 1), x),
    "sums by index": _added,
    "embedding": _embedding,
    "softmax": lambda x, _: _gradients(lambda x: F.softmax(x, 1) + F.log_softmax(x, 0), x),
    "attention": lambda x, _: _attention(x),
}


def _results(case: str, dtype: DType) -> tuple[list[Array], CompiledFunction]:
    """What a new program of a case gives for random numbers, many of which are equal."""
    random = np.random.default_rng(0)
    x: Array = random.normal(size=(ROWS, COLUMNS)).round(2).astype(dtype.numpy)
    places = random.integers(0, 50, ROWS)
    lucid.seed(3)
    step = lucid.compile(lambda x, places: CASES[case](x, places))
    return [result.numpy() for result in step(Tensor(x), Tensor(places))], step


def _registers(step: CompiledFunction) -> str:
    """The widest vector registers that a program names."""
    named = set(re.findall(r"%[xyz]mm", step.programs[0].assembly()))
    return max(named)


@on_x86
@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_processors_and_threads_change_no_bit(case: str, dtype: DType, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lucid.get_num_threads()
    try:
        expected, _ = _results(case, dtype)
        assert all(np.unique(result).size > 2 and not np.isnan(result).any() for result in expected)
        for cpu, threads in (("", 3), ("x86-64", 3), ("x86-64-v3", 2), ("x86-64-v4", 1)):
            if cpu and not runs_here(cpu):
                continue
            monkeypatch.setenv(CPU_VARIABLE, cpu)
            lucid.set_num_threads(threads)
            found, step = _results(case, dtype)
            if cpu:
                assert _registers(step) == WIDEST[cpu]
            assert all(starmap(_alike, zip(found, expected, strict=True))), (cpu, threads)
    finally:
        lucid.set_num_threads(before)


def _alike(x: Array, y: Array) -> bool:
    return (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
