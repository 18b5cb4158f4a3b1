"""Each message about gradients, and functions with derivatives of their own, in full."""

from __future__ import annotations

import pytest

import lucid
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentTypeError,
    GradientError,
)
from tests.errors.messages import Case, expect_message

WEIGHT = ones(1).requires_grad_()

CASES: list[Case] = [
    (
        lambda: lucid.custom_vjp(max)(lambda x: x * 2.0)(WEIGHT),
        ArgumentTypeError,
        "custom_vjp takes functions whose parameters Python knows, got <built-in function max>.",
        "write a function of your own that calls it.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x: (g,))(max),
        ArgumentTypeError,
        "custom_vjp takes functions whose parameters Python knows, got <built-in function max>.",
        "write a function of your own that calls it.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x: (g,))(lambda x: x * WEIGHT)(ones(1)),
        GradientError,
        "<lambda> has a custom_vjp, and reads a tensor that requires a gradient and is not one of its arguments: there "
        "the gradient would end.",
        "make it an argument, or read `w.detach()`.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x: (g,))(lambda x: x * Tensor([2.0], requires_grad=True))(ones(1)),
        GradientError,
        "<lambda> has a custom_vjp, and its result depends on a tensor that it makes with requires_grad=True: there "
        "the gradient would end.",
        "make it without; a weight is an argument.",
    ),
    (
        lambda: lucid.custom_vjp(lambda g, y, x, ws: (g, None))(lambda x, ws: x * ws[0])(ones(1), [WEIGHT]),
        GradientError,
        "<lambda> has a custom_vjp, and reads a tensor that requires a gradient inside its argument 1, a list: only "
        "what is an argument by itself has a gradient.",
        "pass each tensor by itself, as to `def <lambda>(*tensors)`, or detach it.",
    ),
    (
        lambda: lucid.custom_vjp(1),
        ArgumentTypeError,
        "custom_vjp takes the function that passes gradients back, got 1.",
        "write `@lucid.custom_vjp(vjp)` above the function itself.",
    ),
    (
        lambda: lucid.grad(ones(2), ones(2)),
        GradientError,
        "this tensor does not require a gradient: nothing to go back through.",
        "make an input with requires_grad=True, and compute outside lucid.no_grad().",
    ),
    (
        lambda: ones(2).requires_grad_().sum().backward(ones(3)),
        GradientError,
        "the gradient has the shape of the tensor, (), got (3,).",
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
