"""Defects that a review has found, each as it was found."""

import signal
import weakref
from collections import deque
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import Tensor, nn
from lucid.errors import ArgumentError, CompileError, TraceError

COUNT = 1.0
X = np.ones(4, np.float32)


def test_a_dropped_result_is_not_seen_again_by_a_weak_reference() -> None:
    f = lucid.compile(lambda x: x * 2.0)
    y = f(X)
    watched = weakref.ref(y)
    del y
    held = [f(X * n) for n in range(4)]
    assert watched() is None or all(watched() is not other for other in held)


def test_the_shape_and_the_flags_of_an_array_are_the_callers_own() -> None:
    f = lucid.compile(lambda x: x * 2.0)
    for _ in range(3):
        array = f(np.ones((2, 3), np.float32)).numpy()
        array.shape = (3, 2)
        array.flags.writeable = False
        del array
    assert f(np.ones((2, 3), np.float32)).shape == (2, 3)
    f(np.ones((2, 3), np.float32)).numpy()[0] = 1


def test_a_call_in_the_middle_of_a_call_is_refused() -> None:
    f = lucid.compile(lambda x: (x * 2.0).sum())
    f(X)
    program = f.programs[0]
    executable, errors = program._compiled.executable, []
    run = executable.run

    def interrupted(table: int) -> None:
        with pytest.raises(CompileError, match="in the middle of a call") as caught:
            f(X)
        errors.append(caught)
        run(table)

    executable.run = interrupted  # type: ignore[method-assign]
    assert f(X).item() == 8.0
    executable.run = run  # type: ignore[method-assign]
    assert len(errors) == 1
    assert f(X * 2).item() == 16.0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_a_signal_handler_that_calls_the_same_function_breaks_nothing() -> None:
    f = lucid.compile(lambda x: (x * 2.0).sum())
    f(X)
    refused, ended = 0, False

    def handler(*_: Any) -> None:
        nonlocal refused
        try:
            assert f(X * 3).item() == 24.0
        except CompileError:
            refused += 1
        if not ended:  # a timer that went off after the handler was put back would end the process
            signal.setitimer(signal.ITIMER_REAL, 0.0005)  # armed anew, so that no handler interrupts another

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    try:
        for n in range(20_000):
            assert f(X * (n % 7)).item() == 8.0 * (n % 7)
    finally:
        ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Held(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pair = (1.0, [2.0])
        self.queue = deque([3.0])

    def forward(self, x: Tensor) -> Tensor:
        return x * self.pair[1][0] + self.queue[0]


def test_what_a_tuple_or_a_deque_holds_is_guarded() -> None:
    model = Held()
    fast = lucid.compile(model)
    assert fast(X).tolist() == [5.0] * 4
    model.pair[1][0] = 10.0
    assert fast(X).tolist() == [13.0] * 4
    model.queue[0] = 1.0
    assert fast(X).tolist() == [11.0] * 4


def test_a_global_that_the_function_changes_is_refused() -> None:
    def f(x: Tensor) -> Tensor:
        global COUNT
        y = x * COUNT
        COUNT += 1.0
        return y

    with pytest.raises(TraceError, match="the global COUNT changed while the function was traced"):
        lucid.compile(f)(X)


def test_a_swallowed_refusal_is_raised_at_the_end() -> None:
    def f(x: Tensor) -> Tensor:
        try:
            positive = bool((x > 0).all())
        except Exception:
            positive = False
        return x if positive else x * 7.0

    with pytest.raises(TraceError, match=r"bool\(\) needs the value of a tensor"):
        lucid.compile(f)(X)


def test_an_array_that_numpy_made_is_no_result() -> None:
    with pytest.raises(TraceError, match="returned a NumPy array"):
        lucid.compile(lambda x: {"x": x, "n": np.arange(3)})(X)


def test_arguments_that_are_containers_stay_as_they_are() -> None:
    def f(d: dict[str, Any]) -> Any:
        d["z"] = d["a"] * 2.0
        return d["a"]

    with pytest.raises(TraceError, match="changed a list or dict that is its argument"):
        lucid.compile(f)({"a": X})


def test_printing_inside_a_trace_shows_no_elements(capsys: pytest.CaptureFixture[str]) -> None:
    w = Tensor([1.0])
    lucid.compile(lambda x: print(x, repr(w), f"{w}", sep="\n") or x * w)(X)  # type: ignore[func-returns-value]
    how = "lucid.debug.print shows it at each call"
    traced = [f"Tensor(<f32[4], traced: {how}>)", "Tensor(<f32[1], traced>)", f"Tensor(<f32[1], traced: {how}>)"]
    assert capsys.readouterr().out.splitlines() == traced


def test_methods_keep_their_object() -> None:
    class Trainer:
        scale = 2.0

        @lucid.compile
        def step(self, x: Tensor) -> Tensor:
            return (x * self.scale).sum()

    trainer = Trainer()
    assert trainer.step(X).item() == 8.0
    assert trainer.step.lower(X) is trainer.step.programs[0]
    assert trainer.step.repeat(np.ones((3, 4), np.float32)).tolist() == [8.0] * 3


def test_compiled_modules_are_containers_and_no_children() -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    fast = lucid.compile(inner)
    assert fast[0] is inner[0]
    assert len(fast) == 2
    assert list(fast) == list(inner)
    outer = nn.Module()
    with pytest.raises(ArgumentError, match="which wraps a module"):
        outer.child = fast


def test_a_module_gets_tensors_for_arrays_in_both_modes() -> None:
    class Spread(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.var(0)

    model = Spread()
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(model(x).numpy(), lucid.compile(model)(x).numpy(), rtol=1e-5)


def test_a_minimum_gives_its_gradient_to_the_smaller() -> None:
    x, y = Tensor([1.0, 2.0, 3.0], requires_grad=True), Tensor([3.0, 2.0, 1.0], requires_grad=True)
    x.minimum(y).backward()
    assert x.grad is not None
    assert y.grad is not None
    assert (x.grad.tolist(), y.grad.tolist()) == ([1.0, 0.5, 0.0], [0.0, 0.5, 1.0])
    z = Tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
    z.clip(-0.7, 0.6).backward()
    assert z.grad is not None
    assert z.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_one_element_formats_like_a_number() -> None:
    assert f"{Tensor(2.5):.3f} {Tensor([1.0, 2.0])}" == "2.500 [1.0, 2.0]"
