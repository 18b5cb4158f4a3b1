"""What a trace has read is guarded: a change of it is noticed at the next call, and nothing else compiles again."""

from __future__ import annotations

import functools
import math
import sys
import types
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import RecompileWarning, Tensor
from lucid.compiler import CompiledFunction
from lucid.errors import ArgumentError, AuditError

ONE = [1.0]


def value(function: Callable[..., Any], *args: Any) -> float:
    """What a function of one element gives for 1."""
    result = function(Tensor(ONE), *args)
    assert result.shape == (1,)
    return float(result.tolist()[0])


def check(function: Callable[..., Any], *changes: tuple[Callable[[], object], float], first: float) -> CompiledFunction:
    """Compile a function, and check its value before the first change and after each, twice."""
    fast = lucid.compile(function)
    for change, expected in ((lambda: None, first), *changes):
        change()
        assert value(function) == pytest.approx(expected), "eagerly"
        assert value(fast) == pytest.approx(expected)
        count = len(fast.programs)
        assert value(fast) == pytest.approx(expected)
        assert len(fast.programs) == count, "a second call without a change compiled again"
    return fast


# Arguments.


def test_shapes_and_dtypes_are_programs_of_their_own() -> None:
    fast = lucid.compile(lambda x: x * 2.0)
    for shape, dtype in (((2, 3), np.float32), ((3, 2), np.float32), ((2, 3), np.float64), ((6,), np.float32)):
        for _ in range(2):
            x = np.arange(6, dtype=dtype).reshape(shape)
            y = fast(x)
            assert (y.shape, y.dtype.numpy) == (shape, dtype)
            np.testing.assert_array_equal(y.numpy(), x * 2)
    assert len(fast.programs) == 4


def test_strides_are_not_part_of_a_program() -> None:
    fast = lucid.compile(lambda x: x * 2.0)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for array in (x, np.asfortranarray(x), x[::-1], x.T.reshape(2, 3), Tensor(x)):
        np.testing.assert_array_equal(fast(array).numpy(), np.asarray(array) * 2)
    assert len(fast.programs) == 1 + 1  # a Tensor and an array are different arguments


def test_requires_grad_of_an_argument() -> None:
    fast = lucid.compile(lambda x: x * x)
    plain, leaf = Tensor([3.0]), Tensor([3.0], requires_grad=True)
    assert not fast(plain).requires_grad
    y = fast(leaf)
    y.backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [6.0]
    plain.requires_grad = True
    assert fast(plain).requires_grad


def test_requires_grad_of_a_parameter() -> None:
    layer = nn.Linear(2, 2)
    fast = lucid.compile(lambda x: layer(x))
    x = Tensor([[1.0, 2.0]])
    fast(x).backward()
    assert layer.weight.grad is not None
    layer.zero_grad()
    layer.weight.requires_grad = False
    fast(x).backward()
    assert layer.weight.grad is None
    assert layer.bias is not None
    assert layer.bias.grad is not None
    layer.weight.requires_grad = True
    fast(x).backward()
    assert layer.weight.grad is not None


def test_grad_mode() -> None:
    weight = Tensor([2.0], requires_grad=True)
    fast = lucid.compile(lambda x: x * weight)
    assert fast(Tensor(ONE)).requires_grad
    with lucid.no_grad():
        assert not fast(Tensor(ONE)).requires_grad
    assert fast(Tensor(ONE)).requires_grad
    assert len(fast.programs) == 2


