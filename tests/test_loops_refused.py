"""lucid.scan: what it refuses, and what the body of one must not do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
from lucid.errors import ArgumentError, ArgumentTypeError, LucidError, ShapeError, TraceError
from tests.test_loops import MODES, Function


def refused(body: Function, init: Any = 0.0, xs: Any = None, **options: Any) -> LucidError:
    with pytest.raises(LucidError) as caught:
        lucid.scan(body, init, xs, **options)
    return caught.value


XS = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({}, ArgumentError, "scan takes xs or a length, got neither."),
        ({"length": 2.0}, ArgumentTypeError, "scan takes a length that is an integer from 0 on, got 2.0."),
        ({"length": -1}, ArgumentError, "scan takes a length that is an integer from 0 on, got -1."),
        ({"xs": XS, "length": 5}, ShapeError, "scan takes xs of the length that is given, 5, got 4."),
        ({"xs": (XS, XS[1:])}, ShapeError, "scan takes xs that share a leading axis, got shapes (4, 3), (3, 3)."),
        ({"xs": (XS, 1.0)}, ShapeError, "scan takes xs that share a leading axis, got shapes (4, 3), ()."),
        ({"xs": [1.0, 2.0]}, ShapeError, "scan takes xs that share a leading axis, got shapes (), ()."),
    ],
)
def test_lengths_that_do_not_fit(options: dict[str, Any], kind: type[LucidError], expected: str) -> None:
    error = refused(lambda h, x: (h, x), **options)
    assert (type(error), error.sentence) == (kind, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lambda h, x: h, "the body of a scan returns a carry and an output, got a dict."),
        (lambda h, x: (h, x, x), "the body of a scan returns a carry and an output, got a tuple of 3."),
        (
            lambda h, x: ([], x),
            "the body of a scan returns a carry of the structure of init, expected {'a': tensor, 'b': tensor}, got [].",
        ),
        (
            lambda h, x: ({"a": h["a"], "c": h["b"]}, x),
            "the body of a scan returns a carry of the structure of init, expected {'a': tensor, 'b': tensor}, "
            "got {'a': tensor, 'c': tensor}.",
        ),
        (
            lambda h, x: ({"a": h["a"], "b": h["b"] + x}, x),
            "the body of a scan returns a carry of the types of init, expected f32[] for init.b, got f32[3].",
        ),
    ],
)
def test_bodies_that_do_not_fit(body: Function, expected: str) -> None:
    error = refused(body, {"a": 0, "b": 0.0}, XS)
    assert (type(error), error.sentence) == (ArgumentError, expected)


def test_a_list_is_a_tree_and_no_array() -> None:
    error = refused(lambda total, x: (total + x, x), xs=[1.0, 2.0])
    assert error.hint == "a list is a tree of arrays: make one array of it, lucid.Tensor(xs)."
    error = refused(lambda carry, x: (carry + x, x), [0.0, 0.0, 0.0], XS)
    assert (
        error.hint
        == "a list in the carry or in xs is a list here: make it one tensor before, or lucid.stack(list) here."
    )
    error = refused(lambda carry, x: [carry, x], 0.0, XS)
    assert error.sentence == "the body of a scan returns a carry and an output, got a list."
    assert error.hint == "return a tuple: carry, output, which is None where there is none."
    error = refused(lambda carry, x: ([carry[0]], x), (0.0,), XS)
    assert error.sentence.endswith("expected (tensor,), got [tensor].")


OUTSIDE = lucid.Tensor([1.0], requires_grad=True)


def assign(h: Any, x: Any) -> Any:
    OUTSIDE.data += 1.0
    return h, x


def branch(h: Any, x: Any) -> Any:
    return (h, x) if h > 0.0 else (x, h)


def go_back(h: Any, x: Any) -> Any:
    (OUTSIDE * h).sum().backward()
    return h, x


def read_grad(h: Any, x: Any) -> Any:
    return h, OUTSIDE.grad


def set_grad(h: Any, x: Any) -> Any:
    OUTSIDE.grad = None
    return h, x


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (assign, "a tensor from outside was assigned to in the body of a scan."),
        (go_back, "backward() can't be called in the body of a scan."),
        (read_grad, ".grad can't be read in the body of a scan."),
        (set_grad, ".grad can't be set in the body of a scan."),
    ],
)
def test_what_a_body_must_not_do(mode: Function, body: Function, expected: str) -> None:
    with pytest.raises(TraceError) as caught:
        mode(lambda x: lucid.scan(body, 0.0, x))(XS)
    assert caught.value.sentence == expected
    assert OUTSIDE.tolist() == [1.0]


def test_an_eager_body_takes_no_decision_on_elements() -> None:
    error = refused(branch, 0.0, XS)
    assert error.sentence == (
        "bool() needs the value of a tensor in the body of a scan, which is traced once for all runs."
    )


class Counter:
    """Counts runs, as it believes."""

    def __init__(self) -> None:
        self.count = 0

    def body(self, h: lucid.Tensor, x: lucid.Tensor) -> Any:
        self.count += 1
        return h, x


def append(x: lucid.Tensor) -> Any:
    kept = []

    def body(h: lucid.Tensor, x: lucid.Tensor) -> Any:
        kept.append(h + 1.0)
        return h, x

    return lucid.scan(body, 0.0, x)


def rebind(x: lucid.Tensor) -> Any:
    last = None

    def body(h: lucid.Tensor, x: lucid.Tensor) -> Any:
        nonlocal last
        last = h
        return h, x

    lucid.scan(body, 0.0, x)
    return last


def append_in_an_inner_body(x: lucid.Tensor) -> Any:
    def outer(h: lucid.Tensor, x: lucid.Tensor) -> Any:
        kept = []

        def inner(h: lucid.Tensor, _: None) -> Any:
            kept.append(1)
            return h + x, None

        return lucid.scan(inner, h, length=2)[0], x

    return lucid.scan(outer, 0.0, x)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("run", "subject"),
    [
        (append, "the variable kept of a closure"),
        (rebind, "the variable last of a closure"),
        (append_in_an_inner_body, "the variable kept of a closure"),
        (lambda x: lucid.scan(Counter().body, 0.0, x), "Counter.count"),
    ],
    ids=["append", "nonlocal", "inner", "attribute"],
)
def test_a_body_changes_nothing_around_it(mode: Function, run: Function, subject: str) -> None:
    """It is called once, so that a list would hold one element, of a trace that has ended."""
    with pytest.raises(TraceError) as caught:
        mode(run)(lucid.Tensor(XS))
    assert caught.value.sentence == f"{subject} changed in the body of a scan, which is called once for all runs."
    assert caught.value.hint == "return it from the body, as a part of the carry or of the output."


@pytest.mark.parametrize("mode", MODES)
def test_a_body_changes_what_it_makes(mode: Function) -> None:
    def body(h: lucid.Tensor, x: lucid.Tensor) -> Any:
        counter, parts = Counter(), []
        for _ in range(2):
            counter.count += 1
            parts.append(x * counter.count)
        return h + parts[0] + parts[1], None

    total, _ = mode(lambda x: lucid.scan(body, 0.0, x))(lucid.Tensor([1.0, 2.0]))
    assert total.item() == 9.0
