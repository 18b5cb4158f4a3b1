"""Rows of the methods of Tensor that are not functions of `lucid`, and of its operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.table.row import Inputs, Row, above_one, function, numbers, places, positive

CUBE = (numbers(3, 4, 5),)


def method(name: str, call: Callable[..., Any], *others: Inputs, inputs: Inputs = CUBE, **options: Any) -> Row:
    """The row of a method or property of this name in both libraries."""
    return function(f"Tensor.{name}", inputs, *others, call=call, **options)


def dtypes(f: Any, x: Any, *names: str) -> Any:
    """The results of a method that takes dtypes, which the libraries write each in its own way."""
    return [f(x, name) for name in names]


def of_torch(torch: Any) -> Any:
    """PyTorch's `to` for the name of a dtype."""
    return lambda x, name: x.to(getattr(torch, name))


MOVES = {"strided": "ours"}  # where PyTorch has no view, the elements are moved
INTEGERS = (places(9, 3, 4),)
ROWS: list[Row] = [
    method("clone", lambda f, x: f(x)),
    method("detach", lambda f, x: f(x), differences=False),
    method("float", lambda f, x: f(x), INTEGERS, differences=False),
    method("double", lambda f, x: f(x), INTEGERS),
    *(method(name, lambda f, x: f(x), INTEGERS, differences=False) for name in ("int", "long", "bool")),
    method("cpu", lambda f, x: f(x)),
    method("to", lambda f, x: (f(x, "cpu"), f(x, x.dtype), f(x, x)), INTEGERS),
    method("type_as", lambda f, x, y: f(x, y), inputs=(numbers(3, 4), numbers(2)), along=(0, None)),
    method(
        *("astype", lambda f, x: [f(x, dtype) for dtype in ("int32", "uint8", "bool", "float64", "float32")]),
        inputs=(positive(3, 4),),
        theirs=of_torch,
        differences=False,
    ),
    *(
        method(
            name,
            lambda f, x: (f(x, -1, 5), f(x, (x.shape[0], 20)), f(x, 2, -1, 5, 1)),
            outcomes=MOVES if name == "view" else {},
        )
        for name in ("reshape", "view")
    ),
    *(
        method(
            name,
            lambda f, x, y: f(x, y),
            inputs=(numbers(3, 4), numbers(2, 6)),
            along=None,
            outcomes=MOVES if name == "view_as" else {},
        )
        for name in ("reshape_as", "view_as")
    ),
    method("permute", lambda f, x: (f(x, 2, 0, 1), f(x, (-1, 1, 0)))),
    method("T", lambda _, x: x.T, inputs=(numbers(3, 4),)),
    method("mT", lambda _, x: x.mT, (numbers(1, 1),)),
    method("expand", lambda f, x: (f(x, 2, -1, 4, -1), f(x, (x.shape[0], 3, 5))), inputs=(numbers(3, 1, 5),)),
    method("expand_as", lambda f, x, y: f(x, y), inputs=(numbers(3, 1), numbers(2, 3, 4)), along=None),
    method("repeat", lambda f, x: (f(x, 2, 1, 2), f(x, (2, 1, 1, 1))), (numbers(1, 1),)),
    method("data", lambda _, x: x.data, differences=False),
    *(
        method(name, lambda f, x: (f(x, 2, 3), f(x, (x.shape[0],))), INTEGERS, differences=False)
        for name in ("new_zeros", "new_ones")
    ),
    method("new_full", lambda f, x: f(x, (2, x.shape[0]), 3), INTEGERS, differences=False),
    method(
        "copy_",
        lambda f, x, y: f(y.new_zeros(y.shape), y.detach()),
        inputs=(numbers(3, 1), numbers(3, 4)),
        differences=False,
    ),
    method("fill_", lambda f, x: f(x.new_zeros(3, x.shape[0]), 2), differences=False),
    method("zero_", lambda f, x: f(x.new_ones(3, x.shape[0])), differences=False),
]


def reflected(name: str, *others: Inputs, draw: Callable[..., Any] = numbers, **options: Any) -> Row:
    """The row of an operator whose left operand is a number."""
    return method(name, lambda f, x: (f(x, 2), f(x, 3)), *others, inputs=(draw(3, 4),), **options)


def whole_quotient(torch: Any) -> Any:
    """PyTorch's, which has no derivative."""
    return lambda x, y: torch.Tensor.__rfloordiv__(x.detach(), y)


def remainder(torch: Any) -> Any:
    """PyTorch's, whose derivative wants a tensor."""
    return lambda x, y: torch.remainder(torch.full_like(x, y), x)


def updated(name: str) -> Row:
    """The row of an operator such as `+=`, on a tensor that is not a leaf."""
    return method(
        name,
        lambda f, x, y: (f(x.clone(), y), f(x.clone(), 2)),
        inputs=(numbers(3, 4), numbers(4)),
        along=(0, None),
        outcomes={"wide 1": "promoted"},
    )


ROWS += [
    *(reflected(f"__r{name}__", INTEGERS) for name in ("add", "sub", "mul", "truediv", "pow")),
    *(
        reflected(name, (INTEGERS[0] + 1,), draw=above_one, theirs=theirs)
        for name, theirs in (("__rfloordiv__", whole_quotient), ("__rmod__", remainder))
    ),
    *(
        reflected(f"__r{name}__", draw=lambda *shape: places(9, *shape), differences=False)
        for name in ("lshift", "rshift")
    ),
    method("__rmatmul__", lambda f, x, y: f(x, y), inputs=(numbers(4, 2), numbers(3, 4)), along=(None, 0)),
    *(updated(f"__i{name}__") for name in ("add", "sub", "mul", "truediv")),
    method(
        "__getitem__",
        lambda _, x: [x[:, 1], x[..., -1], x[:, None, 1:3], x[:, ::2, -3:]],
    ),
    method("__getitem__", lambda _, x: [x[[0, 2, 0]], x[[0, 1], :, [1, 0]], x[:, [1, 0], [2, -1]]], along=None),
    method("__iter__", lambda _, x: list(x)),
    method("unfold", lambda f, x: (f(x, 1, 2, 1), f(x, -1, 3, 2))),
]
