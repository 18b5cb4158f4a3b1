"""Making tensors, eagerly and in compiled functions: values and dtypes as NumPy and PyTorch have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import AllocationError, ArgumentError, DTypeError

LIKE = np.ones((2, 3))
CASES: dict[str, tuple[Callable[[], Tensor], Any]] = {
    "arange": (lambda: lucid.arange(4), np.arange(4)),
    "arange of two": (lambda: lucid.arange(-2, 3), np.arange(-2, 3)),
    "arange down": (lambda: lucid.arange(5, -4, -3), np.arange(5, -4, -3)),
    "arange, uneven": (lambda: lucid.arange(0, 10, 4), np.arange(0, 10, 4)),
    "arange of floats": (lambda: lucid.arange(0.5, 3.0, 0.5), np.arange(0.5, 3.0, 0.5, "float32")),
    "arange with a float": (lambda: lucid.arange(3.0), np.arange(3, dtype="float32")),
    "arange of nothing": (lambda: lucid.arange(3, 3), np.arange(0)),
    "arange in a dtype": (lambda: lucid.arange(1, 4, dtype="uint8"), np.arange(1, 4, dtype="uint8")),
    "linspace": (lambda: lucid.linspace(-1, 2, 7), np.linspace(-1, 2, 7, dtype="float32")),
    "linspace of float64": (lambda: lucid.linspace(0, 0.3, 4, "float64"), np.array([0, 0.1, 0.2, 0.3]).round(1)),
    "linspace of one": (lambda: lucid.linspace(3, 9, 1), np.array([3.0], "float32")),
    "linspace of none": (lambda: lucid.linspace(3, 9, 0), np.zeros(0, "float32")),
    "eye": (lambda: lucid.eye(3), np.eye(3, dtype="float32")),
    "eye, wide": (lambda: lucid.eye(2, 4, dtype="int64"), np.eye(2, 4, dtype="int64")),
    "zeros_like": (lambda: lucid.zeros_like(Tensor(LIKE)), np.zeros((2, 3))),
    "ones_like": (lambda: lucid.ones_like(Tensor(LIKE), dtype="bool"), np.ones((2, 3), "bool")),
    "full_like": (lambda: lucid.full_like(Tensor(LIKE), 2, "int32"), np.full((2, 3), 2, "int32")),
    "full": (lambda: lucid.full((2,), 1.5), np.full(2, 1.5, "float32")),
}


@pytest.mark.parametrize("name", CASES)
def test_creation(name: str) -> None:
    make, expected = CASES[name]
    for call in (make, lucid.compile(make)):
        np.testing.assert_allclose(call().numpy(), expected, rtol=2e-16, strict=True)


def test_linspace_ends_where_it_is_told() -> None:
    for steps in (2, 3, 7, 50):
        line = lucid.linspace(0.1, 0.7, steps, "float64").tolist()
        assert (line[0], line[-1]) == (0.1, 0.7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lucid.arange(0, 1, 0), "arange takes a step that is not 0."),
        (lambda: lucid.linspace(0, 1, -1), "linspace takes a number of steps from 0 on, got -1."),
    ],
)
def test_wrong_use(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call()
    assert caught.value.sentence == message


def test_full_of_a_float_of_the_call_raises_where_eager_code_does() -> None:
    """Whether its dtype holds it is guarded; what is held costs no further program."""
    compiled = lucid.compile(lambda value: lucid.full((2,), value * 2.0, dtype="uint8"))
    for value in (1.0, 1.8, 127.9, 0.0, -0.4):
        assert compiled(value).tolist() == [int(value * 2.0)] * 2
    assert len(compiled.programs) == 1
    for value, shown in ((150.0, "300.0"), (128.0, "256.0"), (-0.5, "-1.0"), (float("nan"), "nan")):
        for function in (compiled, lambda value: lucid.full((2,), value * 2.0, dtype="uint8")):
            with pytest.raises(DTypeError) as caught:
                function(value)
            assert caught.value.sentence == f"uint8 does not hold {shown}."
    assert compiled(3.0).tolist() == [6, 6]


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64"])
def test_floats_become_integers_as_a_cast_has_it(dtype: str) -> None:
    """Saturated, NaN 0, whether the floats are data, an array or a float of a compiled call."""
    floats = [3.7, -1.5, 300.0, 1e30, -1e30, float("inf"), float("nan")]
    cast = lucid.as_tensor(np.array(floats)).astype(dtype).tolist()
    assert cast[3:] == [np.iinfo(dtype).max, np.iinfo(dtype).min, np.iinfo(dtype).max, 0]
    assert Tensor(floats, dtype=dtype).tolist() == cast
    assert Tensor(np.array(floats), dtype=dtype).tolist() == cast
    for make in (Tensor, lucid.as_tensor):
        one = lucid.compile(lambda value, make=make: make(value, dtype=dtype))
        assert [one(value).item() for value in floats] == [make(value, dtype=dtype).item() for value in floats] == cast


def test_what_does_not_fit_into_memory_is_told_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "arange", lambda *arguments: pytest.fail("of 2^28 elements"))
    with pytest.raises(AllocationError):
        lucid.eye(2**28)
