"""Turning, cutting and repeating tensors: values and gradients, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.errors import ArgumentError, LucidError, ShapeError
from tests.parity.compare import assert_close, normal, torch
from tests.parity.test_ops import compare

SHAPES = [(3, 4), (4, 3), (1, 5), (0, 3), (2, 3, 3)]
CASES: dict[str, Callable[[Any, Any], Any]] = {
    "flip": lambda library, x: x.flip((0, -1)),
    "flip one": lambda library, x: library.flip(x, dims=(1,)),
    "roll": lambda library, x: x.roll(2, 1),
    "roll back": lambda library, x: library.roll(x, -1, 0),
    "roll flat": lambda library, x: x.roll(3),
    "roll both": lambda library, x: library.roll(x, shifts=(1, -2), dims=(0, 1)),
    "tril": lambda library, x: x.tril(),
    "tril above": lambda library, x: library.tril(x, diagonal=1),
    "triu": lambda library, x: x.triu(),
    "triu below": lambda library, x: library.triu(x, diagonal=-1),
    "diagonal": lambda library, x: x.diagonal(),
    "diagonal above": lambda library, x: x.diagonal(1),
    "diagonal below": lambda library, x: library.diagonal(x, offset=-2),
    "diagonal of others": lambda library, x: library.diagonal(x, 0, -1, -2),
    "split": lambda library, x: library.split(x, 2, dim=1)[-1],
    "split by sizes": lambda library, x: x.split([1, x.shape[1] - 1], dim=1)[1],
    "chunk": lambda library, x: x.chunk(2, dim=1)[0],
    "tile": lambda library, x: library.tile(x, (2, 1)),
    "tile more": lambda library, x: library.tile(x, (2, 1, 1, 3)),
    "moveaxis": lambda library, x: library.moveaxis(x, 0, -1),
    "moveaxis of two": lambda library, x: library.moveaxis(x, (0, 1), (-1, 0)),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_arrangement(name: str, shape: tuple[int, ...]) -> None:
    compare(lambda x: CASES[name](lucid, x), lambda x: CASES[name](torch, x), normal(*shape))


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("counts", [(3,), (2, 3), (2, 3, 4)])
def test_meshgrid(counts: tuple[int, ...], indexing: str) -> None:
    lines = [np.arange(count) for count in counts]
    expected = torch.meshgrid(*map(torch.tensor, lines), indexing=indexing)
    for call in (lucid.meshgrid, lucid.compile(lambda *x, indexing: lucid.meshgrid(*x, indexing=indexing))):
        for ours, theirs in zip(call(*lines, indexing=indexing), expected, strict=True):
            assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["flip", "tril", "diagonal", "concatenate"])
def test_misspelt_names_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        getattr(lucid, name)([lucid.ones(3, 3)] if name == "concatenate" else lucid.ones(3, 3), axes=1)


def test_parts_are_all_there() -> None:
    x = np.arange(7)
    for ours, theirs in [
        (lucid.split(x, 3), torch.split(torch.tensor(x), 3)),
        (lucid.chunk(x, 3), torch.chunk(torch.tensor(x), 3)),
        (lucid.chunk(x, 5), torch.chunk(torch.tensor(x), 5)),
        (lucid.split(x, [0, 4, 3]), torch.split(torch.tensor(x), [0, 4, 3])),
    ]:
        assert [part.tolist() for part in ours] == [part.tolist() for part in theirs]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: lucid.split(x, 0), ArgumentError, "split takes parts of at least one element, got size 0."),
        (lambda x: lucid.split(x, [1, 2]), ShapeError, "sizes that sum to the extent 2 of axis 0, got (1, 2)."),
        (lambda x: lucid.chunk(x, 0), ArgumentError, "chunk takes at least one part, got chunks=0."),
        (lambda x: lucid.roll(x, (1, 2), 0), ArgumentError, "roll takes a shift for each axis, got (1, 2) and 0."),
        (lambda x: lucid.tril(x[0]), ShapeError, "tril takes a tensor of at least two axes, got shape (3,)."),
        (lambda x: lucid.diagonal(x, 0, 1, -1), ShapeError, "diagonal takes two different axes, got 1 and -1."),
        (
            lambda x: lucid.moveaxis(x, (0, 1), 0),
            ArgumentError,
            "moveaxis takes as many axes as places, got (0, 1) and 0.",
        ),
        (lambda x: lucid.meshgrid(x), ShapeError, "meshgrid takes tensors of one axis, got shapes (2, 3)."),
        (lambda x: lucid.meshgrid(x[0], indexing="x"), ArgumentError, "meshgrid takes indexing="),
        (lambda x: lucid.flip(x, 2), ShapeError, "axis 2 is out of range for a tensor of 2 axes."),
    ],
)
def test_wrong_use(call: Callable[[Any], Any], error: type[LucidError], message: str) -> None:
    with pytest.raises(error) as caught:
        call(lucid.ones(2, 3))
    assert message in caught.value.sentence
