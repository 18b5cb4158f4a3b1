"""The cache of programs: what it holds, when it warns, and audits of what it cannot notice."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.compiler
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import RecompileWarning, Tensor
from lucid.audit import configured
from lucid.errors import AuditError, TraceWarning
from tests.compile.changes import ONE, value

SCALE = 2.0


def test_a_storm_of_compilations_warns_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = lucid.compile(lambda x: x * SCALE)
    for number in range(7):
        monkeypatch.setitem(globals(), "SCALE", float(number))
        fast(Tensor(ONE))
    monkeypatch.setitem(globals(), "SCALE", 7.0)
    with pytest.warns(RecompileWarning) as caught:
        fast(Tensor(ONE))
    sentence, hint = str(caught[0].message).splitlines()
    assert sentence.endswith("has been compiled 8 times; the last time because SCALE was 6.0, is 7.0.")
    assert hint == (
        "  hint: pass what changes from call to call as a float or a tensor, by itself or in a dict, list or tuple."
    )


def test_a_storm_of_shapes_is_told_to_pad() -> None:
    fast = lucid.compile(lambda x: x * SCALE)
    for length in range(3, 10):
        fast(lucid.ones(length))
    with pytest.warns(RecompileWarning) as caught:
        fast(lucid.ones(10))
    sentence, hint = str(caught[0].message).splitlines()
    assert sentence.endswith("has been compiled 8 times; the last time because x was f32[9], is f32[10].")
    assert hint == "  hint: each shape has a program: pad to few of them; for batches, DataLoader(..., drop_last=True)."


def test_a_storm_of_numbers_is_told_to_pass_floats() -> None:
    fast = lucid.compile(lambda x, n: x * n)
    for number in range(7):
        fast(Tensor(ONE), number)
    with pytest.warns(RecompileWarning, match="hint: pass what changes from call to call as a float"):
        fast(Tensor(ONE), 7)


def test_the_least_recently_used_program_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucid.compiler, "MAX_PROGRAMS", 3)
    fast = lucid.compile(lambda x, n: x * n)
    first = fast.lower(Tensor(ONE), 0)
    for number in range(1, 6):
        value(fast, number)
        assert value(fast, 0) == 0.0
        assert len(fast.programs) <= 3
        assert first in fast.programs


def test_lower_is_the_program_that_a_call_uses() -> None:
    weight = Tensor([1.0], requires_grad=True)
    fast = lucid.compile(lambda x: x * weight)
    program = fast.lower(Tensor([2.0]))
    fast(Tensor([3.0]))
    assert fast.programs == (program,)
    assert program.signature == "f32[1]"


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * float(np.random.rand()),
        lambda x: x * np.random.rand(1).astype(np.float32),
        lambda x: x * Tensor(np.random.rand(1).astype(np.float32)),
        lambda x: x * random.random(),
    ],
)
@pytest.mark.filterwarnings("ignore::lucid.errors.TraceWarning")  # where no thread of another test is left
def test_an_audit_finds_what_is_not_guarded(function: Callable[[Tensor], Tensor]) -> None:
    fast = lucid.compile(function)
    fast(Tensor(ONE))
    fast(Tensor(ONE))
    with lucid.audit(), pytest.raises(AuditError, match="when it is traced again"):
        fast(Tensor(ONE))


def test_an_audit_of_a_function_that_is_guarded_changes_nothing() -> None:
    def run(audited: bool) -> tuple[Any, ...]:
        lucid.seed(3)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        table = np.ones(4, np.float32)

        @lucid.compile
        def step(x: np.ndarray[Any, Any], scale: float) -> Tensor:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x * scale * table * np.ones(4, np.float32)), np.zeros((2, 1), np.float32))
            loss.backward()
            optimizer.step()
            return loss

        losses = []
        for number in range(4):
            x = np.full((2, 4), number, np.float32)
            if audited:
                with lucid.audit(every=2):
                    losses.append(step(x, float(number)).item())
            else:
                losses.append(step(x, float(number)).item())
        return losses, model.state_dict()["0.weight"].tolist(), lucid.get_state(), len(step.programs)

    assert run(True) == run(False)


def test_an_audit_every_nth_call() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TraceWarning)
        fast = lucid.compile(lambda x: x * float(np.random.rand()))
        fast.lower(Tensor(ONE))
    with lucid.audit(every=3):
        fast(Tensor(ONE))
        fast(Tensor(ONE))
        with pytest.raises(AuditError):
            fast(Tensor(ONE))


def test_how_often_the_environment_has_calls_audited() -> None:
    assert [configured(text) for text in ("", "0", "1", "100")] == [[], [], [1], [100]]
    with pytest.warns(RuntimeWarning, match="LUCID_AUDIT takes a number of calls, got 'x'; each call is audited"):
        assert configured("x") == [1]
