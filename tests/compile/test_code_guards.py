"""Globals, closures, defaults and attribute chains that the traced code has read are guarded."""

from __future__ import annotations

import cProfile
import functools
import sys
import types
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
from lucid import Tensor
from lucid.code_guards import CodeObserver
from tests.compile.changes import ONE, check, value

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


class Config:
    scale = 2.0
    nested = types.SimpleNamespace(scale=10.0)

    @classmethod
    def triple(cls, x: Tensor) -> Tensor:
        return x * 3.0 * cls.scale

    @staticmethod
    def fivefold(x: Tensor) -> Tensor:
        return x * 5.0


class Mode(Enum):
    FAST = 2.0
    SLOW = 3.0


def test_attributes_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        lambda x: x * Config.scale + Config.nested.scale,
        (lambda: monkeypatch.setattr(Config, "scale", 3.0), 13.0),
        (lambda: monkeypatch.setattr(Config.nested, "scale", 20.0), 23.0),
        first=12.0,
    )


def test_methods_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        lambda x: Config.triple(x) + Config.fivefold(x),
        (lambda: monkeypatch.setattr(Config, "scale", 1.0), 8.0),
        (lambda: monkeypatch.setattr(Config, "fivefold", staticmethod(lambda x: x * 6.0)), 9.0),
        first=11.0,
    )


def test_an_enumeration_compiles_once() -> None:
    check(lambda x: x * Mode.FAST.value + Mode.SLOW.value, first=5.0)


def test_attributes_of_an_object_in_a_closure() -> None:
    config = types.SimpleNamespace(scale=2.0, inner=types.SimpleNamespace(shift=1.0), unused=0)
    fast = check(
        lambda x: x * config.scale + config.inner.shift,
        (lambda: setattr(config, "scale", 3.0), 4.0),
        (lambda: setattr(config.inner, "shift", 2.0), 5.0),
        (lambda: setattr(config, "inner", types.SimpleNamespace(shift=7.0)), 10.0),
        (lambda: delattr(config, "unused"), 10.0),
        first=3.0,
    )
    assert len(fast.programs) == 4  # what is not read is not guarded


class Block(nn.Module):
    def __init__(self, config: types.SimpleNamespace) -> None:
        super().__init__()
        self.config = config

    def forward(self, x: Tensor) -> Tensor:
        config = self.config
        scaled = [y * self.config.scale for y in (x,)]
        return scaled[0] + config.shift


def test_attributes_that_are_asked_for_by_name() -> None:
    config = types.SimpleNamespace(scale=2.0)

    def scaled(x: Tensor) -> Tensor:
        if hasattr(config, "shift"):
            x = x + config.shift
        return x * getattr(config, "scale") + getattr(config, "more", 0.0)  # noqa: B009  what is tested

    check(
        scaled,
        (lambda: setattr(config, "scale", 3.0), 3.0),
        (lambda: setattr(config, "shift", 1.0), 6.0),
        (lambda: setattr(config, "more", 5.0), 11.0),
        (lambda: delattr(config, "shift"), 8.0),
        first=2.0,
    )


def test_attributes_of_an_object_in_a_module() -> None:
    configs = [types.SimpleNamespace(scale=float(i), shift=0.0) for i in (2, 3)]
    model = nn.Sequential(*map(Block, configs))
    check(
        model,
        (lambda: setattr(configs[1], "scale", 10.0), 20.0),
        (lambda: setattr(configs[0], "scale", 1.0), 10.0),
        (lambda: setattr(configs[0], "shift", 1.0), 20.0),
        (lambda: setattr(configs[1], "shift", 5.0), 25.0),
        first=6.0,
    )


class Foreign:
    __slots__ = ("scale",)
    limit = 1.0

    def __init__(self, scale: float) -> None:
        self.scale = scale

    @property
    def twice(self) -> float:
        return self.scale * 2.0

    def apply(self, x: Tensor) -> Tensor:
        return x * self.scale * self.limit

    def __call__(self, x: Tensor) -> Tensor:
        return self.apply(x) + self.twice


def test_methods_of_foreign_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = Foreign(2.0), Foreign(3.0)
    check(
        lambda x: a.apply(x) + 10.0 * b(x),
        (lambda: setattr(b, "scale", 1.0), 32.0),
        (lambda: setattr(a, "scale", 1.0), 31.0),
        (lambda: monkeypatch.setattr(Foreign, "limit", 2.0), 42.0),
        first=92.0,
    )


def test_a_bound_method_is_compiled() -> None:
    thing = Foreign(2.0)
    check(thing.apply, (lambda: setattr(thing, "scale", 5.0), 5.0), first=2.0)
    other = Foreign(7.0)
    assert value(lucid.compile(other.apply)) == 7.0


class Trainer:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    @lucid.compile
    def step(self, x: Tensor) -> Tensor:
        return x * self.scale


def test_a_decorated_method() -> None:
    a, b = Trainer(2.0), Trainer(3.0)
    assert [value(a.step), value(b.step), value(a.step)] == [2.0, 3.0, 2.0]
    a.scale = 5.0
    assert [value(a.step), value(b.step)] == [5.0, 3.0]


def test_default_arguments() -> None:
    def scaled(x: Tensor, scale: float = 2.0, shifts: list[float] = [1.0], *, power: int = 1) -> Tensor:  # noqa: B006
        return (x * scale + shifts[0]) ** power

    check(
        lambda x: scaled(x),
        (lambda: scaled.__defaults__[1].append(0.0), 3.0),  # type: ignore[index]
        (lambda: scaled.__defaults__[1].__setitem__(0, 2.0), 4.0),  # type: ignore[index]
        (lambda: setattr(scaled, "__defaults__", (3.0, [0.0])), 3.0),
        (lambda: setattr(scaled, "__kwdefaults__", {"power": 2}), 9.0),
        first=3.0,
    )


def test_an_empty_argument_that_is_left_out_or_given() -> None:
    fast = lucid.compile(lambda x, *rest, **named: x * (1.0 + len(rest) + 10.0 * len(named)))
    x = Tensor(ONE)
    for call, expected in ((lambda: fast(x, y=[]), 11.0), (lambda: fast(x), 1.0), (lambda: fast(x, ()), 2.0)) * 2:
        for _ in range(3):
            assert call().item() == expected


def test_an_argument_that_is_left_out_or_given() -> None:
    fast = lucid.compile(lambda x, scale=2.0, *more, extra=1.0: x * scale * extra + sum(more))
    x = Tensor(ONE)
    assert [fast(x).item(), fast(x, 3.0).item(), fast(x, scale=4.0).item()] == [2.0, 3.0, 4.0]
    for _ in range(3):
        assert [fast(x).item(), fast(x, 3.0).item()] == [2.0, 3.0]
    assert [fast(x, 3.0, 1.0, 2.0).item(), fast(x, extra=5.0).item(), fast(x=x).item()] == [6.0, 10.0, 2.0]


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
    assert {"Linear.forward", "Tracer.apply", "Optimizer.step"} <= names
    assert {"Tracer._apply", "Adam.update", "multiply"} & names == set()
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
