"""A trace that draws random numbers of NumPy or of Python warns."""

import io
import random
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
from lucid import nn
from lucid.errors import TraceWarning

X = np.ones(3, np.float32)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No threads but this one, whatever other tests have left behind."""
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread()])


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("draw", "module"),
    [
        (np.random.normal, "numpy.random"),
        (lambda: np.random.randint(10), "numpy.random"),
        (lambda: np.random.shuffle([1, 2, 3]) or 1.0, "numpy.random"),
        (lambda: np.random.seed(0) or 1.0, "numpy.random"),
        (random.random, "random"),
        (lambda: random.choice([1, 2, 3]), "random"),
    ],
)
def test_a_draw_in_a_trace_is_told_of_once_a_program(draw: Callable[[], Any], module: str) -> None:
    def noisy(x: lucid.Tensor) -> lucid.Tensor:
        return x + draw()

    step = lucid.compile(noisy)
    with pytest.warns(TraceWarning) as caught:
        first = step(X)
    assert [str(warning.message) for warning in caught] == [
        f"noisy has drawn from {module} while it was traced: later calls use the same numbers again.\n"
        "  hint: lucid.rand, lucid.randn and the like draw at each call; or pass the numbers as an argument."
    ]
    assert caught[0].filename == __file__
    assert step(X).tolist() == first.tolist()


def test_what_draws_elsewhere_is_not_told_of() -> None:
    stream, own = np.random.default_rng(0), random.Random(0)

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        stream.normal(), own.random()
        return nn.Dropout(0.5)(x) + lucid.randn(3)

    step(X)
    lucid.compile(lambda x: x + 1.0)(np.random.rand(3))
    eager = lucid.Tensor(X) + np.random.normal()
    assert eager.shape == (3,)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("daemon", [True, False])
def test_nothing_is_told_where_another_thread_may_have_drawn(daemon: bool, ends: bool) -> None:
    begun, tracing, drawn, may_end = (threading.Event() for _ in range(4))

    def load_ahead() -> None:
        begun.set()
        tracing.wait()
        np.random.normal()
        drawn.set()
        if not ends:
            may_end.wait()

    thread = threading.Thread(target=load_ahead, daemon=daemon)

    def step(x: lucid.Tensor) -> lucid.Tensor:
        tracing.set()
        drawn.wait()
        if ends:
            thread.join()
        return x + 1.0

    thread.start()
    begun.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lucid.compile(step)(X)
    may_end.set()
    thread.join()


@pytest.mark.parametrize(("draw", "told"), [("np.random.normal()", True), ("np.random.default_rng(0).normal()", False)])
def test_the_first_use_of_numpys_numbers_is_in_a_trace(draw: str, told: bool) -> None:
    code = f"import numpy as np, lucid; lucid.compile(lambda x: x + {draw})(np.ones(3))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("TraceWarning: lambda has drawn from numpy.random" in run.stderr) == told


def test_the_thread_of_a_progress_bar_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm")
    with tqdm.tqdm(total=1, disable=False, file=io.StringIO()) as bar:
        assert bar.monitor is not None
        monkeypatch.setattr(threading, "enumerate", lambda: [threading.current_thread(), bar.monitor])
        with pytest.warns(TraceWarning):
            lucid.compile(lambda x: x + np.random.normal())(X)
        monkeypatch.undo()
