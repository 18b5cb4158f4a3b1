"""`step.repeat(xs, ys)` is a loop over the step, without Python between its runs."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn, optim
from lucid.codegen.cpu import target
from lucid.errors import CheckError, CompileError, ShapeError

TIMES, BATCH = 5, 8
generator = np.random.default_rng(0)
XS = generator.normal(size=(TIMES, BATCH, 6)).astype(np.float32)
YS = generator.integers(0, 3, (TIMES, BATCH))


def make() -> tuple[Callable[..., Any], nn.Sequential, optim.Adam]:
    lucid.seed(3)
    model = nn.Sequential(nn.Linear(6, 16), nn.Dropout(0.4), nn.Tanh(), nn.Linear(16, 3))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)

    @lucid.compile
    def step(x: object, y: object) -> dict[str, Any]:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return {"loss": loss, "batch": BATCH}

    return step, model, optimizer


def everything(model: nn.Sequential, optimizer: optim.Adam) -> list[bytes]:
    """The bits of all that a step may change."""
    tensors = [*model.parameters(), *optimizer.state.values()]
    grads = [p.grad.numpy().tobytes() if p.grad is not None else b"" for p in model.parameters()]
    return [t.detach().numpy().tobytes() for t in tensors] + grads + [str(lucid.get_state()).encode()]


def test_it_does_what_a_loop_does_bit_for_bit() -> None:
    step, model, optimizer = make()
    losses = [step(x, y)["loss"].item() for x, y in zip(XS, YS, strict=True)]
    expected, mask = everything(model, optimizer), model[1].mask
    step, model, optimizer = make()
    result = step.repeat(XS, YS)
    assert result["loss"].tolist() == losses
    assert result["batch"] == BATCH
    assert everything(model, optimizer) == expected
    np.testing.assert_array_equal(model[1].mask, mask)


def test_calls_and_repeats_share_a_program() -> None:
    step, _, _ = make()
    step(XS[0], YS[0])
    step.repeat(XS, YS)
    step.repeat(XS[:2], YS[:2])
    assert len(step.programs) == 1


def test_strided_and_foreign_arrays_are_read_in_order() -> None:
    step, model, optimizer = make()
    step.repeat(XS, YS)
    expected = everything(model, optimizer)
    step, model, optimizer = make()
    step.repeat(np.asfortranarray(XS), lucid.Tensor(YS))
    assert everything(model, optimizer) == expected


def test_a_failing_call_undoes_those_before_it() -> None:
    step, model, optimizer = make()
    step(XS[0], YS[0])
    before = everything(model, optimizer)
    bad = YS.copy()
    bad[3, 2] = 7
    for trap in (contextlib.nullcontext(), lucid.debug.trap_nan()):
        with trap, pytest.raises(CheckError, match=r"^in run 3 of repeat, target 7 at position 2 is out of range"):
            step.repeat(XS, bad)
        assert everything(model, optimizer) == before


@pytest.fixture
def _ctrl_c_interrupts() -> Iterator[None]:
    """Also where this process was started in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def act_between(monkeypatch: pytest.MonkeyPatch, done: int, action: Callable[[], object]) -> None:
    """Have pieces of one update each, and an action, such as a signal handler's, when so many are done."""
    times = 0

    def clock() -> float:
        nonlocal times
        times += 1
        if times == 2 * done + 1:  # at the start of a piece
            action()
        return float(times)

    monkeypatch.setattr(target, "time", SimpleNamespace(perf_counter=clock))


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def leave() -> None:
    raise SystemExit