@pytest.mark.parametrize(
    ("arguments", "function"),
    [
        ([1, 2, 1], lambda x, n: x * n),
        ([True, 1, False], lambda x, n: x * (2.0 if n is True else 3.0)),
        (["add", "sub"], lambda x, how: x + 1 if how == "add" else x - 1),
        ([None, 2.0, None], lambda x, scale: x if scale is None else x * scale),
        ([[1.0, 2.0], [1.0, 3.0], [1.0]], lambda x, items: x * sum(items)),
        ([(1, 2), [1, 2], (2, 2)], lambda x, items: x * items[0] * (1 if isinstance(items, tuple) else 10)),
        ([{"a": 1.0}, {"a": 2.0}, {"b": 2.0}], lambda x, items: x * items.get("a", 7.0)),
        ([{1, 2}, {1, 3}, {1, 2}], lambda x, items: x * sum(items)),
        ([frozenset("ab"), frozenset("a")], lambda x, items: x * len(items)),
        ([np.float32(2), np.float32(3)], lambda x, number: x * number),
        ([np.int64(2), np.int64(3)], lambda x, number: x * int(number)),
        ([slice(0, 1), slice(0, 0)], lambda x, where: x * (where.stop + 1)),
        ([float("nan"), 1.0, float("inf")], lambda x, number: lucid.where(x * number == x, 1.0, 0.0)),
    ],
    ids=lambda argument: repr(argument) if isinstance(argument, list) else "",
)
def test_python_arguments_count_by_value(arguments: list[Any], function: Callable[..., Any]) -> None:
    fast = lucid.compile(function)
    for argument in arguments * 2:
        for _ in range(3):
            assert value(fast, argument) == value(function, argument)


def test_equal_python_arguments_share_a_program() -> None:
    fast = lucid.compile(lambda x, n, names: x * n * len(names))
    for _ in range(3):
        fast(Tensor(ONE), 3, ["a", ("b", "c")])
        fast(Tensor(ONE), np.int32(3), {"a", "b"})
    assert len(fast.programs) == 2


def test_a_list_that_is_changed_in_place() -> None:
    fast, scales = lucid.compile(lambda x, scales: x * scales["s"][0]), {"s": [2.0]}
    assert value(fast, scales) == 2.0
    scales["s"][0] = 3.0
    assert value(fast, scales) == 3.0
    scales["s"] = [4.0, 1.0]
    assert value(fast, scales) == 4.0


def test_an_ordered_dict_is_looked_into() -> None:
    fast, items = lucid.compile(lambda x, items: x * items["w"]), OrderedDict(w=Tensor([2.0]))
    assert value(fast, items) == 2.0
    items["w"] = Tensor([5.0])
    assert value(fast, items) == 5.0
    assert len(fast.programs) == 1


def test_containers_that_cannot_be_looked_into_are_refused() -> None:
    fast = lucid.compile(lambda x, items: x * items["w"])
    with pytest.raises(ArgumentError, match=r"takes dicts, lists, tuples, and sets(.|\n)*hint: convert"):
        fast(Tensor(ONE), defaultdict(float, w=2.0))


def test_floats_are_inputs() -> None:
    fast = lucid.compile(lambda x, scale: x * scale + scale**2 - 1.0 / scale)
    for scale in (1.0, 2.0, 0.5, -3.0, 1e-3, np.float64(4.0)):
        assert value(fast, scale) == pytest.approx(1.0 * scale + scale**2 - 1.0 / scale, rel=1e-6)
    assert len(fast.programs) == 1


def test_comparing_a_float_guards_the_outcome() -> None:
    def clipped(x: Tensor, limit: float) -> Tensor:
        if limit > 1.5:
            return x * limit
        return x - limit

    fast = lucid.compile(clipped)
    for limit in (2.0, 3.0, 1.0, 0.5, 1.5, 7.0):
        assert value(fast, limit) == pytest.approx(value(clipped, limit))
    assert len(fast.programs) == 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x, s: x * math.sqrt(s),
        lambda x, s: x * int(s),
        lambda x, s: x * abs(s),
        lambda x, s: x * (s % 2),
        lambda x, s: x * (7 % s),
        lambda x, s: x * (s // 2),
        lambda x, s: x * (9 // s),
        lambda x, s: x * round(s),
        lambda x, s: x * round(s, 1),
        lambda x, s: x * len(f"{s:.3f}") * float(f"{s:.1f}"),
        lambda x, s: x * np.float32(s),
        lambda x, s: x * max(s, 3.0),
        lambda x, s: x * (2.0 if isinstance(s, float) else 1.0) * (s + 1 if isinstance(s, int | float) else 1.0),
        lambda x, s: x * (s if s else 5.0),
        lambda x, s: x * sum([s, s]),
        lambda x, s: x * {True: 1.0, False: 2.0}[s == 3.25],
        lambda x, s: x * -s * +s * (2.0**s) * (s - 1) * (1 - s) * (s + 1) * (s * 2) * (2 / s) * (s / 2),
    ],
)
def test_a_float_does_what_floats_do(function: Callable[..., Any]) -> None:
    fast = lucid.compile(function)
    for number in (3.25, 2.0, 10.5, 3.25, 0.75):
        assert value(fast, number) == pytest.approx(value(function, number), rel=1e-6)


