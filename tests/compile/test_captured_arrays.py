"""Arrays that a compiled function uses are read at each call, whoever made them and however they become tensors."""

from __future__ import annotations

import array
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import TraceError

X = lucid.zeros(3)


def buffers() -> list[Any]:
    elements = np.ones(3, np.float32)
    return [elements, memoryview(np.ones(3, np.float32)), array.array("f", [1.0, 1.0, 1.0])]


@pytest.mark.parametrize("make", [lucid.as_tensor, Tensor, lambda data: lucid.as_tensor(data, "float64")])
@pytest.mark.parametrize("data", buffers(), ids=lambda data: type(data).__name__)
def test_an_array_around_the_function(make: Callable[[Any], Tensor], data: Any) -> None:
    step = lucid.compile(lambda x: x + make(data))
    for number in (1.0, 5.0):
        data[0] = number
        assert step(X).tolist() == (X + make(data)).tolist() == [number, 1.0, 1.0]
    assert len(step.programs) == 1


@pytest.mark.parametrize("data", buffers(), ids=lambda data: type(data).__name__)
def test_an_array_among_the_arguments(data: Any) -> None:
    step = lucid.compile(lambda data: lucid.as_tensor(data) * 2.0)
    for number in (1.0, 5.0):
        data[0] = number
        assert step(data).tolist() == [2.0 * number, 2.0, 2.0]
    assert len(step.programs) == 1


def test_a_tensor_of_pytorch_around_the_function() -> None:
    torch = pytest.importorskip("torch")
    data = torch.ones(3)
    step = lucid.compile(lambda x: x + lucid.as_tensor(data) + Tensor(data))
    assert step(X).tolist() == [2.0, 2.0, 2.0]
    data += 1.0
    assert step(X).tolist() == [4.0, 4.0, 4.0]


def test_a_copy_of_an_array_is_the_functions_own() -> None:
    table = np.ones(3, np.float32)

    def step(x: Tensor) -> Tensor:
        copy = Tensor(table)
        copy += x
        return copy * 2.0

    compiled = lucid.compile(step)
    for _ in range(2):
        assert compiled(lucid.ones(3)).tolist() == step(lucid.ones(3)).tolist() == [4.0, 4.0, 4.0]
    assert table.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("use", [Tensor, lucid.as_tensor, lambda data: X + data, lambda data: Tensor([data])])
def test_an_array_that_changes_after_its_use_is_refused(use: Callable[[Any], Tensor]) -> None:
    def step(x: Tensor) -> Tensor:
        scratch = np.zeros(3, np.float32)
        first = use(scratch)
        scratch[0] = float("nan")
        return x + first

    with pytest.raises(TraceError) as caught:
        lucid.compile(step)(X)
    assert caught.value.sentence == ("an array was changed after a tensor was made of it, while a function is traced.")
    assert caught.value.hint == "make the tensor of a copy: lucid.Tensor(array.copy())."


def test_a_copy_has_a_gradient_of_its_own() -> None:
    table = np.array([1.0, 2.0, 3.0], np.float32)

    @lucid.compile
    def slope(x: Tensor) -> Tensor:
        leaf = Tensor(table, requires_grad=True)
        return lucid.grad((leaf * leaf * x).sum(), leaf)

    assert slope(lucid.ones(3)).tolist() == [2.0, 4.0, 6.0]
    table[0] = 5.0
    assert slope(lucid.ones(3)).tolist() == [10.0, 4.0, 6.0]


T = np.array([0.1, 2.5], np.float64)
LISTS: dict[str, Callable[[Any, Any, float], Any]] = {
    "arrays": lambda a, b, f: [a, a],
    "dtypes": lambda a, b, f: [a, b],
    "float32": lambda a, b, f: [b, [True, 7]],
    "float64": lambda a, b, f: [T, b],
    "deep": lambda a, b, f: [([a, [1, 2.5]], [b, T])],
    "floats": lambda a, b, f: [a, [f, 1]],
    "items": lambda a, b, f: [b[1], a[:1].reshape(()), f],
    "buffers": lambda a, b, f: [memoryview(a), array.array("i", [1, 2])],
    "no elements": lambda a, b, f: [[], a[:0]],
}


