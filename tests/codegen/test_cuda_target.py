"""The target "cuda" behind an imitation of CuPy whose kernels run on the simulator: what the launcher does, and when.

No GPU is involved, and nothing here says that one would do the same.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch
from lucid.errors import ArgumentError, CheckError
from lucid.pytree import flatten
from tests.codegen.fake_cupy import Calls, FakeArray, Stream
from tests.compile.steps import STEPS, Make
from tests.training import classifying_step

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
Y = np.array([0, 2, 1])


def trained(target: str, steps: int = 3) -> tuple[Any, ...]:
    """A model, its optimizer and its compiled step after some steps."""
    lucid.seed(4)
    model = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.3), nn.Linear(5, 3))
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    step = lucid.compile(classifying_step(model, optimizer), target=target)

    losses = [step(X, Y) for _ in range(steps)]
    return model, optimizer, step, losses


def state(model: nn.Module, optimizer: optim.Optimizer) -> list[bytes]:
    tensors = [*model.parameters(), *optimizer.state.values()]
    return [tensor.numpy().tobytes() for tensor in tensors]


# Steps.


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_steps_have_the_bits_of_the_cpu_target(make: Make, calls: Calls) -> None:
    results = []
    for target in ("cpu", "cuda"):
        lucid.seed(5)
        step, batch = make()
        compiled = lucid.compile(step, target=target)
        outputs = [leaf for _ in range(3) for leaf in flatten(compiled(*batch))[0]]
        results.append([*(x.numpy().tobytes() for x in outputs), lucid.get_state()])
    assert results[0] == results[1]


def test_everything_stays_on_the_gpu_and_nobody_waits(calls: Calls) -> None:
    model, optimizer, step, losses = trained("cuda", steps=1)
    addresses = [p._array.data.ptr for p in model.parameters()]
    assert {x.device for x in (*model.parameters(), *optimizer.state.values(), *losses)} == {"cuda"}
    launched, mask = len(calls.launches), model[1].mask.numpy()
    for _ in range(5):
        losses.append(step(X, Y))
    assert calls.synchronizations == 0
    assert (model[1].mask.numpy() != mask).any(), "the mask is redrawn from numbers that the CPU knows"
    assert calls.synchronizations == 0
    assert len(calls.launches) == 6 * launched
    assert [p._array.data.ptr for p in model.parameters()] == addresses
    assert {p.grad.device for p in model.parameters()} == {"cuda"}
    with mock.patch.object(devices, "gpu"):
        expected = trained("cpu", steps=6)
    assert [loss.item() for loss in losses] == [loss.item() for loss in expected[3]]
    assert state(model, optimizer) == state(*expected[:2])
    assert calls.synchronizations > 0


def test_launches_are_those_of_the_plan(calls: Calls) -> None:
    *_, step, _ = trained("cuda", steps=1)
    plan = write_module(step.programs[0].graph()).plan
    expected = [(x.function, x.blocks, (x.threads,)) for x in plan.steps if isinstance(x, Launch)]
    assert calls.launches == expected


def test_repeat_is_the_calls_one_by_one(calls: Calls) -> None:
    xs, ys = np.stack([X, -X, X * 2]), np.stack([Y, Y, Y])
    results = []
    for target in ("cpu", "cuda"):
        model, optimizer, step, _ = trained(target, steps=1)
        results.append((step.repeat(xs, ys).tolist(), state(model, optimizer), lucid.get_state()))
    assert results[0] == results[1]


def test_a_graph_is_captured_once_and_replayed(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CUDA_GRAPHS", "1")
    total = lucid.zeros(3)
    x = lucid.Tensor([1.0, 2.0, 3.0]).to("cuda")

    @lucid.compile(target="cuda")
    def add(x):
        with lucid.no_grad():
            total.copy_(total + x)

    for _ in range(5):
        add(x)
    assert (calls.captures, calls.replays) == (1, 4)
    assert total.tolist() == [5.0, 10.0, 15.0]
    for number in range(10):
        add(lucid.Tensor([float(number)] * 3).to("cuda"))
    executable = add.programs[0]._compiled.executable
    assert len(executable._graphs) <= 8


def test_another_stream_waits_for_the_one_before(calls: Calls) -> None:
    *_, step, _ = trained("cuda", steps=1)
    assert calls.waits == 0
    with Stream():
        step(X, Y)
        assert calls.waits == 1
        step(X, Y)
    assert calls.waits == 1
    step(X, Y)
    assert calls.waits == 2


def test_reads_and_other_programs_wait_for_the_stream_of_a_step(calls: Calls) -> None:
    """The imitation insists, whenever a stream is used."""
    model, optimizer, step, losses = trained("cuda", steps=1)

    @lucid.compile(target="cuda")
    def evaluate(x):
        with lucid.no_grad():
            return model[0](x)

    with Stream():
        losses.append(step(X, Y))
    waits = calls.waits
    losses[-1].item()
    with Stream():
        evaluated = evaluate(X)
    model[0].weight.numpy()
    with Stream():
        losses.append(step(X, Y))
    copy = lucid.zeros(3, 5).to("cuda").copy_(evaluated)
    with Stream():
        assert losses[-1].__dlpack__().array is losses[-1]._array
    assert calls.waits == waits + 6
    expected = trained("cpu", steps=3)
    assert [loss.item() for loss in losses] == [loss.item() for loss in expected[3]]
    assert state(model, optimizer) == state(*expected[:2])
    assert copy.tolist() == evaluated.tolist()


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where this process was started in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_leaves_whole_steps(calls: Calls) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    before, per_step = len(calls.launches), len(calls.launches)
    original = devices.Device.launch

    def interrupted(self: Any, *arguments: Any) -> None:
        if len(calls.launches) == before + 3:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, *arguments)

    with mock.patch.object(devices.Device, "launch", interrupted), pytest.raises(KeyboardInterrupt):
        step(X, Y)
    assert len(calls.launches) == before + per_step
    expected = trained("cpu", steps=2)
    assert state(model, optimizer) == state(*expected[:2])


# Checks.


def test_a_failed_check_is_told_by_the_next_read_and_stops_all_writes(calls: Calls) -> None:
    model, optimizer, step, _ = trained("cuda", steps=2)
    average = lucid.zeros(5)

    @lucid.compile(target="cuda")
    def follow():
        with lucid.no_grad():
            average.copy_(average * 0.5 + model[0].bias.detach())

    follow()
    before = [*state(model, optimizer), average.numpy().tobytes(), repr(lucid.get_state()).encode()]
    step(X, np.array([0, 9, 1]))
    follow()  # has no check, and comes behind one that has failed
    loss = step(X, Y)
    assert repr(lucid.get_state()).encode() != before[-1], "the CPU runs ahead"
    with pytest.raises(CheckError, match="target 9 at position 1 is out of range: expected 0 to 2"):
        loss.item()
    after = [*state(model, optimizer), average.numpy().tobytes(), repr(lucid.get_state()).encode()]
    assert after == before
    step(X, Y).item()
    expected = trained("cpu", steps=3)
    assert state(model, optimizer) == state(*expected[:2])


def test_a_failed_repeat_changes_nothing(calls: Calls) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    before = [*state(model, optimizer), repr(lucid.get_state()).encode()]
    with pytest.raises(CheckError, match="target 3 at position 0"):
        step.repeat(np.stack([X] * 3), np.stack([Y, Y + 3, Y]))
    assert [*state(model, optimizer), repr(lucid.get_state()).encode()] == before


def test_checks_of_several_programs_are_told_apart(calls: Calls) -> None:
    @lucid.compile(target="cuda")
    def first(table, i):
        return table[i]

    @lucid.compile(target="cuda")
    def second(x, y):
        return F.nll_loss(x, y)

    first(X, np.array([0]))
    second(X, Y)
    with pytest.raises(CheckError, match="target 7"):
        second(X, np.array([0, 7, 0])).item()
    with pytest.raises(CheckError, match="index 8"):
        first(X, np.array([8])).numpy()


# Tensors on the GPU.


def test_modules_and_tensors_move(calls: Calls) -> None:
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


def test_what_has_no_axes_gets_none(calls: Calls) -> None:
    count = lucid.Tensor(3.0).to("cuda")
    assert (count.shape, count.copy_(4.0).item()) == ((), 4.0)
    *_, optimizer, step, _ = trained("cuda", steps=2)
    assert {tensor.shape for name, tensor in optimizer.state.items() if name.startswith("step")} == {()}
    assert len(step.programs) == 1


def test_arrays_in_columns_are_put_in_rows(calls: Calls) -> None:
    columns = np.arange(6, dtype=np.float32).reshape(3, 2).T
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    assert double(columns).tolist() == (columns * 2).tolist()
    assert double(lucid.as_tensor(columns).to("cuda")).tolist() == (columns * 2).tolist()
    x = lucid.zeros(2, 3).to("cuda")
    assert x.copy_(columns).tolist() == columns.tolist()


def test_states_are_loaded_where_they_are(calls: Calls, tmp_path: Path) -> None:
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
def test_a_state_that_the_gpu_does_not_take_changes_nothing(calls: Calls, part: int) -> None:
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


def test_arrays_are_exchanged_without_copies(calls: Calls) -> None:
    array = FakeArray(np.arange(3, dtype=np.float32))

    @lucid.compile(target="cuda")
    def double(x):
        return x * 2.0

    result = double(array)
    assert result.tolist() == [0.0, 2.0, 4.0]
    assert result.__dlpack_device__()[0] == devices.CUDA_DEVICE
    assert result.__dlpack__().array is result._array
    assert result.__cuda_array_interface__["data"][0] == result._array.data.ptr
    assert lucid.as_tensor(array)._array is array
    assert not hasattr(lucid.Tensor([1.0]), "__cuda_array_interface__")


def test_an_argument_that_is_also_written_is_read_as_it_was(calls: Calls) -> None:
    weight = lucid.Tensor([1.0, 2.0]).to("cuda")
    view = lucid.as_tensor(weight._array)

    @lucid.compile(target="cuda")
    def step(x):
        with lucid.no_grad():
            weight.copy_(weight + 1.0)
        return x * 10.0

    assert step(view).tolist() == [10.0, 20.0]
    assert weight.tolist() == [2.0, 3.0]


def test_an_argument_is_updated_where_it_lies(calls: Calls) -> None:
    @lucid.compile(target="cuda")
    def halve(x):
        with lucid.no_grad():
            x *= 0.5

    x = lucid.Tensor([2.0, 4.0]).to("cuda")
    halve(x)
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(ArgumentError, match="is not a contiguous tensor on the GPU"):
        halve(lucid.Tensor([2.0, 4.0]))


def test_arguments_that_overlap_and_are_both_written(calls: Calls) -> None:
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
