"""Each message about shapes and axes: of tensors that are made, moved, joined and parted, in full."""

from __future__ import annotations

import pytest

import lucid
from lucid import Tensor, ones, zeros
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    AxisError,
    DTypeError,
    ShapeError,
)
from tests.errors.messages import Case, expect_message

WEIGHT = ones(1).requires_grad_()

CASES: list[Case] = [
    (
        lambda: Tensor(3, 4),  # type: ignore[arg-type]
        ArgumentTypeError,
        "Tensor takes the elements, as nested lists, and requires_grad; got 3 and 4.",
        "lucid.zeros(3, 4) makes a tensor of a shape.",
    ),
    (lambda: ones(3)[::0], ArgumentError, "a slice takes a step that is not 0.", None),
    (lambda: ones(3)[1.5:], ArgumentTypeError, "a slice is made of integers, got 1.5.", None),
    (lambda: ones(3).__setitem__(slice("a"), 0.0), ArgumentTypeError, "a slice is made of integers, got 'a'.", None),
    (lambda: zeros(-1), ShapeError, "a shape has extents from 0 to 2^63 - 1, got (-1,).", None),
    (lambda: zeros(2.5), ArgumentTypeError, "a shape, or an order of axes, consists of integers, got 2.5.", None),
    (lambda: zeros(2**64), ShapeError, "a shape has extents from 0 to 2^63 - 1, got (18446744073709551616,).", None),
    (lambda: ones(2, 3).reshape(-1, -1), ShapeError, "reshape takes extents with at most one -1, got (-1, -1).", None),
    (lambda: ones(2, 3).reshape(4, -1), ShapeError, "shape (2, 3) does not reshape to (4, -1).", None),
    (
        lambda: ones(2, 3).reshape("x"),
        ArgumentTypeError,
        "a shape, or an order of axes, consists of integers, got 'x'.",
        None,
    ),
    (lambda: ones(2, 3).sum((0, 0)), ShapeError, "an axis is named twice in (0, 0).", None),
    (lambda: ones(2, 3).sum(2), AxisError, "axis 2 is out of range for a tensor of 2 axes.", None),
    (lambda: ones(2, 3).sum("x"), ArgumentTypeError, "an axis is an integer, got 'x'.", None),
    (lambda: ones(2, 3).unsqueeze((0, 1)), ArgumentTypeError, "one axis is an integer, got (0, 1).", None),
    (lambda: ones(2, 3).permute(0, 0), ShapeError, "permute takes each axis of shape (2, 3) once, got (0, 0).", None),
    (lambda: ones(2, 3).squeeze(0), ShapeError, "squeeze takes axes of extent 1, got 0 of shape (2, 3).", None),
    (lambda: lucid.where(ones(2), 1.0, 0.0), DTypeError, "where takes a condition of bools, got float32.", None),
    (
        lambda: lucid.where(Tensor([True, False]), ones(3), 0.0),
        ShapeError,
        "a condition of shape (2,) does not broadcast with (3,).",
        None,
    ),
    (lambda: lucid.concatenate([]), ArgumentError, "concatenate takes at least one tensor, got none.", None),
    (lambda: lucid.concatenate(1.0), ArgumentError, "concatenate takes a sequence of tensors, got 1.0.", None),
    (lambda: lucid.stack([]), ArgumentError, "stack takes at least one tensor, got none.", None),
    (
        lambda: lucid.stack([ones(2), ones(3)]),
        ShapeError,
        "stack takes tensors of one shape, got shapes (2,), (3,).",
        None,
    ),
    (
        lambda: lucid.stack(ones(2), ones(2)),  # type: ignore[arg-type]
        ArgumentTypeError,
        "stack takes tensors in a list, and an axis that is an integer, got shape (2,).",
        "write lucid.stack([x, y]).",
    ),
    (
        lambda: lucid.vstack([ones(2), ones(3)]),
        ShapeError,
        "vstack takes shapes equal but for axis 0, got (1, 2), (1, 3).",
        None,
    ),
    (
        lambda: lucid.hstack([ones(2, 2), ones(3, 2)]),
        ShapeError,
        "hstack takes shapes equal but for axis 1, got (2, 2), (3, 2).",
        None,
    ),
    (
        lambda: lucid.dstack([ones(2), ones(3)]),
        ShapeError,
        "dstack takes shapes equal but for axis 2, got (1, 2, 1), (1, 3, 1).",
        None,
    ),
    (
        lambda: lucid.concatenate([ones(0), ones(2, 2)], 1),
        ShapeError,
        "concatenate takes tensors of as many axes, got shapes (0,), (2, 2).",
        "leave out the empty vector: collect the tensors in a list, and concatenate that.",
    ),
    (
        lambda: lucid.concatenate([ones(2), ones(2, 2)]),
        ShapeError,
        "concatenate takes shapes equal but for axis 0, got f32[2], f32[2, 2].",
        None,
    ),
    (
        lambda: lucid.concatenate([ones(2, 3), ones(2, 2)]),
        ShapeError,
        "concatenate takes shapes equal but for axis 0, got f32[2, 3], f32[2, 2].",
        None,
    ),
    (
        lambda: lucid.meshgrid(ones(2), indexing="yx"),
        ArgumentError,
        'meshgrid takes indexing="xy" or "ij", got \'yx\'.',
        None,
    ),
    (lambda: ones(2).roll("x"), ArgumentTypeError, "a shift is an integer, got 'x'.", None),
    (lambda: lucid.tile(ones(2, 2), "x"), ArgumentTypeError, "tile takes numbers of repeats, got 'x'.", None),
    (lambda: ones(4).split(0), ArgumentError, "split takes parts of at least one element, got size 0.", None),
    (
        lambda: ones(4).split([1, 2]),
        ShapeError,
        "split takes sizes that sum to the extent 4 of axis 0, got (1, 2).",
        None,
    ),
    (lambda: ones(4).chunk(0), ArgumentError, "chunk takes at least one part, got chunks=0.", None),
    (lambda: ones(4).chunk("x"), ArgumentTypeError, "chunk takes a number of parts, got 'x'.", None),
    (
        lambda: ones(2, 2).diagonal(0.5),
        ArgumentTypeError,
        "diagonal takes an offset that is an integer, got 0.5.",
        None,
    ),
    (lambda: lucid.max(zeros(0)), ShapeError, "max takes at least one element along its axes, got f32[0].", None),
    (lambda: lucid.block_diag(ones(1, 1, 1)), ShapeError, "block_diag takes matrices, got shapes (1, 1, 1).", None),
    (lambda: lucid.block_diag(), ArgumentError, "block_diag takes at least one matrix.", None),
    (lambda: lucid.cartesian_prod(), ArgumentError, "cartesian_prod takes at least one vector.", None),
    (
        lambda: ones(3).unfold(0, 4, 1),
        ArgumentError,
        "unfold takes a size from 1 to 3 and a step from 1 on, got 4 and 1.",
        None,
    ),
    (lambda: lucid.tensor_split(ones(3), 0), ArgumentError, "tensor_split takes at least one part, got 0.", None),
    (lambda: lucid.broadcast_to(ones(3), (2,)), ShapeError, "shape (3,) does not broadcast to (2,).", None),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