def test_which_arguments_are_the_same_tensor() -> None:
    def write_and_read(x: Tensor, y: Tensor) -> Tensor:
        x += 1.0
        return y * 10.0

    for wrap in (lambda f: f, lucid.compile):
        for make in (Tensor, np.array):
            step = wrap(write_and_read)
            a, b = make(ONE), make(ONE)
            for _ in range(3):
                assert step(a, b).tolist() == [10.0]
            assert step(a, a).tolist() == [50.0]
            assert step(a, a).tolist() == [60.0]
            assert step(b, a).tolist() == [60.0]
            assert (a.tolist(), b.tolist()) == ([6.0], [2.0])


def test_an_argument_that_is_also_captured() -> None:
    layer = nn.Linear(1, 1, bias=False)
    with lucid.no_grad():
        layer.weight.fill_(2.0)
    other = Tensor([[5.0]], requires_grad=True)

    def product(x: Tensor) -> Tensor:
        return layer.weight * 10.0 + x

    for order in ((layer.weight, other, layer.weight), (other, layer.weight, other)):
        fast = lucid.compile(product)
        for x in order:
            assert fast(x).tolist() == product(x).tolist()


def test_a_global_tensor_that_is_also_an_argument() -> None:
    fast = lucid.compile(lambda x: x + 10.0 * TABLE)
    assert fast(TABLE).tolist() == [22.0]
    assert fast(Tensor([3.0])).tolist() == [23.0]


TABLE = Tensor([2.0])


def test_slices_of_a_tensor_are_arguments_of_their_own() -> None:
    data = Tensor(np.arange(8, dtype=np.float32).reshape(4, 2))
    fast = lucid.compile(lambda x: x * 2.0)
    for start in range(4):
        for view in (data[start : start + 1], data.detach()[start : start + 1], data[start].reshape(1, 2)):
            np.testing.assert_array_equal(fast(view).numpy(), data.numpy()[start : start + 1] * 2)
    for view in (data.detach(), (data * 10.0).detach(), data.T.T):
        np.testing.assert_array_equal(fast(view).numpy(), view.numpy() * 2)
    assert len(fast.programs) == 2


# Globals, closures, chains.

SCALE = 2.0
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


# Modules.


class Scaled(nn.Module):
    offset = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0
        self.table = {"a": [1.0]}
        self.register_buffer("buffer", Tensor([0.0]))

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self, "extra"):
            x = x + self.extra
        y = x * self.scale * self.table["a"][0] + self.offset
        return y if self.training else -y


def test_attributes_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Scaled()
    check(
        model,
        (lambda: setattr(model, "scale", 3.0), 3.0),
        (lambda: setattr(model, "scale", 3), 3.0),
        (lambda: model.table["a"].__setitem__(0, 2.0), 6.0),
        (lambda: setattr(model, "table", {"a": [1.0]}), 3.0),
        (lambda: monkeypatch.setattr(Scaled, "offset", 1.0), 4.0),
        (lambda: setattr(model, "offset", 2.0), 5.0),
        first=2.0,
    )


