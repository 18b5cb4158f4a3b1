"""Optimizers: 100 steps from the same weights and data, eager and compiled. Schedules are in test_schedules.py."""

import copy
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from tests.optim.cases import CASES
from tests.parity.compare import assert_close, normal, torch
from tests.training import classifying_step

STEPS = 100


def models() -> tuple[nn.Module, Any]:
    """Two models with the same weights, in float64: the paths would part by rounding alone in float32."""
    lucid.seed(0)
    ours = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3, bias=False)).astype("float64")
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3, bias=False)).double()
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return ours, theirs


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    return normal(10, 4, seed=step, dtype="float64"), np.random.default_rng(step).integers(0, 3, 10)


def assert_same_path(
    ours: nn.Module, theirs: Any, our_optimizer: Any, their_optimizer: Any, skip: int = 0, compiled: bool = False
) -> None:
    """Losses and parameters stay equal over the steps. The first `skip` steps freeze the last layer."""

    our_step = classifying_step(ours, our_optimizer)

    step_once = lucid.compile(our_step) if compiled else our_step
    for step in range(STEPS):
        x, y = batch(step)
        if step in (0, skip):
            for layer in (ours[-1], theirs[-1]):
                layer.requires_grad_(step >= skip)
        their_optimizer.zero_grad()
        their_loss = torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
        their_loss.backward()
        their_optimizer.step()
        assert_close(step_once(x, y), their_loss, rtol=1e-6)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(a, b, rtol=1e-6, atol=1e-8)
    if compiled:
        assert len(step_once.programs) == (2 if skip else 1)


@pytest.fixture(autouse=True)
def _muon_has_the_precision_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's rounds to bfloat16 while it makes a matrix orthogonal."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.double().clone())  # it works in place


def optimizers(name: str, options: dict[str, Any], ours: nn.Module, theirs: Any) -> tuple[Any, Any]:
    if name == "Muon":  # which is for matrices
        ours[0].bias.requires_grad_(False)
        theirs[0].bias.requires_grad_(False)
    return (
        getattr(optim, name)([p for p in ours.parameters() if p.requires_grad], **options),
        getattr(torch.optim, name)([p for p in theirs.parameters() if p.requires_grad], **options),
    )


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_trajectory(name: str, options: dict[str, Any], compiled: bool) -> None:
    ours, theirs = models()
    assert_same_path(ours, theirs, *optimizers(name, options, ours, theirs), compiled=compiled)


def first_steps(ours: nn.Module, theirs: Any, our_optimizer: Any, their_optimizer: Any, steps: range) -> None:
    """The same steps of both."""
    our_step = classifying_step(ours, our_optimizer)
    for step in steps:
        x, y = batch(step)
        their_optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        their_optimizer.step()
        our_step(x, y)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(a, b, rtol=1e-6, atol=1e-8)


def with_tensors(state: Any) -> Any:
    """A state_dict with tensors of PyTorch in the place of arrays."""
    if isinstance(state, dict):
        return {key: with_tensors(value) for key, value in state.items()}
    return torch.tensor(state) if isinstance(state, np.ndarray) else state


RESUMED = [(name, options) for name, options in CASES if "dampening" not in options]


@pytest.mark.parametrize(("name", "options"), RESUMED, ids=str)
def test_state_goes_from_one_library_to_the_other(name: str, options: dict[str, Any]) -> None:
    """Each goes on from what the other has saved, and from what the other has saved before its first step."""
    ours, theirs = models()
    our_optimizer, their_optimizer = optimizers(name, options, ours, theirs)
    before = copy.deepcopy(their_optimizer.state_dict())
    first_steps(ours, theirs, our_optimizer, their_optimizer, range(3))
    state, their_state = our_optimizer.state_dict(), their_optimizer.state_dict()
    assert state["state"].keys() == (their_state["state"].keys() if state["state"] else set())
    for number, kinds in state["state"].items():
        kept = {kind for kind, value in their_state["state"][number].items() if value is not None}
        assert kinds.keys() == kept
    new_ours, new_theirs = optimizers(name, options, ours, theirs)
    new_ours.load_state_dict(their_state)
    assert new_ours.param_groups[0].keys() == our_optimizer.param_groups[0].keys()
    new_theirs.load_state_dict({**their_state, "state": with_tensors(state["state"])})
    first_steps(ours, theirs, new_ours, new_theirs, range(3, 6))
    new_ours.load_state_dict(before)
    first_steps(ours, theirs, new_ours, optimizers(name, options, ours, theirs)[1], range(6, 8))


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
def test_each_parameter_counts_its_own_steps(name: str) -> None:
    ours, theirs = models()
    assert_same_path(ours, theirs, *optimizers(name, {}, ours, theirs), skip=7, compiled=True)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_groups(compiled: bool) -> None:
    ours, theirs = models()
    optimizers = [
        library.SGD([{"params": [model[0].weight], "lr": 0.5}, {"params": [model[2].weight]}], lr=0.1, momentum=0.9)
        for library, model in ((optim, ours), (torch.optim, theirs))
    ]
    for optimizer, model in zip(optimizers, (ours, theirs), strict=True):
        optimizer.add_param_group({"params": model[0].bias, "weight_decay": 0.1})
    assert_same_path(ours, theirs, *optimizers, compiled=compiled)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_gradients_add_up_over_calls(compiled: bool) -> None:
    """Four small batches with one step behind them are one large batch."""
    ours, theirs = models()
    our_optimizer, their_optimizer = optim.Adam(ours.parameters()), torch.optim.Adam(theirs.parameters())

    def accumulate(x: np.ndarray, y: np.ndarray) -> None:
        (F.cross_entropy(ours(x), y) / 4).backward()

    def update() -> None:
        our_optimizer.step()
        our_optimizer.zero_grad()

    functions = [lucid.compile(accumulate), lucid.compile(update)] if compiled else [accumulate, update]
    for step in range(5):
        x, y = normal(8, 4, seed=step, dtype="float64"), np.random.default_rng(step).integers(0, 3, 8)
        for i in range(0, 8, 2):
            functions[0](x[i : i + 2], y[i : i + 2])
        functions[1]()
        their_optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        their_optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.grad is None
        assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_muon_is_near_that_of_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = []
    for library in (lucid, torch):
        weight = library.tensor(normal(6, 4), requires_grad=True)
        optimizer = library.optim.Muon([weight], lr=1.0, weight_decay=0.0)
        weight.grad = library.tensor(normal(6, 4, seed=1))
        optimizer.step()
        found.append(weight.detach().numpy())
    np.testing.assert_allclose(*found, atol=0.03)  # of elements that have moved by up to 0.85


@pytest.mark.parametrize("name", ["Rprop", "ASGD"])
def test_a_rate_that_is_set_before_the_first_step_counts(name: str) -> None:
    """Both libraries keep rates in their state, which a schedule such as a warm-up does not reach."""
    found = []
    for library in (lucid, torch):
        weight = library.tensor(normal(4), requires_grad=True)
        optimizer = getattr(library.optim, name)([weight], lr=0.5)
        optimizer.param_groups[0]["lr"] = 0.125
        for _ in range(2):
            weight.grad = library.tensor(normal(4, seed=1))
            optimizer.step()
        found.append(weight.detach().numpy())
    np.testing.assert_allclose(*found, rtol=1e-6)