@pytest.mark.parametrize("dtype", [None, "float64", "int32"])
def test_arrays_in_lists(dtype: str | None) -> None:
    a, b = np.array([3, 2**62 + 1]), np.array([1.7, -2.2], np.float32)

    def build(f: float) -> dict[str, tuple[Tensor, Tensor]]:
        lists = {name: make(a, b, f) for name, make in LISTS.items()}
        return {name: (lucid.as_tensor(data, dtype), Tensor(data, dtype=dtype)) for name, data in lists.items()}

    step = lucid.compile(build)
    for f in (0.1, 0.3):
        a[0], b[0] = int(f * 100), f
        expected = build(f)
        for name, tensors in step(f).items():
            for got, eager in zip(tensors, expected[name], strict=True):
                assert (name, got.dtype, got.tolist()) == (name, eager.dtype, eager.tolist())
    assert len(step.programs) == 1


class OfAnArray:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.ones(3, np.float32)


@pytest.mark.parametrize("make", [Tensor, lucid.as_tensor, lambda data: X + data, lambda data: Tensor([data])])
def test_an_object_that_makes_an_array_of_itself_is_refused(make: Callable[[Any], Tensor]) -> None:
    data = OfAnArray()
    assert make(data).sum().item() == 3.0
    with pytest.raises(TraceError) as caught:
        lucid.compile(lambda x: x + make(data))(X)
    assert caught.value.sentence == (
        "a OfAnArray made an array of itself while a function is traced; later calls would not ask again."
    )
    assert caught.value.hint == "call numpy.asarray outside the function: an array is read at each call."


def test_a_trace_copies_no_array() -> None:
    table = np.ones(1 << 20, np.float32)
    tracemalloc.start()
    try:
        lucid.compile(lambda x: Tensor(table)[:3] + x).lower(X)
        assert tracemalloc.get_traced_memory()[1] < table.nbytes
    finally:
        tracemalloc.stop()


def test_arrays_that_nobody_writes_to_are_not_read_in_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.arange(6, dtype=np.float32).tofile(tmp_path / "table.bin")
    mapped = np.memmap(tmp_path / "table.bin", np.float32, "r")
    packed = np.frombuffer(mapped.tobytes(), np.float32)
    with monkeypatch.context() as patch:
        patch.setattr(zlib, "crc32", lambda data: pytest.fail("its bytes are read"))
        for table in (mapped, mapped[1:][::2], packed, packed.reshape(2, 3).T):
            assert lucid.compile(lambda: lucid.as_tensor(table) * 2.0)().tolist() == (table * 2).tolist()  # noqa: B023


def read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def base_and_view() -> tuple[Any, Any]:
    base = np.zeros(3, np.float32)
    view = base[:]
    return read_only(base), view


def view_and_base() -> tuple[Any, Any]:
    base = np.zeros(3, np.float32)
    return read_only(base[:]), base


def buffer_and_bytes() -> tuple[Any, Any]:
    memory = bytearray(12)
    return np.frombuffer(memoryview(memory).toreadonly(), np.float32), np.frombuffer(memory, np.float32)


@pytest.mark.parametrize("make", [base_and_view, view_and_base, buffer_and_bytes])
def test_what_can_only_be_read_here_and_is_written_elsewhere_is_refused(make: Callable[[], tuple[Any, Any]]) -> None:
    read, written = make()
    assert not read.flags.writeable

    def step(x: Tensor) -> Tensor:
        first = lucid.as_tensor(read)
        written[0] += 1.0
        return x + first

    with pytest.raises(TraceError, match="an array was changed after a tensor was made of it"):
        lucid.compile(step)(X)


@pytest.mark.parametrize("before", [True, False])
def test_a_flag_that_changes_in_a_trace_is_no_change_of_the_array(before: bool) -> None:
    table = np.ones(3, np.float32)
    table.flags.writeable = before

    def step(x: Tensor) -> Tensor:
        first = lucid.as_tensor(table)
        table.flags.writeable = not before
        return x + first

    assert lucid.compile(step)(X).tolist() == [1.0, 1.0, 1.0]