def test_attributes_that_come_and_go() -> None:
    model = Scaled()
    check(
        model,
        (lambda: setattr(model, "extra", 1.0), 4.0),
        (lambda: delattr(model, "extra"), 2.0),
        (lambda: setattr(model, "extra", nn.Parameter([2.0])), 6.0),
        (model.eval, -6.0),
        (model.train, 6.0),
        first=2.0,
    )


def test_what_is_not_read_is_not_guarded() -> None:
    model = Scaled()
    fast = lucid.compile(model)
    for number in range(5):
        model.unrelated = number
        assert value(fast) == 2.0
    assert len(fast.programs) == 1


def test_methods_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubling(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2.0

    model = Doubling()
    check(
        model,
        (lambda: setattr(model, "forward", lambda x: x * 3.0), 3.0),
        (lambda: setattr(model, "forward", types.MethodType(lambda self, x: x * 4.0, model)), 4.0),
        (lambda: setattr(model, "forward", types.MethodType(lambda self, x: x * 5.0, model)), 5.0),
        (lambda: delattr(model, "forward"), 2.0),
        (lambda: setattr(Doubling, "forward", lambda self, x: x * 6.0), 6.0),
        (lambda: setattr(Doubling, "forward", lambda self, x: x * 7.0), 7.0),
        first=2.0,
    )


def test_training_and_evaluation_are_two_programs() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    fast = lucid.compile(model)
    x = Tensor(np.ones((2, 4), np.float32))
    for _ in range(3):
        model.train()
        assert (fast(x).numpy() == 0.0).any()
        model.eval()
        np.testing.assert_allclose(fast(x).numpy(), model(x).numpy(), rtol=1e-6)
    assert len(fast.programs) == 2


def test_the_probability_of_dropout() -> None:
    dropout = nn.Dropout(0.0)
    fast = lucid.compile(dropout)
    x = Tensor(np.ones(1000, np.float32))
    for p in (0.0, 0.5, 0.9, 1.0, 0.0):
        dropout.p = p
        dropped = float((fast(x).numpy() == 0.0).mean())
        assert dropped == pytest.approx(p, abs=0.06)
    assert len(fast.programs) == 4


def test_attributes_through_a_compiled_module() -> None:
    dropout = nn.Dropout(0.5)
    fast = lucid.compile(dropout)
    fast.p = 0.0
    assert dropout.p == 0.0
    assert fast(Tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert fast.training
    fast.eval()
    assert not dropout.training


def test_modules_that_are_added_and_replaced() -> None:
    def linear(weight: float) -> nn.Linear:
        layer = nn.Linear(1, 1, bias=False)
        with lucid.no_grad():
            layer.weight.fill_(weight)
        return layer

    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([linear(2.0)])
            self.listed = [linear(1.0)]

        def forward(self, x: Tensor) -> Tensor:
            for layer in (*self.layers, *self.listed):
                x = layer(x)
            return x

    model = Chain()
    check(
        model,
        (lambda: model.layers.append(linear(3.0)), 6.0),
        (lambda: model.layers.__setitem__(0, linear(5.0)), 15.0),
        (lambda: model.listed.append(linear(10.0)), 150.0),
        (lambda: model.listed.__setitem__(0, linear(2.0)), 300.0),
        (lambda: setattr(model, "layers", nn.ModuleList()), 20.0),
        (lambda: setattr(model.listed[0], "weight", nn.Parameter([[4.0]])), 40.0),
        first=2.0,
    )


# Optimizers.


def sgd_step(**settings: Any) -> tuple[Tensor, optim.Optimizer, CompiledFunction]:
    weight = Tensor([1.0], requires_grad=True)
    optimizer = optim.SGD([weight], **settings)

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        (weight * 1.0).backward()
        optimizer.step()

    return weight, optimizer, step


def moved(weight: Tensor, step: CompiledFunction) -> float:
    before = weight.item()
    step()
    return before - weight.item()


def test_the_learning_rate_is_an_input() -> None:
    weight, optimizer, step = sgd_step(lr=0.5)
    assert moved(weight, step) == pytest.approx(0.5)
    for rate in (0.25, 0.125, 1, np.float32(2.0), 0.0):
        optimizer.param_groups[0]["lr"] = rate
        assert moved(weight, step) == pytest.approx(float(rate))
    assert len(step.programs) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 2, 0.5),
        lambda optimizer: optim.lr_scheduler.CosineAnnealingLR(optimizer, 10),
    ],
)
def test_a_scheduler_never_compiles_again(make: Callable[[optim.Optimizer], Any]) -> None:
    weight, optimizer, step = sgd_step(lr=0.5)
    scheduler = make(optimizer)
    for _ in range(20):
        (rate,) = scheduler.get_last_lr()
        assert moved(weight, step) == pytest.approx(rate, abs=1e-6)
        scheduler.step()
    assert len(step.programs) == 1


