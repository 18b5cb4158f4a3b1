"""Iterators from outside are refused in a compiled function and in the body of a scan: later calls would not go on."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset
from lucid.errors import TraceError

X = Tensor([1.0, 2.0])
ITEMS = [2.0, 3.0, 5.0]


def generator() -> Iterator[float]:
    yield from ITEMS


class Endless:
    """An iterator whose items are none of its attributes."""

    size = 2.0

    def __iter__(self) -> Endless:
        return self

    def __next__(self) -> float:
        return float(np.random.rand())

    def doubled(self) -> float:
        return 2.0 * self.size


class Trainer:
    def __init__(self) -> None:
        self.batches = iter(ITEMS)

    def step(self, x: Tensor) -> Tensor:
        return x * next(self.batches)

    def step_by_name(self, x: Tensor) -> Tensor:
        own = self
        scale: float = next(getattr(own, "batches"))  # noqa: B009  that is what is tested
        return x * scale


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scales = map(float, ITEMS)

    def forward(self, x: Tensor) -> Tensor:
        return x * next(self.scales)


config = ModuleType("users_config")
config.batches = zip(ITEMS, ITEMS, strict=True)  # type: ignore[attr-defined]  # a module of the user's
batches, mapped, counter, endless = iter(ITEMS), map(float, ITEMS), itertools.count(), Endless()
loaders = {"train": (generator(), 1)}
loader = DataLoader(TensorDataset(np.ones(4, np.float32)), batch_size=2)
epoch = iter(loader)


def of_a_loop(x: Tensor) -> Tensor:
    for pair in config.batches:
        x = x * pair[0]
    return x


def of_a_default(x: Tensor) -> Tensor:
    def made_inside(y: Tensor, *, it: Iterator[float] = iter(ITEMS)) -> Tensor:  # noqa: B008  that is what is tested
        return y * next(it)

    return by_default(made_inside(x))


def by_default(x: Tensor, *, it: Iterator[float] = iter(ITEMS)) -> Tensor:  # noqa: B008  that is what is tested
    return x * next(it)


def of_a_closure() -> Callable[[Tensor], Tensor]:
    made = generator()

    def outer(x: Tensor) -> Tensor:
        def inner() -> float:
            return next(made)

        return x * inner()

    return outer


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: x * next(batches), "the global batches is"),
        (lambda x: x * next(mapped), "the global mapped is"),
        (lambda x: x * next(counter), "the global counter is"),
        (lambda x: x * next(endless), "the global endless is"),
        (lambda x: x * lucid.as_tensor(next(epoch)[0]), "the global epoch is"),
        (lambda x: x * next(loaders["train"][0]), "the global loaders holds"),
        (of_a_loop, "users_config.batches is"),
        (of_a_default, "the argument it is"),
        (of_a_closure(), "the variable made of a closure is"),
        (Trainer().step, "Trainer.batches is"),
        (Trainer().step_by_name, "Trainer.batches is"),
        (Layer(), "Layer.scales is"),
    ],
)
def test_an_iterator_from_outside(function: Callable[[Tensor], Tensor], what: str) -> None:
    with pytest.raises(TraceError) as caught:
        lucid.compile(function)(X)
    assert caught.value.sentence == (
        f"{what} an iterator from outside that is read while the function is traced; later calls would take nothing "
        "from it, and get the same items."
    )


def test_the_line_that_reads_it_is_shown() -> None:
    def step(x: Tensor) -> Tensor:
        y = x * 2.0
        return y * next(batches)

    with pytest.raises(TraceError) as caught:
        lucid.compile(step)(X)
    assert str(caught.value).splitlines()[1:] == [
        f"  test_iterators.py:{step.__code__.co_firstlineno + 2}: return y * next(batches)",
        "  hint: pass what it gives as an argument, as in step(next(batches)), or loop outside the compiled function.",
    ]


@pytest.mark.parametrize("given", [{"it": iter(ITEMS)}, {"it": [{"a": generator()}]}])
def test_an_iterator_that_is_an_argument(given: dict[str, Any]) -> None:
    def step(x: Tensor, it: Any) -> Tensor:
        scale: float = next(it if isinstance(it, Iterator) else it[0]["a"])
        return x * scale

    with pytest.raises(TraceError, match=r"^the argument it (is|holds) an iterator from outside"):
        lucid.compile(step)(X, **given)


def test_iterators_of_the_function_itself() -> None:
    class Reader:
        def __init__(self) -> None:
            self.items = enumerate(ITEMS)

        def read(self) -> float:
            return next(self.items)[1]

    def take(items: Iterator[float]) -> float:
        return next(items)

    def step(x: Tensor) -> Tensor:
        own, reader = generator(), Reader()

        def inner() -> float:
            return next(own)

        def by_own_default(items: Iterator[float] = iter(ITEMS)) -> float:  # noqa: B008  that is what is tested
            return next(items)

        total = by_own_default() + sum(a * b for a, b in zip(ITEMS, reversed(ITEMS), strict=True))
        return x * (reader.read() + inner() + take(own) + take(map(float, ITEMS)) + total)

    compiled = lucid.compile(step)
    assert [compiled(X).tolist() for _ in range(2)] == [[40.0, 80.0]] * 2
    assert len(compiled.programs) == 1


def test_files_and_attributes_of_an_iterator_of_the_users_may_be_read() -> None:
    file = io.StringIO("text")

    @lucid.compile
    def step(x: Tensor) -> Tensor:
        y: Tensor = x * endless.size * endless.doubled()
        return y if file else x

    assert step(X).tolist() == [8.0, 16.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_an_iterator_in_the_body_of_a_scan(compiled: bool) -> None:
    def total(x: Tensor) -> Tensor:
        items = iter(ITEMS)
        carry, _ = lucid.scan(lambda carry, element: (carry + element * next(items), None), 0.0, x)
        result: Tensor = carry
        return result

    with pytest.raises(TraceError) as caught:
        (lucid.compile(total) if compiled else total)(X)
    assert caught.value.sentence == (
        "the variable items of a closure is an iterator from outside that is read in the body of a scan, which is "
        "called once for all runs, and would take one item for all."
    )
    assert caught.value.hint == (
        "pass what it gives as the elements of the scan: lucid.scan(body, init, lucid.stack([*iterator]))."
    )


def test_a_loader_that_begins_an_epoch() -> None:
    @lucid.compile
    def step() -> Tensor:
        (x,) = next(iter(loader))
        return lucid.as_tensor(x).sum()

    before = loader.state_dict()
    with pytest.raises(TraceError) as caught:
        step()
    assert caught.value.sentence == (
        "a DataLoader began an epoch while a function is traced; later calls would get the same batches."
    )
    assert (
        caught.value.hint == "loop outside the compiled function, and pass it a batch: for x, y in loader: step(x, y)."
    )
    assert loader.state_dict() == before


@pytest.mark.parametrize(
    "sampler",
    [SequentialSampler(4), RandomSampler(4), BatchSampler(SequentialSampler(4), 1, drop_last=False)],
    ids=lambda sampler: type(sampler).__name__,
)
def test_a_sampler_that_begins_an_epoch(sampler: Any) -> None:
    x = Tensor([1.0])
    for function in (lambda x: next(x * i for i in sampler), lambda x: x * len(next(iter([*sampler])))):
        with pytest.raises(TraceError) as caught:
            lucid.compile(function)(x)
        assert caught.value.sentence == (
            f"a {type(sampler).__name__} began an epoch while a function is traced; "
            "later calls would get the same indices."
        )
        assert caught.value.hint == "pass them as an argument, or ask for one epoch: sampler.order(0)."
    first = np.ravel(list(sampler)).tolist()
    assert first == np.ravel(list(sampler.order(0))).tolist(), "a refused call has begun no epoch"
    assert lucid.compile(lambda x: x * len(list(sampler.order(0))))(x).tolist() == [4.0]
