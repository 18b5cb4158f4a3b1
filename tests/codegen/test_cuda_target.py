"""The target "cuda": what its launcher comes to. Each test runs behind the imitation of CuPy, whose kernels run on the
simulator, and again on a GPU where there is one; `test_cuda_imitation.py` has what the imitation alone can tell."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.launches import ReadyLaunch
from lucid.codegen.cuda.module import write_module
from lucid.errors import AllocationError, CheckError
from lucid.pytree import flatten
from tests.codegen.fake_cupy import Calls, Stream
from tests.codegen.foreign import keep_busy
from tests.codegen.trained import X, Y, state, trained
from tests.compile.steps import STEPS, Make

# Steps.


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_steps_have_the_bits_of_the_cpu_target(make: Make, cupy: Any) -> None:
    results = []
    for target in ("cpu", "cuda"):
        lucid.seed(5)
        step, batch = make()
        compiled = lucid.compile(step, target=target)
        outputs = [leaf for _ in range(3) for leaf in flatten(compiled(*batch))[0]]
        results.append([*(x.numpy().tobytes() for x in outputs), lucid.get_state()])
    assert results[0] == results[1]


def test_everything_stays_on_the_gpu(cupy: Any) -> None:
    model, optimizer, step, losses = trained("cuda", steps=1)
    addresses = [p._array.data.ptr for p in model.parameters()]
    mask = model[1].mask.numpy()
    losses += [step(X, Y) for _ in range(5)]
    assert (model[1].mask.numpy() != mask).any()
    assert [p._array.data.ptr for p in model.parameters()] == addresses
    results = (*model.parameters(), *(p.grad for p in model.parameters()), *optimizer.state.values(), *losses)
    assert {x.device for x in results} == {"cuda"}
    with mock.patch.object(devices, "gpu"):
        expected = trained("cpu", steps=6)
    assert [loss.item() for loss in losses] == [loss.item() for loss in expected[3]]
    assert state(model, optimizer) == state(*expected[:2])


def test_what_is_on_the_gpu_can_be_audited_and_looked_at(cupy: Any) -> None:
    weight = lucid.ones(4)
    scale = lucid.compile(lambda x: x * weight, target="cuda")
    x = lucid.Tensor(X).to("cuda")
    with lucid.audit():
        for _ in range(3):
            assert scale(x).tolist() == X.tolist()
    assert weight.device == "cuda"
    *_, result = scale.programs[0].values(x).values()
    assert result.tolist() == X.tolist()


def test_repeat_is_the_calls_one_by_one(cupy: Any) -> None:
    xs, ys = np.stack([X, -X, X * 2]), np.stack([Y, Y, Y])
    results = []
    for target in ("cpu", "cuda"):
        model, optimizer, step, _ = trained(target, steps=1)
        results.append((step.repeat(xs, ys).tolist(), state(model, optimizer), lucid.get_state()))
    assert results[0] == results[1]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many CUDA graphs are captured, and how many are launched."""
    monkeypatch.setenv("LUCID_CUDA_GRAPHS", "1")
    counts: Counter[str] = Counter()

    def counted(name: str, original: Any) -> Any:
        def method(*arguments: Any) -> Any:
            counts[name] += 1
            return original(*arguments)

        return method

    for name in ("capture", "replay"):
        monkeypatch.setattr(devices.Device, name, counted(name, getattr(devices.Device, name)))
    return counts


def test_a_graph_is_captured_once_and_replayed(cupy: Any, graphs: Counter[str]) -> None:
    total = lucid.zeros(3)
    x = lucid.Tensor([1.0, 2.0, 3.0]).to("cuda")

    @lucid.compile(target="cuda")
    def add(x):
        with lucid.no_grad():
            total.copy_(total + x)

    for _ in range(5):
        add(x)
    assert graphs == {"capture": 1, "replay": 4}
    assert total.tolist() == [5.0, 10.0, 15.0]
    kept = [lucid.Tensor([float(number)] * 3).to("cuda") for number in range(10)]
    for other in (*kept, kept[-1], kept[0]):
        add(other)
    assert graphs == {"capture": 2, "replay": 5}, "the graph of the latest is kept, and that of the first is not"
    assert len(add.programs[0]._compiled.executable._graphs) == 8


