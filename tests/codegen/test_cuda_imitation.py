"""What the launcher of the target "cuda" asks of CuPy, and when, which the imitation notes: launches, waits, streams.
Also what takes two GPUs. No GPU is involved, and nothing here says what one would do."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar
from unittest import mock

import numpy as np
import pytest

import lucid
from lucid.codegen.cuda import device as devices
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.simulator.memory import Guarded
from lucid.errors import AllocationError, ArgumentError
from tests.codegen import fake_arrays, fake_cupy
from tests.codegen.fake_cupy import Calls, Stream, installed
from tests.codegen.foreign import KINDS, Foreign, WithBoth, WithDLPack, WithInterface
from tests.codegen.simulated import need_compiler
from tests.codegen.trained import X, Y, state, trained

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
CUPY = fake_cupy.make()


def test_nobody_waits_before_a_read(calls: Calls) -> None:
    model, _, step, losses = trained("cuda", steps=1)
    launched, mask = len(calls.launches), model[1].mask.numpy()
    losses += [step(X, Y) for _ in range(5)]
    assert (model[1].mask.numpy() != mask).any(), "the mask is redrawn from numbers that the CPU knows"
    assert calls.synchronizations == 0
    assert len(calls.launches) == 6 * launched
    losses[-1].item()
    assert calls.synchronizations > 0


def test_launches_are_those_of_the_plan(calls: Calls) -> None:
    *_, step, _ = trained("cuda", steps=1)
    plan = write_module(step.programs[0].graph()).plan
    expected = [(x.function, x.blocks, (x.threads,)) for x in plan.steps if isinstance(x, Launch)]
    assert calls.launches == expected


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
    monkeypatch.setattr(fake_arrays, "Guarded", Pooled)
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


def test_dlpack_does_not_have_the_cpu_wait(calls: Calls) -> None:
    double = lucid.compile(lambda x: x * 2.0, target="cuda")
    for kind in (WithDLPack, WithBoth):
        double(kind(CUPY, VALUES))
    assert calls.synchronizations == 0
    double(WithInterface(CUPY, VALUES))
    assert calls.synchronizations == 1, "which is what CuPy does"


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_arrays_on_another_gpu_are_refused(kind: type[Foreign] | None, calls: Calls) -> None:
    with fake_cupy.Device(1):
        array = fake_cupy.FakeArray(VALUES) if kind is None else kind(CUPY, VALUES)
    for take in (lucid.as_tensor, lucid.compile(lambda x: x * 2.0, target="cuda")):
        with pytest.raises(ArgumentError) as raised:
            take(array)
        assert raised.value.sentence == (
            "an array is on GPU 1, and Lucid works on GPU 0, the first that it found current in CuPy."
        )
        assert raised.value.hint == ("copy it, for instance with cupy.array(x) inside of `with cupy.cuda.Device(0):`.")


def test_a_consumer_of_dlpack_is_told_to_wait_on_the_stream_that_it_names(calls: Calls) -> None:
    with Stream():
        result = lucid.Tensor(VALUES).to("cuda")
    consumer = Stream()
    assert result.__dlpack__(stream=consumer.ptr).array is result._array
    with consumer:
        consumer.work()


@pytest.mark.slow
def test_what_runs_on_a_gpu_only_runs_where_the_imitation_stands_for_it() -> None:
    need_compiler()
    folder = Path(__file__).parent
    files = [str(folder / f"test_cuda_{name}.py") for name in ("target", "tensors", "exchange")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.codegen.gpu_stand_in", *files]
    run = subprocess.run(command, cwd=folder.parents[1], capture_output=True, text=True, check=False)
    assert re.search(r"^6\d passed, \d+ deselected in", run.stdout, re.MULTILINE), run.stdout


@pytest.mark.parametrize("repeats", [False, True])
def test_wherever_memory_ends_a_call_says_so_and_leaves_all_as_it_was(calls: Calls, repeats: bool) -> None:
    """Each allocation of a first call, and then of a second, fails in its turn."""
    model, optimizer, step, _ = trained("cuda", steps=0)
    lacking = set()

    def now() -> list[object]:
        return [*state(model, optimizer), lucid.get_state()]

    for _ in range(2):
        before = now()
        for failing in itertools.count():
            rooms = itertools.chain(itertools.repeat(True, failing), [False], itertools.repeat(True))
            try:
                with mock.patch.object(fake_arrays, "has_room", lambda size, rooms=rooms: next(rooms)):
                    step.repeat(np.stack([X, X]), np.stack([Y, Y])) if repeats else step(X, Y)
                break
            except AllocationError as error:
                lacking |= set(re.findall(r"^the GPU has no memory left for (a copy|[a-z]+ \w+)", str(error)))
                assert now() == before
        assert now() != before
    assert lacking == {"a tensor", "an array", "the temporaries"} | ({"a copy"} if repeats else set())


def test_the_error_of_what_the_gpu_has_no_memory_for(calls: Calls) -> None:
    columns = fake_cupy.FakeArray(VALUES, order="F")
    with mock.patch.object(fake_arrays, "has_room", return_value=False):
        with pytest.raises(AllocationError) as caught:
            lucid.as_tensor(columns).numpy()
        assert str(caught.value).startswith(
            "the GPU has no memory left for a copy of an array of float32 of shape (2, 3)."
        )
        assert caught.value.hint == "smaller batches take less; nvidia-smi shows what other processes take."
        with pytest.raises(AllocationError, match=r"no memory left for an array of float32 of shape \(2, 3\)\."):
            lucid.Tensor(VALUES).to("cuda")


def test_each_thread_gets_a_context(calls: Calls) -> None:
    *_, step, _ = trained("cuda", steps=1)
    losses: list[float] = []
    thread = threading.Thread(target=lambda: losses.append(step(X, Y).item()))
    thread.start()
    thread.join()
    assert losses == [trained("cpu", steps=2)[3][-1].item()]


def test_scalars_are_copied_where_they_have_changed(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[np.ndarray] = []
    upload = devices.Device.upload

    def noted(device: devices.Device, array: np.ndarray) -> object:
        copied.append(array)
        return upload(device, array)

    states = []
    for target in ("cuda", "cpu"):
        model, optimizer, step, _ = trained(target, steps=1)
        monkeypatch.setattr(devices.Device, "upload", noted)
        for rate in (0.1, 0.05, 0.05):
            optimizer.param_groups[0]["lr"] = rate
            step(X, Y)
        states.append(state(model, optimizer))
    assert len([array for array in copied if array is not X and array is not Y]) == 1, "those of the second step"
    assert states[0] == states[1]
