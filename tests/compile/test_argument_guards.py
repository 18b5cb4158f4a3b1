"""What a trace has read of its arguments is guarded: a change is noticed at the next call."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import ArgumentError
from tests.compile.changes import ONE, value


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
        ([frozenset({1, 2}), frozenset({1})], lambda x, items: x * len(items)),
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


class Inner:
    def __init__(self, width: float) -> None:
        self.width = width


@dataclass(frozen=True)
class Settings:
    scale: float
    sizes: tuple[int, ...] = (1,)
    inner: Inner | None = None


@dataclass(frozen=True, slots=True)
class Slotted:
    scale: float


@dataclass
class Loose:
    scale: float


def test_frozen_dataclasses_count_field_by_field() -> None:
    fast = lucid.compile(lambda x, s: x * s.scale * sum(s.sizes))
    for settings, expected, programs in (
        (Settings(2.0), 2.0, 1),
        (Settings(2.0), 2.0, 1),
        (Settings(3.0), 3.0, 2),
        (Settings(3.0, (1, 1)), 6.0, 3),
        (Settings(2.0), 2.0, 3),
    ):
        assert (value(fast, settings), len(fast.programs)) == (expected, programs)
    rows = str(fast.explain(recompiles=True))
    assert "s was Settings(scale=2.0, sizes=(1,), inner=None), is Settings(scale=3.0" in rows


def test_a_frozen_dataclass_of_another_class_is_another_argument() -> None:
    fast = lucid.compile(lambda x, s: x * s.scale)
    for settings in (Slotted(2.0), Slotted(2.0), Settings(2.0), Slotted(2.0)):
        assert value(fast, settings) == 2.0
    assert len(fast.programs) == 2


def test_what_may_change_in_a_frozen_dataclass_is_noticed() -> None:
    fast = lucid.compile(lambda x, s: x * s.inner.width)
    inner = Inner(2.0)
    assert value(fast, Settings(1.0, inner=inner)) == 2.0
    inner.width = 3.0
    assert value(fast, Settings(1.0, inner=inner)) == 3.0
    for width in (4.0, 5.0, 6.0):  # one after the other, in the same memory
        assert value(fast, Settings(1.0, inner=Inner(width))) == width


@dataclass(frozen=True)
class Changing:
    sizes: list[int]


def test_what_a_frozen_dataclass_holds_is_compared_where_it_can_change() -> None:
    fast = lucid.compile(lambda x, s: x * sum(vars(s)["sizes"]))
    kept = Changing([1])
    assert value(fast, kept) == 1.0
    kept.sizes.append(4)
    assert [value(fast, s) for s in (kept, Changing([1]), kept)] == [5.0, 1.0, 5.0]
    kept.sizes[:] = [1]
    assert value(fast, kept) == 1.0
    assert len(fast.programs) == 3
    assert "what s holds was something else, is Changing(sizes=[1, 4])" in str(fast.explain(recompiles=True))


def test_what_a_partial_held_is_not_mistaken_for_what_it_holds() -> None:
    fast = lucid.compile(lambda x, act: act(x))
    act = partial(lambda inners, x: x * inners[0].width, [Inner(2.0)])
    assert value(fast, act) == 2.0
    for width in (3.0, 4.0, 5.0):  # one after the other, in the same memory
        act.args[0].clear()
        act.args[0].append(Inner(width))
        assert value(fast, act) == width


def test_what_a_frozen_dataclass_held_is_not_mistaken_for_what_it_holds() -> None:
    fast, kept = lucid.compile(lambda x, s: x * vars(s)["inner"].width), Settings(1.0, inner=Inner(1.0))
    for width in (1.0, 2.0, 3.0, 4.0):
        object.__setattr__(kept, "inner", None)  # the next one may be in the same memory
        object.__setattr__(kept, "inner", Inner(width))
        assert value(fast, kept) == width


def test_an_argument_that_is_returned_is_that_of_the_call() -> None:
    fast = lucid.compile(lambda x, s: (x * 2, s))
    for make in (lambda: Changing([1]), lambda: Settings(2.0), lambda: partial(sum, [1]), lambda: {"a", "b"}):
        first = make()
        assert fast(Tensor(ONE), first)[1] is first
        if isinstance(first, Changing):
            first.sizes.append(2)
        second = make()
        assert fast(Tensor(ONE), second)[1] is second


def test_a_set_that_was_given_twice_is_not_taken_for_two() -> None:
    fast, names, others = lucid.compile(lambda x, first, second: (x, first)), {"a"}, {"a"}
    assert fast(Tensor(ONE), names, names)[1] is names
    assert fast(Tensor(ONE), names, others)[1] is names


@dataclass(frozen=True)
class Caching:
    scale: float

    @cached_property
    def doubled(self) -> float:
        return self.scale * 2


@dataclass(frozen=True, eq=False)
class Distinct:
    scale: float


def test_a_frozen_dataclass_that_caches_is_compiled_for_once() -> None:
    fast, caching = lucid.compile(lambda x, s: x * s.doubled), Caching(2.0)
    assert [value(fast, caching) for _ in range(3)] == [4.0] * 3
    assert len(fast.programs) == 1
    assert value(fast, Caching(3.0)) == 6.0


def test_dataclasses_that_say_more_than_their_fields_count_by_identity() -> None:
    sentinel = Distinct(2.0)
    fast = lucid.compile(lambda x, s: x * (1.0 if s is sentinel else 2.0))
    assert [value(fast, s) for s in (sentinel, Distinct(2.0), sentinel)] == [1.0, 2.0, 1.0]
    fast = lucid.compile(lambda x, s: x * math.copysign(3.0, s.scale))
    assert [value(fast, Settings(zero)) for zero in (0.0, -0.0, 0.0)] == [3.0, -3.0, 3.0]


def test_other_dataclasses_count_by_identity() -> None:
    fast = lucid.compile(lambda x, s: x * s.scale)
    kept = Loose(2.0)
    assert value(fast, kept) == 2.0
    kept.scale = 3.0
    assert value(fast, kept) == 3.0
    extended = Settings(2.0)
    object.__setattr__(extended, "other", 1)
    fast = lucid.compile(lambda x, s: x * getattr(s, "other", 5.0))
    assert [value(fast, s) for s in (Settings(2.0), extended, Settings(2.0))] == [5.0, 1.0, 5.0]


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