def test_step_counters_neither_freeze_nor_compile_again() -> None:
    weight = Tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([weight], lr=0.1)

    @lucid.compile
    def step(scale: float) -> None:
        optimizer.zero_grad()
        (weight * scale).backward()
        optimizer.step()

    twin = Tensor([1.0], requires_grad=True)
    eager = optim.Adam([twin], lr=0.1)
    for number in range(10):
        step(float(number) - 3.0)
        eager.zero_grad()
        (twin * (float(number) - 3.0)).backward()
        eager.step()
        assert optimizer.state["step.0"].item() == number + 1
        assert weight.item() == pytest.approx(twin.item(), rel=1e-5)
    assert len(step.programs) == 1


def test_weight_decay_is_a_predicate_and_an_input() -> None:
    weight, optimizer, step = sgd_step(lr=1.0)
    for decay in (0.0, 0.5, 0.25, 0.0, 0.125):
        with lucid.no_grad():
            weight.fill_(2.0)
        optimizer.param_groups[0]["weight_decay"] = decay
        assert moved(weight, step) == pytest.approx(1.0 + decay * 2.0)
    assert len(step.programs) == 2


def test_settings_of_an_optimizer() -> None:
    weight, optimizer, step = sgd_step(lr=1.0)
    assert moved(weight, step) == 1.0
    optimizer.param_groups[0]["maximize"] = True
    assert moved(weight, step) == -1.0


class PlainDescent(optim.Optimizer):
    """An optimizer that reads its group as it is, without `hyperparameter`."""

    def check(self, group: dict[str, Any]) -> None:
        pass

    def initial_state(self, group: dict[str, Any], parameter: Tensor) -> dict[str, Tensor]:
        return {}

    def update(self, group: dict[str, Any], members: Any) -> None:
        for _, parameter, gradient in members:
            parameter -= gradient * group["lr"]


def test_an_optimizer_of_a_user() -> None:
    weight = Tensor([1.0], requires_grad=True)
    optimizer = PlainDescent([weight], {"lr": 0.5})

    @lucid.compile
    def step() -> None:
        optimizer.zero_grad()
        (weight * 1.0).backward()
        optimizer.step()

    assert moved(weight, step) == pytest.approx(0.5)
    optimizer.param_groups[0]["lr"] = 0.25
    assert moved(weight, step) == pytest.approx(0.25)


def test_a_group_that_the_step_reads_itself() -> None:
    _, optimizer, _ = sgd_step(lr=0.5)
    group = optimizer.param_groups[0]
    check(
        lambda x: x * optimizer.param_groups[0]["lr"],
        (lambda: group.__setitem__("lr", 0.25), 0.25),
        (lambda: setattr(optimizer, "param_groups", [{**group, "lr": 2.0}]), 2.0),
        first=0.5,
    )


def test_a_parameter_group_that_is_added() -> None:
    weight, optimizer, step = sgd_step(lr=1.0)
    other = Tensor([3.0], requires_grad=True)
    other.grad = Tensor([1.0])
    step()
    assert other.item() == 3.0
    optimizer.add_param_group({"params": [other], "lr": 0.5})
    assert moved(weight, step) == 1.0
    assert other.item() == 3.0  # zero_grad has cleared its grad
    assert other.grad is None