def test_a_replayed_step_has_the_bits_of_the_cpu(cupy: Any, graphs: Counter[str]) -> None:
    """Its random numbers are drawn anew at each replay, on whichever stream."""
    found = []
    for target, device in (("cpu", "cpu"), ("cuda", "cuda")):
        lucid.seed(7)
        x, total = lucid.Tensor(X).to(device), lucid.zeros(*X.shape)

        def add(x, total=total):
            with lucid.no_grad():
                total.copy_(F.dropout(total + x.exp(), 0.5))

        step = lucid.compile(add, target=target)
        for number in range(6):
            with cupy.cuda.Stream(non_blocking=True) if number % 2 else nullcontext():
                step(x)
        found.append((total.numpy().tobytes(), lucid.get_state()))
    assert found[0] == found[1]
    assert graphs == {"capture": 1, "replay": 5}


def test_a_launch_that_raises_ends_the_capture(calls: Calls, graphs: Counter[str]) -> None:
    x, total = lucid.Tensor([1.0, 2.0]).to("cuda"), lucid.zeros(2)

    @lucid.compile(target="cuda")
    def add(x):
        with lucid.no_grad():
            total.copy_(total + x)

    add(x)
    with (
        mock.patch.object(devices.Device, "launch", side_effect=RuntimeError("no launch")),
        pytest.raises(RuntimeError, match="no launch"),
    ):
        add(x)
    assert graphs == {"capture": 1}
    assert [stream for stream in Stream.all.values() if stream.captured is not None] == []
    add(x)
    assert total.tolist() == [2.0, 4.0]


@contextmanager
def busy_stream(cupy: Any) -> Iterator[None]:
    """Another stream, which gets to what it is given late."""
    with cupy.cuda.Stream(non_blocking=True):
        keep_busy(cupy)
        yield


def test_reads_and_other_programs_wait_for_the_stream_of_a_step(cupy: Any) -> None:
    """The imitation insists, whenever a stream is used; a GPU is kept busy on each stream before."""
    model, optimizer, step, losses = trained("cuda", steps=1)

    @lucid.compile(target="cuda")
    def evaluate(x):
        with lucid.no_grad():
            return model[0](x)

    with busy_stream(cupy):
        losses.append(step(X, Y))
    losses[-1].item()
    with busy_stream(cupy):
        evaluated = evaluate(X)
    model[0].weight.numpy()
    with busy_stream(cupy):
        losses.append(step(X, Y))
    copy = lucid.zeros(3, 5).to("cuda").copy_(evaluated)
    with cupy.cuda.Stream(non_blocking=True):
        assert cupy.from_dlpack(losses[-1]).get() == losses[-1].item()
    expected = trained("cpu", steps=3)
    assert [loss.item() for loss in losses] == [loss.item() for loss in expected[3]]
    assert state(model, optimizer) == state(*expected[:2])
    assert copy.tolist() == evaluated.tolist()


def test_a_program_that_is_given_nothing_waits_for_the_stream_before(cupy: Any) -> None:
    count = lucid.zeros(())

    @lucid.compile(target="cuda")
    def add():
        with lucid.no_grad():
            count.copy_(count + 1.0)

    for _ in range(3):
        with busy_stream(cupy):
            add()
    assert count.item() == 3.0


def test_an_array_in_pinned_memory_may_be_written_after_the_call(cupy: Any) -> None:
    """A GPU that is busy would read the next batch; the imitation insists that it does not get the array itself."""
    batch = np.frombuffer(cupy.cuda.alloc_pinned_memory(X.nbytes), X.dtype, X.size).reshape(X.shape)
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    double(X)
    there = lucid.zeros(*X.shape).to("cuda")
    for take in (
        *(lambda: double(batch), lambda: double(lucid.as_tensor(batch))),
        *(lambda: double(lucid.as_tensor(batch).to("cuda")), lambda: double(there.copy_(batch))),
    ):
        batch[...] = X
        with busy_stream(cupy):
            doubled = take()
            batch[...] = 0.0
        assert doubled.tolist() == (X * 2).tolist()


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where this process was started in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def ctrl_c(at: int) -> Iterator[list[Any]]:
    """Press it before a launch by its number, and list all launches."""
    launched, original = [], devices.Device.launch

    def counted(launches: Iterable[ReadyLaunch]) -> Iterator[ReadyLaunch]:
        for launch in launches:
            launched.append(launch)
            if len(launched) == at:
                os.kill(os.getpid(), signal.SIGINT)
            yield launch

    def interrupted(self: Any, launches: Iterable[ReadyLaunch]) -> None:
        original(self, counted(launches))

    with mock.patch.object(devices.Device, "launch", interrupted), pytest.raises(KeyboardInterrupt):
        yield launched


