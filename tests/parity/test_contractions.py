"""Einstein sums and products of vectors, matrices and batches: values and gradients, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.errors import ArgumentError, DTypeError, LucidError, ShapeError
from tests.parity.compare import normal, torch
from tests.parity.test_ops import compare

EQUATIONS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("ij,jk->ik", ((3, 4), (4, 5))),
    ("ij,jk", ((3, 4), (4, 5))),
    ("ba,cb", ((3, 4), (5, 3))),  # sorted: ac
    ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
    ("bhqd,bhkd->bhqk", ((2, 2, 3, 4), (2, 2, 5, 4))),
    ("i,i->", ((6,), (6,))),
    ("i,j->ij", ((3,), (4,))),
    ("i,j->ji", ((3,), (4,))),
    ("ij->ji", ((3, 4),)),
    ("ij->", ((3, 4),)),
    ("ij->j", ((3, 4),)),
    ("ii->i", ((4, 4),)),
    ("ii", ((4, 4),)),
    ("iji->j", ((3, 2, 3),)),
    ("iij,jk->ik", ((3, 3, 2), (2, 4))),
    ("ij,ij->ij", ((3, 4), (3, 4))),
    ("ij,ik,il->jkl", ((5, 2), (5, 3), (5, 4))),
    ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 5))),
    ("i,ij,j->", ((3,), (3, 4), (4,))),
    ("...ij,...jk->...ik", ((2, 1, 3, 4), (5, 4, 2))),
    ("i...,j->...j", ((3, 2, 2), (4,))),
    ("...,...", ((2, 3), (3,))),
    ("...i->i...", ((2, 3, 4),)),
    ("...i->i", ((4,),)),
    ("i,i->i", ((1,), (3,))),
    ("ij,j->i", ((3, 1), (4,))),
    ("ij,j->ij", ((2, 1), (1,))),
    ("bi,oij,bj->bo", ((2, 3), (4, 3, 5), (2, 5))),
    ("Ab,bC->AC", ((2, 3), (3, 4))),
    (" i j , j k -> i k ", ((3, 4), (4, 5))),
    ("ij,jk->ik", ((0, 4), (4, 5))),
    ("ij,jk->ik", ((3, 0), (0, 5))),
    ("i->i", ((0,),)),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS, ids=str)
def test_einsum(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    operands = [normal(*shape, seed=number) for number, shape in enumerate(shapes)]
    compare(lambda *x: lucid.einsum(equation, *x), lambda *x: torch.einsum(equation, *x), *operands)


def test_einsum_takes_the_cheap_pair_first() -> None:
    """A column times a row times a column: the number in the middle comes first, not the square."""
    column, row = lucid.Tensor(normal(50, 1)), lucid.Tensor(normal(1, 50))
    program = lucid.compile(lambda a, b, c: lucid.einsum("ij,jk,kl->il", a, b, c)).lower(column, row, column)
    assert max(value.type.size for node in program.graph("traced").nodes for value in node.outputs) == 50


@pytest.mark.parametrize("equation", ["ij,jk->ik", "ij,ij->j", "ij,kl->"])
def test_einsum_of_integers(equation: str) -> None:
    x, y = np.arange(9).reshape(3, 3), np.arange(9, 18).reshape(3, 3)
    np.testing.assert_array_equal(lucid.einsum(equation, x, y).numpy(), np.einsum(equation, x, y))


PRODUCTS: dict[str, tuple[Callable[[Any, Any, Any], Any], tuple[int, ...], tuple[int, ...]]] = {
    "dot": (lambda library, x, y: library.dot(x, y), (5,), (5,)),
    "outer": (lambda library, x, y: library.outer(x, y), (3,), (4,)),
    "bmm": (lambda library, x, y: library.bmm(x, y), (2, 3, 4), (2, 4, 5)),
    "tensordot": (lambda library, x, y: library.tensordot(x, y), (2, 3, 4), (3, 4, 5)),
    "tensordot of one": (lambda library, x, y: library.tensordot(x, y, 1), (2, 3), (3, 4)),
    "tensordot of none": (lambda library, x, y: library.tensordot(x, y, 0), (2,), (3, 4)),
    "tensordot of lists": (lambda library, x, y: library.tensordot(x, y, ([2, 0], [0, 1])), (2, 3, 4), (4, 2, 5)),
    "vectors": (lambda library, x, y: x @ y, (4,), (4,)),
    "vector and matrix": (lambda library, x, y: x @ y, (4,), (4, 3)),
    "matrix and vector": (lambda library, x, y: x @ y, (3, 4), (4,)),
    "vector and batch": (lambda library, x, y: x @ y, (4,), (2, 4, 3)),
    "batch and vector": (lambda library, x, y: x @ y, (2, 3, 4), (4,)),
    "batch and matrix": (lambda library, x, y: x @ y, (2, 3, 4), (4, 5)),
    "matrix and batch": (lambda library, x, y: x @ y, (3, 4), (2, 4, 5)),
    "broadcasting batches": (lambda library, x, y: x @ y, (2, 1, 3, 4), (5, 4, 2)),
    "nothing to sum": (lambda library, x, y: x @ y, (3, 0), (0, 2)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products(name: str) -> None:
    product, first, second = PRODUCTS[name]
    compare(
        lambda x, y: product(lucid, x, y), lambda x, y: product(torch, x, y), normal(*first), normal(*second, seed=1)
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: lucid.einsum("ij;jk", x, x),
            ArgumentError,
            "einsum takes an equation of letters and `...`, such as",
        ),
        (lambda x: lucid.einsum("i.j", x), ArgumentError, "einsum takes an equation of letters and `...`, such as"),
        (lambda x: lucid.einsum("ij,jk->ik", x), ArgumentError, "einsum 'ij,jk->ik' names 2 operands, got 1."),
        (lambda x: lucid.einsum("......", x), ArgumentError, "einsum takes `...` once in a term, got '......'."),
        (
            lambda x: lucid.einsum("ij->ik", x),
            ArgumentError,
            "einsum takes each axis of the result once, from an operand",
        ),
        (
            lambda x: lucid.einsum("ij->ii", x),
            ArgumentError,
            "einsum takes each axis of the result once, from an operand",
        ),
        (
            lambda x: lucid.einsum("ijk", x),
            ShapeError,
            "einsum 'ijk' has the term 'ijk' for an operand of shape (2, 3).",
        ),
        (lambda x: lucid.einsum("i", x), ShapeError, "einsum 'i' has the term 'i' for an operand of shape (2, 3)."),
        (lambda x: lucid.einsum("ii", x), ShapeError, "einsum 'ii' has extents 2 and 3 for axis 'i'."),
        (lambda x: lucid.einsum("...,...", x, x.T), ShapeError, "has extents 2 and 3 for an axis of `...`."),
        (
            lambda x: lucid.einsum("ij,ij", x, x.astype("float64")),
            DTypeError,
            "einsum takes operands of one dtype, got float32 and float64.",
        ),
        (lambda x: lucid.dot(x, x), ShapeError, "dot takes two vectors, got shapes (2, 3) and (2, 3)."),
        (lambda x: lucid.outer(x, x), ShapeError, "outer takes two vectors, got shapes (2, 3) and (2, 3)."),
        (
            lambda x: lucid.bmm(x, x),
            ShapeError,
            "bmm takes two batches of as many matrices, got shapes (2, 3) and (2, 3).",
        ),
        (lambda x: lucid.tensordot(x, x, 1), ShapeError, "tensordot takes axes of equal extents, got shapes"),
        (
            lambda x: lucid.tensordot(x, x, ([0], [])),
            ShapeError,
            "tensordot takes as many axes of one operand as of the",
        ),
    ],
)
def test_wrong_use(call: Callable[[Any], Any], error: type[LucidError], message: str) -> None:
    with pytest.raises(error) as caught:
        call(lucid.ones(2, 3))
    assert message in caught.value.sentence
