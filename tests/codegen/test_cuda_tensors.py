"""Tensors on the GPU: how they come there, are written, exchanged and brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.codegen.cuda import device as devices
from lucid.errors import ArgumentError, TraceError
from tests.codegen.trained import X, Y, state, trained
from tests.training import classifying_step


def test_modules_and_tensors_move(cupy: Any) -> None:
    model = nn.Linear(4, 2)
    weight, expected = model.weight, model.weight.numpy().copy()
    (model(lucid.Tensor(X)) ** 2).sum().backward()
    assert model.to("cuda") is model
    assert model.weight is weight
    assert weight.device == "cuda"
    assert weight.grad.device == "cuda"
    assert weight.tolist() == expected.tolist()
    assert repr(weight).startswith("Tensor([[")
    model.load_state_dict({"weight": expected * 2, "bias": np.zeros(2)})
    assert weight.device == "cuda"
    assert weight.tolist() == (expected * 2).tolist()
    assert model.to("cpu").weight.device == "cpu"
    assert (weight.numpy() == expected * 2).all()
    x = lucid.Tensor([1.0, 2.0], requires_grad=True)
    there = x.to("cuda")
    assert there.to("cuda") is there
    assert there.requires_grad
    assert there.to("cpu").tolist() == [1.0, 2.0]


def test_a_model_and_its_optimizer_go_on_on_the_cpu(cupy: Any) -> None:
    model, optimizer, _, losses = trained("cuda", steps=2)
    step = lucid.compile(classifying_step(model, optimizer))
    model.to("cpu")
    with pytest.raises(
        ArgumentError, match=r"compiled for the CPU was given, or captures[^\n]*\n(.*\n)*.*optimizer.to"
    ):
        step(X, Y)
    with pytest.raises(ArgumentError, match=r"eager operations run on the CPU[^\n]*\n(.*\n)*.*optimizer.to"):
        optimizer.step()
    assert optimizer.to("cpu") is optimizer
    losses.append(step(X, Y))
    expected = trained("cpu", steps=3)
    assert [loss.item() for loss in losses] == [loss.item() for loss in expected[3]]
    assert state(model, optimizer) == state(*expected[:2])
    with pytest.raises(ArgumentError, match=r"a device is 'cpu' or 'cuda', got lucid.float32"):
        optimizer.to(lucid.float32)


@pytest.mark.parametrize(("place", "elsewhere"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_nothing_moves_while_a_function_is_traced(cupy: Any, place: str, elsewhere: str) -> None:
    model = nn.Linear(4, 2).to(place)
    optimizer = optim.Adam(model.parameters()).to(place)
    for what, move in (
        ("a tensor", lambda: model.bias.to(elsewhere)),
        ("Linear", lambda: model.to(elsewhere, lucid.float64)),
        ("the state of Adam", lambda: optimizer.to(elsewhere)),
    ):
        with pytest.raises(TraceError) as raised:
            lucid.compile(move, target=place)()
        assert raised.value.sentence == f"{what} can't be moved while a function is traced."
        assert raised.value.hint == "move it before the call."
        assert ".to(elsewhere" in str(raised.value)
    tensors = (*model.parameters(), *optimizer.state.values())
    assert {tensor.device for tensor in tensors} == {place}
    assert {tensor.dtype for tensor in model.parameters()} == {lucid.float32}


def test_a_function_for_the_cpu_notices_what_another_has_moved(cupy: Any) -> None:
    total = lucid.zeros(2)

    def add(x):
        with lucid.no_grad():
            total.copy_(total + x)

    here, there = lucid.compile(add), lucid.compile(add, target="cuda")
    ones = np.ones(2, np.float32)
    for _ in range(3):
        here(ones)
    there(ones)
    with pytest.raises(ArgumentError, match="compiled for the CPU was given, or captures, a tensor that is on the GPU"):
        here(ones)
    assert total.tolist() == [4.0, 4.0]


def test_what_has_no_axes_gets_none(cupy: Any) -> None:
    count = lucid.Tensor(3.0).to("cuda")
    assert (count.shape, count.copy_(4.0).item()) == ((), 4.0)
    *_, optimizer, step, _ = trained("cuda", steps=2)
    assert {tensor.shape for name, tensor in optimizer.state.items() if name.startswith("step")} == {()}
    assert len(step.programs) == 1


def test_arrays_in_columns_are_put_in_rows(cupy: Any) -> None:
    columns = np.arange(6, dtype=np.float32).reshape(3, 2).T
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    assert double(columns).tolist() == (columns * 2).tolist()
    assert double(lucid.as_tensor(columns).to("cuda")).tolist() == (columns * 2).tolist()
    assert double(columns.astype(">f4")).tolist() == (columns * 2).tolist(), "in the other byte order"
    x = lucid.zeros(2, 3).to("cuda")
    assert x.copy_(columns).tolist() == columns.tolist()


def test_states_are_loaded_where_they_are(cupy: Any, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    optimizer = optim.Adam(model.parameters())
    step = lucid.compile(classifying_step(model, optimizer), target="cuda")
    step(X, Y)
    kept, before = (model.state_dict(), optimizer.state_dict()), state(model, optimizer)
    lucid.save(tmp_path / "step.safetensors", model=model, optimizer=optimizer)
    step(X, Y)
    model.load_state_dict(kept[0])
    optimizer.load_state_dict(kept[1])
    assert state(model, optimizer) == before
    step(X, Y)
    lucid.load(tmp_path / "step.safetensors", model=model, optimizer=optimizer)
    assert state(model, optimizer) == before
    assert {x.device for x in (*model.parameters(), *model.buffers(), *optimizer.state.values())} == {"cuda"}


@pytest.mark.parametrize("part", [0, 1], ids=["model", "optimizer"])
def test_a_state_that_the_gpu_does_not_take_changes_nothing(cupy: Any, part: int) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    kept = (model.state_dict(), optimizer.state_dict())
    step(X, Y)
    before, original, written = state(model, optimizer), devices.Device.write, []

    def write(self: Any, target: Any, source: Any) -> None:
        written.append(target)
        if len(written) == 3:
            raise MemoryError
        original(self, target, source)

    with mock.patch.object(devices.Device, "write", write), pytest.raises(MemoryError):
        (model, optimizer)[part].load_state_dict(kept[part])
    assert state(model, optimizer) == before
    (model, optimizer)[part].load_state_dict(kept[part])
    assert state(model, optimizer) != before


def test_an_argument_that_is_also_written_is_read_as_it_was(cupy: Any) -> None:
    weight = lucid.Tensor([1.0, 2.0]).to("cuda")
    view = lucid.as_tensor(weight._array)

    @lucid.compile(target="cuda")
    def step(x):
        with lucid.no_grad():
            weight.copy_(weight + 1.0)
        return x * 10.0

    assert step(view).tolist() == [10.0, 20.0]
    assert weight.tolist() == [2.0, 3.0]


def test_an_argument_is_updated_where_it_lies(cupy: Any) -> None:
    @lucid.compile(target="cuda")
    def halve(x):
        with lucid.no_grad():
            x *= 0.5

    x = lucid.Tensor([2.0, 4.0]).to("cuda")
    halve(x)
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(ArgumentError, match="is not a contiguous tensor on the GPU"):
        halve(lucid.Tensor([2.0, 4.0]))


def test_arguments_that_overlap_and_are_both_written(cupy: Any) -> None:
    @lucid.compile(target="cuda")
    def update(first, second):
        first.copy_(first * 2.0)
        second.copy_(second + 1.0)

    x = lucid.Tensor([2.0, 4.0]).to("cuda")
    with pytest.raises(ArgumentError, match=r"first, f32\[2\], and second, f32\[2\], overlap"):
        update(x, lucid.as_tensor(x._array))
    assert x.tolist() == [2.0, 4.0]
    update(x, lucid.Tensor([1.0, 1.0]).to("cuda"))
    assert x.tolist() == [4.0, 8.0]
