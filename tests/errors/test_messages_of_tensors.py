"""Each message of a Tensor's attributes and in-place updates, in full."""

from __future__ import annotations

import pytest

from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    ShapeError,
)
from tests.errors.messages import Case, expect_message

CASES: list[Case] = [
    (
        lambda: __import__("copy").deepcopy(ones(2).requires_grad_() * 2.0),
        ArgumentError,
        "only leaf tensors can be deep-copied.",
        "use .detach() first",
    ),
    (
        lambda: f"{ones(2):.3f}",
        ArgumentError,
        "a tensor of shape (2,) has no format '.3f'.",
        "of one element, it takes those of a number, such as {loss:.3f}; "
        "numpy.array2string(t.numpy(), precision=3) writes more.",
    ),
    (
        lambda: __import__("pickle").dumps(ones(2)),
        ArgumentTypeError,
        "tensors are not pickled.",
        "save a module's state_dict() instead, which holds arrays, or use lucid.save.",
    ),
    (lambda: ones(2).copy_(ones(3)), ShapeError, "shape (3,) does not broadcast to (2,).", None),
    (lambda: ones(2).__setitem__(0, ones(3)), ShapeError, "shape (3,) does not broadcast to ().", None),
    (
        lambda: Tensor([1, 2]).__iadd__(0.5),
        DTypeError,
        "an in-place update keeps the type i64[2], got f32[2].",
        "write `t = t + x` for a new tensor of another type or shape.",
    ),
    (
        lambda: ones(2).requires_grad_().__iadd__(1.0),
        ArgumentError,
        "a tensor that requires a gradient was updated in place while gradients are recorded.",
        "put the update under `with lucid.no_grad():`",
    ),
    (
        lambda: (ones(2).requires_grad_() * 2.0).zero_(),
        ArgumentError,
        "a computed tensor can't be updated in place.",
        "write `t = t + x` instead.",
    ),
    (
        lambda: ones(2).__setitem__(0, ones(2).requires_grad_()[0]),
        ArgumentError,
        "values that require a gradient were written into a tensor that requires none: there it would end.",
        "write `t = lucid.index_put(t, (rows,), value)` or another new tensor, or write value.detach().",
    ),
    (
        lambda: ones(2, 3).T.zero_(),
        ArgumentError,
        "a view can't be updated in place.",
        "update the tensor it views: `x[0] = x[0] + 5` instead of `x[0] += 5`.",
    ),
    (
        lambda: exec("x[0] += 5", {"x": ones(2, 3)}),
        ArgumentError,
        "a view can't be updated in place.",
        "update the tensor it views: `x[0] = x[0] + 5` instead of `x[0] += 5`.",
    ),
    (
        lambda: (ones(2).requires_grad_() * 2.0).requires_grad_(False),
        ArgumentError,
        "requires_grad of a computed tensor can't be unset.",
        "use .detach().",
    ),
    (lambda: setattr(ones(2), "grad", ones(3)), DTypeError, "grad takes a tensor of type f32[2], got f32[3].", None),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
