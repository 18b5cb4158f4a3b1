"""Guards on objects that the traced code reads: attributes of classes and objects, methods, defaults of arguments."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from enum import Enum

import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
from lucid import Tensor
from tests.compile.changes import ONE, check, value


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


class Weighing:
    def weigh(self, x: Tensor, by: float = 2.0) -> Tensor:
        return x * by

    @classmethod
    def shift(cls, x: Tensor, *, by: float = 1.0) -> Tensor:
        return x + by

    def __call__(self, x: Tensor, by: float = 0.0) -> Tensor:
        return x - by


def test_default_arguments_of_methods_and_of_what_containers_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    def last(x: Tensor, by: float = 1.0) -> Tensor:
        return x * by

    scales, held = Weighing(), [last]
    check(
        lambda x: held[0](scales(scales.shift(scales.weigh(x)))),
        (lambda: monkeypatch.setattr(Weighing.weigh, "__defaults__", (3.0,)), 4.0),
        (lambda: monkeypatch.setitem(Weighing.shift.__func__.__kwdefaults__, "by", 2.0), 5.0),  # type: ignore[attr-defined]
        (lambda: monkeypatch.setattr(Weighing.__call__, "__defaults__", (1.0,)), 4.0),
        (lambda: setattr(last, "__defaults__", (10.0,)), 40.0),
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


def scaled(x: Tensor, by: float) -> Tensor:
    return x * by


DOUBLE = functools.partial(scaled, by=2.0)


def test_what_a_partial_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = nn.Identity()
    holder.act = functools.partial(scaled, by=2.0)
    as_argument = functools.partial(scaled, by=2.0)
    for function, held in (
        (lambda x: DOUBLE(x), DOUBLE),
        (DOUBLE, DOUBLE),
        (lambda x: holder.act(x), holder.act),
    ):
        check(
            function,
            (lambda held=held: held.keywords.update(by=3.0), 3.0),
            (lambda held=held: held.keywords.update(by=2.0), 2.0),
            first=2.0,
        )
    fast = lucid.compile(lambda x, f: f(x))
    assert [value(fast, f) for f in (as_argument, functools.partial(scaled, by=2.0))] == [2.0, 2.0]
    as_argument.keywords["by"] = 3.0
    assert value(fast, as_argument) == 3.0
    as_argument.keywords["by"] = 2.0
    assert value(fast, as_argument) == 2.0
    assert len(fast.programs) == 3


class Layer:
    """Of the user, and no module."""

    gain = 2.0

    @property
    def shift(self) -> float:
        return 1.0

    @classmethod
    def scaled(cls, x: Tensor) -> Tensor:
        return x * cls.gain

    @staticmethod
    def doubled(x: Tensor) -> Tensor:
        return x * 2.0

    def inner(self, x: Tensor) -> Tensor:
        return x + self.shift

    def __call__(self, x: Tensor) -> Tensor:
        return self.inner(x)

    def __len__(self) -> int:
        return 3


CALLED: dict[str, tuple[Callable[[Layer, Tensor], Tensor], object]] = {
    "inner": (lambda layer, x: layer(x), lambda self, x: x * 9.0),
    "scaled": (lambda layer, x: layer.scaled(x), classmethod(lambda cls, x: x * 9.0)),
    "doubled": (lambda layer, x: layer.doubled(x), staticmethod(lambda x: x * 9.0)),
    "shift": (lambda layer, x: layer.inner(x), property(lambda self: 8.0)),
    "__call__": (lambda layer, x: layer(x), lambda self, x: x * 9.0),
    "__len__": (lambda layer, x: x * len(layer), lambda self: 9),
}


@pytest.mark.parametrize("inherited", [False, True])
@pytest.mark.parametrize("name", CALLED)
def test_what_a_class_of_the_user_computes(name: str, inherited: bool) -> None:
    kind = type("Kind", (Layer,), {"__module__": __name__})
    if not inherited:
        setattr(kind, name, Layer.__dict__[name])
    layer = kind()
    call, other = CALLED[name]
    fast = lucid.compile(lambda x: call(layer, x))
    assert fast(Tensor(ONE)).tolist() == call(layer, Tensor(ONE)).tolist()
    setattr(kind, name, other)
    for _ in range(2):
        assert fast(Tensor(ONE)).tolist() == call(layer, Tensor(ONE)).tolist() == [9.0]
    assert len(fast.programs) == 2


def test_a_method_that_an_object_has_of_its_own() -> None:
    layer = Layer()
    check(lambda x: layer.inner(x), (lambda: setattr(layer, "inner", lambda x: x * 9.0), 9.0), first=2.0)


def test_a_property_of_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shifted(nn.Module):
        @property
        def shift(self) -> float:
            return 1.0

        def forward(self, x: Tensor) -> Tensor:
            return x + self.shift

    shifted = Shifted()
    check(
        lambda x: shifted(x),
        (lambda: monkeypatch.setattr(Shifted, "shift", property(lambda self: 8.0)), 9.0),
        first=2.0,
    )


class Root:
    factor = 2.0

    def scaled(self, x: Tensor, by: float = 1.0) -> Tensor:
        return x * by

    @property
    def doubled(self) -> float:
        return 2.0

    @classmethod
    def shifted(cls, x: Tensor) -> Tensor:
        return x + 1.0

    @staticmethod
    def same(x: Tensor) -> Tensor:
        return x


class Middle(Root):
    pass


class Leaf(Middle):
    def scaled(self, x: Tensor, by: float = 1.0) -> Tensor:
        return super().scaled(x)

    @property
    def doubled(self) -> float:
        return super().doubled

    @classmethod
    def shifted(cls, x: Tensor) -> Tensor:
        return super().shifted(x)

    def skipping(self, x: Tensor) -> Tensor:
        return super(Middle, self).same(x) * super().factor


LEAF = Leaf()
READS: dict[str, Callable[[Tensor], Tensor]] = {
    "scaled": lambda x: LEAF.scaled(x),
    "doubled": lambda x: x * LEAF.doubled,
    "shifted": lambda x: Leaf.shifted(x),
    "same": lambda x: LEAF.skipping(x),
    "factor": lambda x: LEAF.skipping(x),
    "of its own": lambda x: Leaf().scaled(x),
}
NEW = {
    "doubled": property(lambda self: 7.0),
    "shifted": classmethod(lambda cls, x: x * 7.0),
    "same": staticmethod(lambda x: x * 3.5),
    "factor": 7.0,
}


@pytest.mark.parametrize("read", READS)
def test_what_super_finds(read: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = read if read in NEW else "scaled"
    first = READS[read](Tensor(ONE)).item()
    new = NEW.get(name, lambda self, x: x * 7.0)
    check(READS[read], (lambda: monkeypatch.setattr(Root, name, new), 7.0), first=first)


def test_what_super_finds_in_a_class_between(monkeypatch: pytest.MonkeyPatch) -> None:
    check(
        lambda x: LEAF.scaled(x),
        (lambda: monkeypatch.setattr(Middle, "scaled", lambda self, x: x * 7.0, raising=False), 7.0),
        (lambda: monkeypatch.delattr(Middle, "scaled"), 1.0),
        (lambda: monkeypatch.setattr(Root.scaled, "__defaults__", (3.0,)), 3.0),
        first=1.0,
    )


class Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2.0


class DoublingToo(Doubling):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


def test_what_super_finds_for_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = DoublingToo()
    change = (lambda: monkeypatch.setattr(Doubling, "forward", lambda self, x: x * 7.0), 7.0)
    check(lambda x: module(x), change, first=2.0)