def launches(step: Any) -> int:
    """How many a step without loops makes."""
    return len(write_module(step.programs[0].graph()).plan.steps)


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_leaves_whole_steps(cupy: Any) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    with ctrl_c(at=4) as launched:
        step(X, Y)
    assert len(launched) == launches(step)
    expected = trained("cpu", steps=2)
    assert state(model, optimizer) == state(*expected[:2])


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_ends_a_repeat_behind_a_whole_update(cupy: Any) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    with ctrl_c(at=launches(step) + 4) as launched:  # in the second of four
        step.repeat(np.stack([X] * 4), np.stack([Y] * 4))
    assert len(launched) == 2 * launches(step)
    now = [*state(model, optimizer), lucid.get_state()]
    expected = trained("cpu", steps=3)
    assert now == [*state(*expected[:2]), lucid.get_state()]


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_stays_what_a_repeat_raises_where_a_check_has_failed(cupy: Any) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    before = [*state(model, optimizer), lucid.get_state()]
    with ctrl_c(at=launches(step) + 4):
        step.repeat(np.stack([X] * 4), np.stack([np.array([0, 9, 1])] * 4))
    assert [*state(model, optimizer), lucid.get_state()] == before


def test_a_signal_handler_that_raises_ends_a_repeat_behind_a_whole_update(cupy: Any) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    executable = step.programs[0]._compiled.executable
    run, ran = executable.run, []

    def interrupted(table: int) -> None:
        run(table)
        ran.append(table)
        if len(ran) == 2:
            raise SystemExit

    with mock.patch.object(executable, "run", interrupted), pytest.raises(SystemExit):
        step.repeat(np.stack([X] * 4), np.stack([Y] * 4))
    now = [*state(model, optimizer), lucid.get_state()]
    expected = trained("cpu", steps=3)
    assert now == [*state(*expected[:2]), lucid.get_state()]


# Checks.


def test_a_failed_check_is_told_by_the_next_read_and_stops_all_writes(cupy: Any) -> None:
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


def test_a_failed_repeat_changes_nothing(cupy: Any) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    before = [*state(model, optimizer), repr(lucid.get_state()).encode()]
    with pytest.raises(CheckError, match="target 3 at position 0"):
        step.repeat(np.stack([X] * 3), np.stack([Y, Y + 3, Y]))
    assert [*state(model, optimizer), repr(lucid.get_state()).encode()] == before


def test_a_failed_check_leaves_a_random_state_that_it_has_not_changed(cupy: Any) -> None:
    """The state on the GPU is older where none of the programs there has drawn since."""
    double, take = (lucid.compile(f, target="cuda") for f in (lambda x: F.dropout(x) * 2.0, lambda x, i: x[i]))
    double(X)
    for change in (lambda: lucid.seed(3), lambda: lucid.randn(3), lambda: double(X)):
        change()
        state = lucid.get_state()
        with pytest.raises(CheckError, match="index 9"):
            take(X, np.array([9])).numpy()
        assert lucid.get_state() == state


def test_checks_of_several_programs_are_told_apart(cupy: Any) -> None:
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


def test_results_that_do_not_fit_into_the_memory_of_the_gpu_leave_all_as_it_was(calls: Calls) -> None:
    count = lucid.zeros(())

    @lucid.compile(target="cuda")
    def counted(x: lucid.Tensor) -> lucid.Tensor:
        count.copy_(count + 1.0)
        return x + lucid.zeros(2**20)

    with pytest.raises(AllocationError, match=r"no memory left for a tensor of type f32\[1125899906842624\]\."):
        lucid.compile(lambda: lucid.ones(2**50), target="cuda")()
    counted(np.float32(1.0))
    with pytest.raises(AllocationError, match=r"no memory left for a tensor of type f32\[16777216, 1048576\]\."):
        counted.repeat(np.zeros(2**24, np.float32))
    assert count.to("cpu").item() == 1.0
