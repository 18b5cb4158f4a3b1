"""Which functions take which dtypes, and what they give: a row a function, all eight dtypes, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor, nn
from lucid.errors import DTypeError
from lucid.ir.types import DTYPES, DType, as_dtype, bool_, float32, float64, int64, uint64

Rule = Callable[[DType], DType | None]  # the dtype of the result, None where the operand is refused


def same(dtype: DType) -> DType | None:
    return dtype


def number(dtype: DType) -> DType | None:
    return None if dtype == bool_ else dtype


def integer(dtype: DType) -> DType | None:
    return dtype if dtype.is_integer else None


def bits(dtype: DType) -> DType | None:
    return None if dtype.is_float else dtype


def floating(dtype: DType) -> DType | None:
    return dtype if dtype.is_float else float32


def wide(dtype: DType) -> DType | None:
    return dtype if dtype.is_float or dtype == uint64 else int64


def truth(dtype: DType) -> DType | None:
    return bool_


def place(dtype: DType) -> DType | None:
    return int64


Function = Callable[[Any, Any], Any]  # of NumPy or Lucid, and a matrix
ROWS: dict[str, tuple[Rule, Function]] = {
    "reshape": (same, lambda library, x: x.reshape(6)),
    "transpose": (same, lambda library, x: x.T),
    "broadcast": (same, lambda library, x: library.broadcast_to(x, (2, 2, 3))),
    "slice": (same, lambda library, x: x[:, ::-2]),
    "index": (same, lambda library, x: x[np.array([1, 0, 1])]),
    "concatenate": (same, lambda library, x: library.concatenate([x, x])),
    "stack": (same, lambda library, x: library.stack([x, x], 1)),
    "flip": (same, lambda library, x: library.flip(x)),
    "roll": (same, lambda library, x: library.roll(x, 2)),
    "tile": (same, lambda library, x: library.tile(x, 2)),
    "tril": (same, lambda library, x: library.tril(x)),
    "where": (same, lambda library, x: library.where(x > 0, x, x)),
    "zeros_like": (same, lambda library, x: library.zeros_like(x)),
    "diagonal": (same, lambda library, x: library.diagonal(x)),
    "matmul": (number, lambda library, x: x @ x.T),
    "add": (same, lambda library, x: x + x),
    "subtract": (number, lambda library, x: x - x),
    "multiply": (same, lambda library, x: x * x),
    "floor_divide": (number, lambda library, x: x // x),
    "remainder": (number, lambda library, x: x % x),
    "absolute": (number, lambda library, x: abs(x)),
    "negative": (number, lambda library, x: -x),
    "maximum": (same, lambda library, x: library.maximum(x, x[::-1])),
    "sign": (number, lambda library, x: library.sign(x)),
    "floor": (number, lambda library, x: library.floor(x)),
    "round": (number, lambda library, x: library.round(x)),
    "max": (same, lambda library, x: library.max(x, 1)),
    "min": (same, lambda library, x: library.min(x, 0)),
    "argmax": (place, lambda library, x: library.argmax(x, 1)),
    "argsort": (place, lambda library, x: library.argsort(x, 1)),
    "shift": (integer, lambda library, x: x << (x & x)),
    "and": (bits, lambda library, x: x & x[::-1]),
    "not": (bits, lambda library, x: ~x),
    "sum": (wide, lambda library, x: library.sum(x, 1)),
    "prod": (wide, lambda library, x: library.prod(x, 0)),
    "cumsum": (wide, lambda library, x: library.cumsum(x, 1)),
    "mean": (floating, lambda library, x: library.mean(x, 1)),
    "divide": (floating, lambda library, x: x / x),
    "exp": (floating, lambda library, x: library.exp(x)),
    "sqrt": (floating, lambda library, x: library.sqrt(x)),
    "equal": (truth, lambda library, x: x == x[::-1]),
    "less": (truth, lambda library, x: x < x[::-1]),
    "any": (truth, lambda library, x: library.any(x, 1)),
    "all": (truth, lambda library, x: library.all(x)),
    "isnan": (truth, lambda library, x: library.isnan(x)),
}
MATRIX = np.array([[1, 2, 3], [3, 1, 2]])


@pytest.mark.parametrize("name", ROWS)
def test_dtypes(name: str) -> None:
    rule, function = ROWS[name]
    taken = [dtype for dtype in DTYPES if rule(dtype) is not None]
    operands = [Tensor(MATRIX.astype(dtype.numpy)) for dtype in taken]

    def every(*operands: Tensor) -> list[Tensor]:
        return [function(lucid, x) for x in operands]

    for call in (every, lucid.compile(every)):
        for x, found in zip(operands, call(*operands), strict=True):
            assert found.dtype == rule(x.dtype)
            exact = x.numpy() if rule is not floating else x.numpy().astype("float64")
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(found.numpy(), function(np, exact), rtol=1e-6)
    for dtype in set(DTYPES) - set(taken):
        with pytest.raises(DTypeError):
            function(lucid, Tensor(MATRIX.astype(dtype.numpy)))


def test_creation() -> None:
    def make(dtype: DType) -> list[Tensor]:
        shape = (2, 2)
        return [
            *(lucid.zeros(shape, dtype=dtype), lucid.full(shape, 1, dtype=dtype), lucid.ones(shape, dtype=dtype)),
            *(lucid.arange(2, dtype=dtype), lucid.eye(2, dtype=dtype), lucid.linspace(0, 1, 2, dtype=dtype)),
        ]

    for dtype in DTYPES:
        for call in (make, lucid.compile(make)):
            assert {x.dtype for x in call(dtype)} == {dtype}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_dtype_equals_what_names_it(dtype: DType) -> None:
    for name in (dtype.name, dtype.numpy, dtype.numpy.type):
        assert (dtype == name, name == dtype, dtype != name) == (True, True, False)
        assert dtype in ("complex64", name)
    assert {dtype.name: 1}[dtype] == 1  # type: ignore[index]
    others: list[object] = [other for each in DTYPES if each is not dtype for other in (each.name, each.numpy, each)]
    for other in (
        *others,
        None,
        "f32x",
        "int128",
        complex,
        str,
        nn.Linear,
        np.dtype("c8"),
        32,
        dtype.bits,
        [dtype.name],
    ):
        assert (dtype == other, other == dtype, dtype != other) == (False, False, True)


@pytest.mark.parametrize("text", [",", "i4,,", "a", "(2", "", "f4,f4", "(2,)f4", "O", "bool8"])
def test_a_text_that_names_no_dtype_equals_none(text: str) -> None:
    """NumPy raises SyntaxError for some, and warns of one."""
    for dtype in DTYPES:
        assert (dtype == text, text == dtype, dtype != text) == (False, False, True)
    with pytest.raises(DTypeError, match="is not supported; expected one of bool,"):
        as_dtype(text)


def test_a_dtype_is_of_the_machines_byte_order() -> None:
    swapped = float32.numpy.newbyteorder()
    assert swapped not in (float32, float64)
    assert swapped.str not in (float32, float64)
    assert as_dtype(swapped) == float32


@pytest.mark.parametrize(
    ("dtype", "names"),
    [
        (float32, ("single", "f4", float32.numpy.str, "f")),
        (float64, ("double", "float", float, "f8")),
        (int64, ("int", int, "i8", np.longlong)),
        (bool_, (bool, "bool_", "?")),
    ],
    ids=str,
)
def test_a_dtype_equals_its_other_names(dtype: DType, names: tuple[object, ...]) -> None:
    assert [name for name in names if dtype != name or as_dtype(name) != dtype] == []


def test_a_dtype_is_compared_in_a_compiled_function_as_in_eager_code() -> None:
    def scaled(x: Tensor) -> Tensor:
        return x * 2.0 if x.dtype == "float32" and x.dtype in (np.float32, "float64") else x

    x = lucid.ones(2)
    assert lucid.compile(scaled)(x).tolist() == scaled(x).tolist() == [2.0, 2.0]
    assert lucid.compile(scaled)(x.astype("float64")).tolist() == [1.0, 1.0]
