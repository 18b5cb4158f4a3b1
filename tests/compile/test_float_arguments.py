"""Floats among the arguments of a compiled function: what makes tensors of them, and what can't take them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import DTypeError, TraceError


@pytest.mark.parametrize(
    "function",
    [
        lambda a: Tensor([a, a + 1.0]),
        lambda a: Tensor([[a, 1], [2.5, True]]),
        lambda a: Tensor(a),
        lambda a: Tensor((a, 2.0), dtype="float64"),
        lambda a: Tensor([a, 2.0], dtype="int64"),
        lambda a: lucid.full((3,), a),
        lambda a: lucid.full((3,), a, dtype="float64"),
        lambda a: np.float64(2.0) * a + np.add(a, 1) * Tensor([1.0]),
        lambda a: np.multiply(Tensor([2.0]), a) - np.multiply(a, Tensor([3.0])),
        lambda a: math.sqrt(a) * Tensor([1.0]),
        lambda a: lucid.as_tensor(a),
        lambda a: lucid.as_tensor(a, dtype="float64"),
        lambda a: lucid.exp(a) + lucid.sum(a),
        lambda a: lucid.as_tensor([a, 2.0]),
        lambda a: lucid.as_tensor([[a, 2], [True, a]], "float64"),
        lambda a: lucid.matmul([[a, 1.0]], [[2.0], [a]]),
        lambda a: lucid.multiply(lucid.ones(2), [a, a]),
        lambda a: lucid.concatenate([[a], lucid.ones(2)]),
    ],
)
def test_tensors_of_floats(function: Callable[[float], Tensor]) -> None:
    fast = lucid.compile(function)
    for number in (0.1, 3.7):
        found, expected = fast(number), function(number)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.numpy(), expected.numpy(), strict=True)


def test_one_program_serves_all_values() -> None:
    fast = lucid.compile(lambda numbers: Tensor(numbers) * 2.0)
    for numbers in ([1.0, 2.0], [3.0, 4.0]):
        np.testing.assert_array_equal(fast(numbers).numpy(), np.array(numbers) * 2.0)
    assert len(fast.programs) == 1


def test_such_tensors_are_leaves_of_their_own() -> None:
    def gradients(a: float) -> tuple[Any, ...]:
        x = Tensor([a], requires_grad=True)
        y = Tensor([a], requires_grad=True)
        (x * x * 3.0 + y).sum().backward()
        with lucid.no_grad():
            y += 1.0
        return x.grad, y.grad, x.detach(), y.detach()

    for found, expected in zip(lucid.compile(gradients)(2.0), gradients(2.0), strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize(
    ("function", "message", "hint"),
    [
        (
            lambda a: np.sqrt(a),
            "np.sqrt can't take a float argument of a compiled function: it may change from call to call.",
            "use Python's operators, Lucid's functions, or Python's math, as in math.sqrt(a): then a call with another "
            "value compiles again.",
        ),
        (
            lambda a: np.maximum(a, 1),
            "np.maximum can't take a float argument of a compiled function: it may change from call to call.",
            None,
        ),
        (
            lambda a: {2.0: 3}[a],
            "a float argument of a compiled function can't be looked up in a dict or a set: it may change from call to "
            "call.",
            "look up float(a): a call with another value compiles again.",
        ),
    ],
)
def test_what_is_refused(function: Callable[[float], Any], message: str, hint: str | None) -> None:
    with pytest.raises(TraceError) as caught:
        lucid.compile(function)(2.0)
    assert caught.value.sentence == message
    assert "test_float_arguments.py:" in str(caught.value)
    assert hint in (None, caught.value.hint)


def test_a_format_of_a_traced_tensor() -> None:
    weight = Tensor(2.0, requires_grad=True)

    @lucid.compile
    def step(x: Tensor) -> Tensor:
        print(f"{x.sum() * weight:.3f}")
        return x

    with pytest.raises(TraceError) as caught:
        step(Tensor([1.0]))
    message, line, hint = str(caught.value).splitlines()
    assert message == "format(..., '.3f') needs the value of a tensor that is only known when the compiled step runs."
    assert 'print(f"{x.sum() * weight:.3f}")' in line
    assert hint == '  hint: lucid.debug.print("{:.3f}", tensor) prints it at each call.'
    assert f"{weight:.3f}" == "2.000"


@pytest.mark.parametrize(
    "read",
    [
        lambda a: divmod(a, 2)[1],
        lambda a: divmod(5, a)[0],
        lambda a: a.is_integer(),
        lambda a: a.real + a.imag,
        lambda a: a.as_integer_ratio()[0],
        lambda a: len(a.hex()),
        math.trunc,
        copy.deepcopy,
    ],
)
def test_what_a_float_has(read: Callable[[float], Any]) -> None:
    fast = lucid.compile(lambda a: Tensor([1.0]) * read(a))
    for number in (2.5, 3.0, 0.1):
        assert fast(number).tolist() == (Tensor([1.0]) * read(number)).tolist()


@pytest.mark.parametrize("divide", [lambda a: 1.0 / a, lambda a: a / a])
def test_a_division_by_zero(divide: Callable[[float], float]) -> None:
    """It raises as in Python, also where the program of another number would have served."""
    fast = lucid.compile(lambda a: Tensor([1.0]) * divide(a))
    fast(2.0)
    with pytest.raises(ZeroDivisionError):
        fast(0.0)
    assert fast(4.0).tolist() == [divide(4.0)]
    assert len(fast.programs) == 1


@pytest.mark.parametrize(
    ("power", "outside", "error"),
    [
        (lambda a: a**-1, 0.0, ZeroDivisionError),
        (lambda a: a**2 + 2**a, 0.0, None),
        (lambda a: 2.0**a, 1e4, OverflowError),
        (lambda a: a**a, 1e3, OverflowError),
        (lambda a: a**0.5, -1.0, DTypeError),
        (lambda a: (a**0.5).real, -1.0, None),
    ],
)
def test_a_power_that_is_no_float(power: Callable[[float], Any], outside: float, error: type[Exception] | None) -> None:
    """It is what it is in Python, also where the program of another number would have served."""
    x = Tensor([1.0])
    fast = lucid.compile(lambda a: x * power(a))
    assert fast(2.0).tolist() == [pytest.approx(power(2.0))]
    if error is None:
        assert fast(outside).tolist() == [pytest.approx(power(outside))]
    else:
        for wrapped in (fast, lambda a: x * power(a)):
            with pytest.raises(error):
                wrapped(outside)
        assert fast(4.0).tolist() == [pytest.approx(power(4.0))]
        assert len(fast.programs) == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, eagerly
@pytest.mark.parametrize(
    ("function", "outside"),
    [
        (lambda a: np.float64(1.0) / a, 0.0),
        (lambda a: np.float64(-2.0) ** a, 0.5),
        (lambda a: np.float64(2.0) ** a, 1e4),
        (lambda a: a / np.float64(0.0), -1.0),
        (lambda a: a ** np.float64(-1.0), 0.0),
        (lambda a: a ** np.float64(0.5), -1.0),
        (lambda a: a**2 if np.float64(1.0) / a > 0.0 else a, 0.0),
    ],
)
def test_a_number_of_numpy_gives_no_error(function: Callable[[float], Any], outside: float) -> None:
    fast = lucid.compile(lambda a: Tensor([1.0]) * function(a))
    for number in (2.0, outside, 3.0, outside):
        expected = (Tensor([1.0]) * function(number)).tolist()
        assert fast(number).tolist() == pytest.approx(expected, nan_ok=True)
    assert len(fast.programs) == 1
