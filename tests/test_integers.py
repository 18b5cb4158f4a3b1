"""What integers and bools give where models compute with floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.codegen.cpu.target import CPUTarget
from lucid.codegen.cuda.module import write_module
from lucid.errors import CompileError, DTypeError
from lucid.ir.text import parse

INTEGERS = [np.uint8, np.uint32, np.uint64, np.int32, np.int64]


def numbers(dtype: type[np.integer[Any]], *shape: int) -> np.ndarray[Any, Any]:
    info = np.iinfo(dtype)
    return np.random.default_rng(0).integers(info.min, info.max, shape, dtype)


def products(a: Any, b: Any) -> list[Any]:
    return [a @ b, a[0, 0] @ b[0], a[0] @ b[0, :, 1]]


def products_of_transposed(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> list[Tensor]:
    return [c.mT @ d.mT, a @ d.mT, c.mT @ b]


@pytest.mark.parametrize("target", ["eager", "cpu", "cuda-sim"])
def test_products_of_integers_wrap_around(target: str) -> None:
    def every(given: list[list[Tensor]]) -> list[list[Tensor]]:
        return [[*products(a, b), *products_of_transposed(a, b, c, d)] for a, b, c, d in given]

    given = [(numbers(dtype, 2, 3, 5), numbers(dtype, 2, 5, 4)) for dtype in INTEGERS]
    call = every if target == "eager" else lucid.compile(every, target=target)
    found = call([[Tensor(x) for x in (a, b, a.swapaxes(1, 2).copy(), b.swapaxes(1, 2).copy())] for a, b in given])
    for (a, b), results in zip(given, found, strict=True):
        for got, expected in zip(results, [*products(a, b), *(a @ b,) * 3], strict=True):
            np.testing.assert_array_equal(got.numpy(), expected, strict=True)


def test_a_product_of_integers_is_one_kernel() -> None:
    """Products never reach memory: with 1500 of them in a sum, they would be 900 MB here."""
    a = numbers(np.int64, 300, 1500)
    product = lucid.compile(lambda a, b: a @ b)
    np.testing.assert_array_equal(product(a, a.T.copy()).numpy(), a @ a.T)
    assert len(product.programs[0].explain().rows) == 1


def test_a_product_of_integers_over_no_elements() -> None:
    a, b = np.ones((2, 0), np.int64), np.ones((0, 3), np.int64)
    for product in (lucid.matmul, lucid.compile(lucid.matmul)):
        assert product(a, b).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_targets_take_products_of_integers_written_out() -> None:
    graph = parse("graph(%x: i64[2, 3], %y: i64[3, 2]) { %z = matmul %x, %y; return %z }")
    for compiled in (CPUTarget().compile, write_module):
        with pytest.raises(CompileError, match="matmul of integers: the pass `order` must have written it out"):
            compiled(graph)


def test_a_product_of_integers_in_a_loop() -> None:
    step = np.array([[1, 1], [1, 0]])
    powers = lucid.compile(lambda step: lucid.scan(lambda m, _: (m @ step, m[0, 0]), step, None, length=6)[1])
    assert powers(step).tolist() == [1, 2, 3, 5, 8, 13]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_sums_of_products(dtype: type[np.integer[Any]]) -> None:
    a, b = numbers(dtype, 3, 5), numbers(dtype, 5, 4)
    for equation, operands in (("ij,jk->ki", (a, b)), ("ij,ij->i", (a, a)), ("ij->j", (a,)), ("ij,kl->", (a, b))):
        expected = np.einsum(equation, *operands)
        for call in (lucid.einsum, lucid.compile(lucid.einsum)):
            np.testing.assert_array_equal(call(equation, *map(Tensor, operands)).numpy(), expected, strict=True)


def test_bools() -> None:
    def every(x: Tensor, y: Tensor) -> list[Tensor]:
        return [x + y, x * y, x.argmax(), x.argmin(), lucid.argmax(y, 0), x**2, lucid.square(x), x + 1]

    x, y = Tensor([False, False, True, True]), Tensor([False, True, False, True])
    for call in (every, lucid.compile(every), lucid.compile(every, target="cuda-sim")):
        both = call(x, y)
        assert [result.tolist() for result in both] == [
            *([False, True, True, True], [False, False, False, True]),
            *(2, 0, 1, [0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 2, 2]),
        ]
    with pytest.raises(DTypeError, match="sub takes numbers, got bool"):
        x - y


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round"])
def test_rounding_keeps_integers(name: str) -> None:
    x = Tensor([2**53 + 1, -3])
    for call in (getattr(lucid, name), lucid.compile(getattr(lucid, name))):
        rounded = call(x)
        assert rounded.dtype == lucid.int64
        assert rounded.tolist() == [2**53 + 1, -3]
    rounded = getattr(lucid, name)(x)
    rounded[1] = 0
    assert x.tolist() == [2**53 + 1, -3]


def test_rounding_integers_to_decimals() -> None:
    assert lucid.round(Tensor([2**53 + 1]), decimals=2).tolist() == [2**53 + 1]
    with pytest.raises(DTypeError) as caught:
        lucid.round(Tensor([15]), decimals=-1)
    assert caught.value.sentence == "round takes floats where decimals are negative, got int64."
