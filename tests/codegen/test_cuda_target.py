"""The target "cuda" behind an imitation of CuPy whose kernels run on the simulator: what the launcher does, and when.

No GPU is involved, and nothing here says that one would do the same.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.simulator.memory import Guarded
from lucid.errors import ArgumentError, CheckError
from lucid.pytree import flatten
from tests.codegen import fake_cupy
from tests.codegen.fake_cupy import Calls, Stream, installed
from tests.codegen.simulated import need_compiler
from tests.codegen.trained import X, Y, state, trained
from tests.compile.steps import STEPS, Make

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


def test_what_is_on_the_gpu_can_be_audited_and_looked_at(calls: Calls) -> None:
    weight = lucid.ones(4)
    scale = lucid.compile(lambda x: x * weight, target="cuda")
    x = lucid.Tensor(X).to("cuda")
    with lucid.audit():
        for _ in range(3):
            assert scale(x).tolist() == X.tolist()
    assert weight.device == "cuda"
    *_, result = scale.programs[0].values(x).values()
    assert result.tolist() == X.tolist()


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
    kept = [lucid.Tensor([float(number)] * 3).to("cuda") for number in range(10)]
    for other in (*kept, kept[-1], kept[0]):
        add(other)
    assert (calls.captures, calls.replays) == (2, 5), "the graph of the latest is kept, and that of the first is not"
    assert len(add.programs[0]._compiled.executable._graphs) == 8


class Pooled:
    """Memory of a pool, which gives a block out again where it has been freed."""

    free: ClassVar[dict[int, list[Guarded]]] = {}

    def __init__(self, size: int) -> None:
        self.freed = self.free.setdefault(size, [])
        self.block = self.freed.pop() if self.freed else Guarded(size)
        self.address = self.block.address

    def __del__(self) -> None:
        self.freed.append(self.block)


def test_graphs_are_replayed_where_no_result_is_kept(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CUDA_GRAPHS", "1")
    monkeypatch.setattr(fake_cupy, "Guarded", Pooled)
    monkeypatch.setattr(Pooled, "free", {})
    total = lucid.zeros(())

    @lucid.compile(target="cuda")
    def step(x):
        nonlocal total
        loss = (x * x).sum()
        with lucid.no_grad():
            total += loss
        return loss

    for _ in range(6):
        loss = step(X)
    assert (calls.captures, calls.replays) == (2, 4), "a loss is freed when the name is given to the next one"
    kept = [loss, *(step(X) for _ in range(5))]
    replayed = calls.replays
    kept += [step(X) for _ in range(5)]
    assert calls.replays == replayed
    assert total.item() == pytest.approx(16 * kept[-1].item())


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


def test_a_program_that_is_given_nothing_waits_for_the_stream_before(calls: Calls) -> None:
    count = lucid.zeros(())

    @lucid.compile(target="cuda")
    def add():
        with lucid.no_grad():
            count.copy_(count + 1.0)

    for _ in range(3):
        with Stream():
            add()
    assert count.item() == 3.0


def test_another_gpu_that_is_current_is_noticed(calls: Calls) -> None:
    model, optimizer, step, losses = trained("cuda", steps=1)
    fresh = lucid.compile(lambda: (losses[0].detach() * 2.0).exp().sum(), target="cuda")
    before = state(model, optimizer)
    uses = (
        *(lambda: step(X, Y), lambda: step.repeat(X[None], Y[None]), fresh, losses[0].item),
        *(lambda: lucid.ones(2).to("cuda"), lambda: lucid.as_tensor(losses[0]._array), losses[0].__dlpack__),
    )
    with fake_cupy.Device(1):
        launched = len(calls.launches)
        for use in uses:
            with mock.patch.object(devices.Device, "reserve", pytest.fail), pytest.raises(ArgumentError) as raised:
                use()
            assert raised.value.sentence == (
                "GPU 1 is current in CuPy, and Lucid works on GPU 0, the first that it found current there."
            )
            assert raised.value.hint == (
                "call it inside of `with cupy.cuda.Device(0):`; each thread has a current GPU."
            )
        assert len(calls.launches) == launched
        with fake_cupy.Device(0):
            losses.append(step(X, Y))
    assert fresh().item() == pytest.approx(np.exp(2 * losses[0].item()))
    expected = trained("cpu", steps=2)
    assert [loss.item() for loss in losses] == [loss.item() for loss in expected[3]]
    assert state(model, optimizer) == state(*expected[:2]) != before


def test_lucid_works_on_the_gpu_that_is_current_when_it_is_first_used() -> None:
    need_compiler()
    with fake_cupy.Device(1), installed():
        assert lucid.ones(2).to("cuda")._array.device.id == 1
        with (
            fake_cupy.Device(0),
            pytest.raises(ArgumentError, match="GPU 0 is current in CuPy, and Lucid works on GPU 1"),
        ):
            lucid.ones(2).to("cuda")


def test_an_array_in_pinned_memory_is_copied_before_its_owner_writes_the_next_batch(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The imitation insists that the GPU does not get the array itself."""
    batch = X.copy()
    monkeypatch.setattr(fake_cupy.runtime, "pinned", {batch.ctypes.data})
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    there = lucid.zeros(*X.shape).to("cuda").copy_(batch)
    for x in (batch, lucid.as_tensor(batch), lucid.as_tensor(batch).to("cuda"), there):
        assert double(x).tolist() == (X * 2).tolist()


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


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_ends_a_repeat_behind_a_whole_update(calls: Calls) -> None:
    model, optimizer, step, _ = trained("cuda", steps=1)
    before = per_step = len(calls.launches)
    original = devices.Device.launch

    def interrupted(self: Any, *arguments: Any) -> None:
        if len(calls.launches) == before + per_step + 3:  # in the second of four
            os.kill(os.getpid(), signal.SIGINT)
        original(self, *arguments)

    with mock.patch.object(devices.Device, "launch", interrupted), pytest.raises(KeyboardInterrupt):
        step.repeat(np.stack([X] * 4), np.stack([Y] * 4))
    assert len(calls.launches) == before + 2 * per_step
    now = [*state(model, optimizer), lucid.get_state()]
    expected = trained("cpu", steps=3)
    assert now == [*state(*expected[:2]), lucid.get_state()]


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


def test_a_failed_check_leaves_a_random_state_that_it_has_not_changed(calls: Calls) -> None:
    """The state on the GPU is older where none of the programs there has drawn since."""
    double, take = (lucid.compile(f, target="cuda") for f in (lambda x: F.dropout(x) * 2.0, lambda x, i: x[i]))
    double(X)
    for change in (lambda: lucid.seed(3), lambda: lucid.randn(3), lambda: double(X)):
        change()
        state = lucid.get_state()
        with pytest.raises(CheckError, match="index 9"):
            take(X, np.array([9])).numpy()
        assert lucid.get_state() == state


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