@pytest.mark.usefixtures("_ctrl_c_interrupts")
@pytest.mark.parametrize("done", [0, 2, 4])
@pytest.mark.parametrize(("act", "error"), [(press_ctrl_c, KeyboardInterrupt), (leave, SystemExit)])
def test_an_interrupt_leaves_the_updates_before_it_done(
    act: Callable[[], None], error: type[BaseException], done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, model, optimizer = make()
    before = everything(model, optimizer)
    if done:
        step.repeat(XS[:done], YS[:done])
    expected, mask = everything(model, optimizer), model[1].mask
    step, model, optimizer = make()
    version = model[0].weight._version.count
    act_between(monkeypatch, done, act)
    with pytest.raises(error):
        step.repeat(XS, YS)
    assert everything(model, optimizer) == expected
    assert (expected == before) == (done == 0)
    assert (model[0].weight._version.count == version) == (done == 0)
    np.testing.assert_array_equal(model[1].mask, mask)


def test_a_failed_check_of_a_handler_is_an_interrupt_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    count = lucid.zeros(3)

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        count.copy_(count + 1)
        return x + count

    def fail() -> None:
        raise CheckError("the handler's own")

    act_between(monkeypatch, 2, fail)
    with pytest.raises(CheckError, match=r"^the handler's own"):
        step.repeat(np.zeros((4, 3), np.float32))
    assert count.tolist() == [2.0] * 3


@pytest.mark.parametrize("way", ["call", "repeat", "values"])
def test_a_handler_can_not_call_what_is_repeated(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    xs = np.ones((6, 2), np.float32)

    @lucid.compile
    def step(x: lucid.Tensor, rate: float) -> lucid.Tensor:
        return x * rate

    step(xs[0], 2.0)
    step(xs[0], 2.0)
    ways: dict[str, Callable[[], object]] = {
        "call": lambda: step(xs[0], 0.0),
        "repeat": lambda: step.repeat(xs, 0.0),
        "values": lambda: step.programs[0].values(xs[0], 0.0),
    }

    def call() -> None:
        with pytest.raises(CompileError, match="called again in the middle of a call of it"):
            ways[way]()

    act_between(monkeypatch, 2, call)
    assert step.repeat(xs, 1.0).tolist() == xs.tolist()
    assert step(xs[0], 0.0).tolist() == [0.0, 0.0]


def test_a_handler_may_give_a_captured_tensor_another_array(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = lucid.ones(1000)
    kept: list[Any] = []

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        return x * weight

    def replace() -> None:
        weight._array = np.zeros(1000, np.float32)
        kept.extend(np.full(1000, 7, np.float32) for _ in range(4))  # where the array was, if it is gone

    xs = np.ones((4, 1), np.float32)
    step(xs[0])
    act_between(monkeypatch, 2, replace)
    assert (step.repeat(xs).numpy() == 1).all()


@pytest.mark.usefixtures("_ctrl_c_interrupts")
def test_ctrl_c_ends_a_long_repeat() -> None:
    weight, count = lucid.Tensor(np.full((256, 256), 1 / 256, np.float32)), lucid.zeros((), dtype="int64")

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        count.copy_(count + 1)
        weight.copy_(weight @ weight)
        return x + weight.sum()

    step.repeat(np.zeros((2, 1), np.float32))
    counted, ended = count.numpy(), threading.Event()

    def press_it_when_some_runs_are_done() -> None:
        while counted < 5 and not ended.wait(0.001):
            pass
        if counted >= 5:
            press_ctrl_c()

    presses = threading.Thread(target=press_it_when_some_runs_are_done, daemon=True)
    times = 100_000  # half a minute
    presses.start()
    with pytest.raises(KeyboardInterrupt):
        step.repeat(np.zeros((times, 1), np.float32))
    ended.set()
    presses.join()
    assert 5 <= count.item() < times // 2


def test_a_failing_call_of_arrays_without_elements_is_numbered() -> None:
    table, position = lucid.zeros(3), lucid.zeros((), dtype="int64")

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        position.copy_(position + 1)
        return x * table[position]

    with pytest.raises(CheckError, match=r"^in run 2 of repeat, index 3 is out of range"):
        step.repeat(np.zeros((4, 0), np.float32))
    assert position.item() == 0


def test_a_changed_learning_rate_is_used() -> None:
    step, model, optimizer = make()
    step.repeat(XS, YS)
    optimizer.param_groups[0]["lr"] = 0.0
    before = model[0].weight.detach().numpy().copy()
    step.repeat(XS, YS)
    np.testing.assert_array_equal(model[0].weight.detach().numpy(), before)
    assert len(step.programs) == 1


def test_what_can_not_be_repeated_says_so() -> None:
    step, model, _ = make()
    with pytest.raises(ShapeError, match=r"share a leading axis with elements, got shapes \(5, 8, 6\), \(4, 8\)"):
        step.repeat(XS, YS[:4])
    with pytest.raises(ShapeError, match="got no array"):
        step.repeat(1.0, 2.0)
    with pytest.raises(ShapeError, match="leading axis"):
        step.repeat(XS[:0], YS[:0])
    with pytest.raises(CompileError, match="results need no backward"):
        lucid.compile(model).repeat(XS)

    @lucid.compile
    def accumulate(x: object) -> None:
        model(x).sum().backward()

    refused = r"reads or adds to the `.grad` of an earlier call"
    with pytest.raises(CompileError, match=refused):  # the second of its calls would
        accumulate.repeat(XS)
    assert all(parameter.grad is None for parameter in model.parameters())
    accumulate(XS[0])
    with pytest.raises(CompileError, match=refused):
        accumulate.repeat(XS)


def test_a_step_that_reads_the_last_gradient_is_refused() -> None:
    _, model, optimizer = make()
    weight = model[0].weight

    @lucid.compile
    def reading(x: object, y: object) -> lucid.Tensor:
        before = lucid.zeros() if weight.grad is None else weight.grad.norm()
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        return before

    with pytest.raises(CompileError, match="reads or adds to"):
        reading.repeat(XS, YS)


def test_gradients_that_are_cleared_at_the_end_do_not_go_on() -> None:
    def run(repeats: bool) -> list[float]:
        _, model, optimizer = make()

        @lucid.compile
        def step(x: object, y: object) -> lucid.Tensor:
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss.detach()

        losses = step.repeat(XS, YS).tolist() if repeats else [step(x, y).item() for x, y in zip(XS, YS, strict=True)]
        return [float(loss) for loss in losses]

    assert run(repeats=True) == run(repeats=False)
