"""Globals and closures that the traced code has read are guarded, in helpers and decorated functions, too."""

from __future__ import annotations

import cProfile
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
from lucid import Tensor
from lucid.code_guards import CodeObserver
from tests.compile.changes import check

SCALE = 2.0
TABLE = Tensor([2.0])
LIMITS = {"low": 1.0, "high": [2.0, 3.0]}


def test_a_global_number(monkeypatch: pytest.MonkeyPatch) -> None:
    check(lambda x: x * SCALE, (lambda: monkeypatch.setitem(globals(), "SCALE", 5.0), 5.0), first=2.0)


def test_a_global_that_changes_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(x: Tensor) -> Tensor:
        return x * {int: 1.0, float: 2.0, str: 3.0, np.ndarray: 4.0, Tensor: 5.0}[type(SCALE)]

    changes: tuple[Any, ...] = (2, "2", np.ones(3), Tensor([2.0, 2.0]), 2.0)
    expected = (1.0, 3.0, 4.0, 5.0, 2.0)
    check(
        kind,
        *(
            (functools.partial(monkeypatch.setitem, globals(), "SCALE", new), result)
            for new, result in zip(changes, expected, strict=True)
        ),
        first=2.0,
    )


def test_a_global_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        lambda x: x * LIMITS["low"] * sum(LIMITS["high"]),  # type: ignore[arg-type]
        (lambda: monkeypatch.setitem(LIMITS, "low", 10.0), 50.0),
        (lambda: monkeypatch.setitem(LIMITS, "high", [1.0]), 10.0),
        first=5.0,
    )


def shift(x: Tensor) -> Tensor:
    return x + 1.0


def shift_twice(x: Tensor) -> Tensor:
    return shift(shift(x))


def test_a_function_that_is_defined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        lambda x: shift_twice(x),
        (lambda: monkeypatch.setitem(globals(), "shift", lambda x: x + 10.0), 21.0),
        (lambda: monkeypatch.setitem(globals(), "shift_twice", lambda x: x), 1.0),
        first=3.0,
    )


def test_what_a_called_function_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def inner(x: Tensor) -> Tensor:
        return x * SCALE

    check(lambda x: inner(x) + 1.0, (lambda: monkeypatch.setitem(globals(), "SCALE", 5.0), 6.0), first=3.0)


def test_a_module_that_a_user_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = types.ModuleType("settings_of_a_user")
    settings.inner = types.SimpleNamespace(scale=2.0)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "settings_of_a_user", settings)

    def scaled(x: Tensor) -> Tensor:
        import settings_of_a_user

        return x * settings_of_a_user.inner.scale

    def by_closure(x: Tensor) -> Tensor:
        return x * settings.inner.scale  # type: ignore[attr-defined]

    check(
        by_closure,
        (lambda: setattr(settings.inner, "scale", 3.0), 3.0),  # type: ignore[attr-defined]
        (lambda: setattr(settings, "inner", types.SimpleNamespace(scale=4.0)), 4.0),
        first=2.0,
    )


def test_a_closure_variable() -> None:
    scale = 2.0

    def change(new: float) -> None:
        nonlocal scale
        scale = new

    check(lambda x: x * scale, (lambda: change(3.0), 3.0), (lambda: change(2.0), 2.0), first=2.0)


def scaler(scale: float) -> tuple[Callable[[Tensor], Tensor], Callable[[float], None]]:
    def apply(x: Tensor) -> Tensor:
        return x * scale

    def change(new: float) -> None:
        nonlocal scale
        scale = new

    return apply, change


def test_each_closure_of_the_same_code() -> None:
    (first, change_first), (second, change_second) = scaler(2.0), scaler(3.0)
    check(
        lambda x: first(x) + 10.0 * second(x),
        (lambda: change_second(4.0), 42.0),
        (lambda: change_first(1.0), 41.0),
        first=32.0,
    )


def test_closures_that_are_found_nowhere_but_in_a_list() -> None:
    pairs = [scaler(2.0), scaler(3.0)]
    functions = [apply for apply, _ in pairs]
    check(
        lambda x: functions[0](x) + 10.0 * functions[1](x),
        (lambda: pairs[1][1](4.0), 42.0),
        (lambda: pairs[0][1](1.0), 41.0),
        first=32.0,
    )