def test_the_state_of_an_optimizer_is_loaded_in_place() -> None:
    weight, optimizer, step = sgd_step(lr=1.0, momentum=0.5)
    step()
    saved = optimizer.state_dict()
    step()
    optimizer.load_state_dict({**saved, "param_groups": [{**saved["param_groups"][0], "lr": 2.0}]})
    assert moved(weight, step) == pytest.approx(2.0 * 1.5)
    assert len(step.programs) == 1


def test_whether_a_grad_is_none() -> None:
    weight = Tensor([1.0], requires_grad=True)

    @lucid.compile
    def accumulate() -> None:
        (weight * 2.0).backward()

    for count in (1, 2, 3):
        accumulate()
        assert weight.grad is not None
        assert weight.grad.tolist() == [2.0 * count]
    weight.grad = None
    accumulate()
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0]
    assert len(accumulate.programs) == 2


# The cache.


def test_a_storm_of_compilations_warns_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = lucid.compile(lambda x: x * SCALE)
    for number in range(7):
        monkeypatch.setitem(globals(), "SCALE", float(number))
        fast(Tensor(ONE))
    monkeypatch.setitem(globals(), "SCALE", 7.0)
    with pytest.warns(RecompileWarning, match="compiled 8 times; the last time because of SCALE"):
        fast(Tensor(ONE))


def test_the_least_recently_used_program_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucid.compiler, "MAX_PROGRAMS", 3)
    fast = lucid.compile(lambda x, n: x * n)
    first = fast.lower(Tensor(ONE), 0)
    for number in range(1, 6):
        value(fast, number)
        assert value(fast, 0) == 0.0
        assert len(fast.programs) <= 3
        assert first in fast.programs


def test_lower_is_the_program_that_a_call_uses() -> None:
    weight = Tensor([1.0], requires_grad=True)
    fast = lucid.compile(lambda x: x * weight)
    program = fast.lower(Tensor([2.0]))
    fast(Tensor([3.0]))
    assert fast.programs == (program,)
    assert program.signature == "f32[1]"


# Audit.


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * float(np.random.rand()),
        lambda x: x * np.random.rand(1).astype(np.float32),
        lambda x: x * Tensor(np.random.rand(1).astype(np.float32)),
        lambda x: x * next(COUNTER),
    ],
)
def test_an_audit_finds_what_is_not_guarded(function: Callable[[Tensor], Tensor]) -> None:
    fast = lucid.compile(function)
    fast(Tensor(ONE))
    fast(Tensor(ONE))
    with lucid.audit(), pytest.raises(AuditError, match="when it is traced again"):
        fast(Tensor(ONE))


COUNTER = iter(range(1000))


def test_an_audit_of_a_function_that_is_guarded_changes_nothing() -> None:
    def run(audited: bool) -> tuple[Any, ...]:
        lucid.seed(3)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        table = np.ones(4, np.float32)

        @lucid.compile
        def step(x: np.ndarray[Any, Any], scale: float) -> Tensor:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x * scale * table * np.ones(4, np.float32)), np.zeros((2, 1), np.float32))
            loss.backward()
            optimizer.step()
            return loss

        losses = []
        for number in range(4):
            x = np.full((2, 4), number, np.float32)
            if audited:
                with lucid.audit(every=2):
                    losses.append(step(x, float(number)).item())
            else:
                losses.append(step(x, float(number)).item())
        return losses, model.state_dict()["0.weight"].tolist(), lucid.get_state(), len(step.programs)

    assert run(True) == run(False)


def test_an_audit_every_nth_call() -> None:
    with warnings.catch_warnings():
        fast = lucid.compile(lambda x: x * float(np.random.rand()))
    with lucid.audit(every=3):
        fast(Tensor(ONE))
        fast(Tensor(ONE))
        with pytest.raises(AuditError):
            fast(Tensor(ONE))