def doubled(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    @functools.wraps(function)
    def wrapper(x: Tensor) -> Tensor:
        return function(x) * FACTOR

    return wrapper


FACTOR = 2.0


@doubled
def decorated(x: Tensor) -> Tensor:
    return x * SCALE


def test_a_decorated_function(monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        decorated,
        (lambda: monkeypatch.setitem(globals(), "FACTOR", 10.0), 20.0),
        (lambda: monkeypatch.setitem(globals(), "SCALE", 3.0), 30.0),
        first=4.0,
    )


def test_a_closure_variable_of_a_decorated_function() -> None:
    apply, change = scaler(2.0)
    check(doubled(apply), (lambda: change(5.0), 10.0), first=4.0)


def test_captured_arrays_are_read_at_each_call() -> None:
    array = np.ones(3, np.float32)
    columns = np.arange(6, dtype=np.float32).reshape(2, 3).T
    fast = lucid.compile(lambda x: (x * array) @ columns)
    for _ in range(2):
        np.testing.assert_array_equal(fast(Tensor([1.0, 2.0, 3.0])).numpy(), ([1.0, 2.0, 3.0] * array) @ columns)
        array[1] = 5.0
        columns[0, 1] = 7.0
    assert len(fast.programs) == 1


def test_a_captured_tensor_that_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    check(lambda x: x * TABLE, (lambda: monkeypatch.setitem(globals(), "TABLE", Tensor([5.0])), 5.0), first=2.0)


def test_a_profiler_of_c_goes_on_after_the_trace() -> None:
    def after() -> None: ...

    double = lucid.compile(lambda x: x * 2.0)
    profiler = cProfile.Profile()
    profiler.enable()
    double(Tensor([1.0]))
    after()
    profiler.disable()
    profiled = {entry.code for entry in profiler.getstats()}
    assert after.__code__ in profiled


def told(function: Callable[..., object], *args: object) -> set[str]:
    """The functions of Lucid whose calls a trace of a function is told of, by name."""
    names: set[str] = set()

    def profile(frame: types.FrameType, event: str, _: object) -> None:
        names.add(frame.f_code.co_qualname)

    hook = CodeObserver._hook

    def telling(observer: CodeObserver) -> Callable[..., Any]:
        found = hook(observer)

        def both(*event: Any) -> None:
            profile(*event)
            found(*event)

        return both

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CodeObserver, "_hook", telling)
        lucid.compile(function).lower(*args)
    return names


def test_a_trace_is_not_told_of_what_calls_nothing_of_the_users() -> None:
    model = nn.Linear(2, 2)
    optimizer = lucid.optim.Adam(model.parameters())

    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        model(x).sum().backward()
        optimizer.step()

    names = told(step, Tensor([[1.0, 2.0]]))
    assert {"Linear.forward", "Recorder.apply", "Optimizer.step"} <= names
    assert {"Recorder._apply", "Adam.update", "multiply"} & names == set()
    assert sys.getprofile() is None


def test_a_trace_is_told_again_behind_an_error() -> None:
    def fails_in_between(x: Tensor) -> Tensor:
        with pytest.raises(lucid.errors.ShapeError):
            x.reshape(7)
        return x * SCALE

    assert "shift" in told(lambda x: shift(fails_in_between(x)), Tensor([1.0]))


def test_an_optimizer_of_the_users_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scaled(lucid.optim.SGD):
        def update(self, group: Any, members: Any) -> None:
            for _, parameter, grad in members:
                parameter.copy_(parameter - grad * SCALE)

    def updated_by_hand(group: Any, members: Any) -> None:
        for _, parameter, grad in members:
            parameter.copy_(parameter - grad * SCALE)

    for exchanged in (False, True):
        weight = nn.Parameter(Tensor([0.0]))
        optimizer = lucid.optim.SGD([weight], lr=0.1) if exchanged else Scaled([weight], lr=0.1)
        if exchanged:
            monkeypatch.setattr(optimizer, "update", updated_by_hand)

        def step(x: Tensor, weight: Tensor = weight, optimizer: lucid.optim.SGD = optimizer) -> None:
            optimizer.zero_grad()
            (weight * x).sum().backward()
            optimizer.step()

        fast = lucid.compile(step)
        fast(Tensor([1.0]))
        assert weight.item() == -2.0
        with monkeypatch.context() as patch:
            patch.setitem(globals(), "SCALE", 5.0)
            fast(Tensor([1.0]))
        assert weight.item() == -7.0
