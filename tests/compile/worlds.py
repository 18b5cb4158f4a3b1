"""The same program run twice from the same start, eagerly and compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.compiler import CompiledFunction
from lucid.pytree import flatten

Made = tuple[Callable[..., Any], Sequence[Tensor]]  # a function, and the tensors that it works on
Setup = Callable[[], Made]


def assert_alike(setup: Setup, *calls: tuple[Any, ...], tolerance: float = 1e-5) -> CompiledFunction:
    """Check that a function does the same eagerly and compiled.

    `setup` makes the function and the tensors that it works on, each time from seed 0. After each call the results,
    the tensors, their grads and the random state must agree. Returns the compiled function.
    """
    histories = []
    for wrap in (_eagerly, lucid.compile):
        lucid.seed(0)
        function, tensors = setup()
        called = wrap(function)
        histories.append([_snapshot(called(*call), tensors) for call in calls])
    for number, (eager, compiled) in enumerate(zip(*histories, strict=True)):
        _assert_same(eager, compiled, f"after call {number}", tolerance)
    assert isinstance(called, CompiledFunction)
    return called


def _eagerly(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _snapshot(result: object, tensors: Sequence[Tensor]) -> dict[str, Any]:
    leaves, spec = flatten(result)
    found: dict[str, Any] = {"structure": spec, "random state": lucid.get_state()}
    for number, leaf in enumerate(leaves):
        found[f"result {number}"] = _frozen(leaf)
        found[f"requires_grad of result {number}"] = getattr(leaf, "requires_grad", None)
    for number, tensor in enumerate(tensors):
        name = tensor.name or str(number)
        found[f"tensor {name}"], found[f"grad of {name}"] = _frozen(tensor), _frozen(tensor.grad)
    return found


def _frozen(leaf: object) -> object:
    return leaf.numpy().copy() if isinstance(leaf, Tensor) else leaf


def _assert_same(eager: dict[str, Any], compiled: dict[str, Any], when: str, tolerance: float) -> None:
    assert eager.keys() == compiled.keys()
    for what, expected in eager.items():
        found = compiled[what]
        message = f"{what} {when}"
        assert type(expected) is type(found), message
        if not isinstance(expected, np.ndarray):
            assert expected == found, message
            continue
        assert (expected.dtype, expected.shape) == (found.dtype, found.shape), message
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance, err_msg=message)
        else:
            np.testing.assert_array_equal(found, expected, message)


def assert_same_gradients(program: Callable[[Callable[[Any], Any]], list[Any]], tolerance: float = 1e-5) -> None:
    """Check that a program, which is given `lucid.compile` or what stands in for it, returns the same tensors."""
    results = []
    for wrap in (lambda f: f, lucid.compile):
        lucid.seed(11)
        results.append(program(wrap))
    for number, (eager, compiled) in enumerate(zip(*results, strict=True)):
        assert (eager is None) == (compiled is None), f"result {number}"
        if eager is not None:
            np.testing.assert_allclose(
                np.asarray(compiled), np.asarray(eager), rtol=tolerance, atol=tolerance, err_msg=f"result {number}"
            )


def normal(*shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Random float32 values."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def state_of(model: nn.Module, *optimizers: optim.Optimizer) -> list[Tensor]:
    """Parameters, buffers and what optimizers keep."""
    tensors = [*model.parameters(), *model.buffers()]
    for optimizer in optimizers:
        tensors += optimizer.state.values()
    return tensors


def training_step(model: nn.Module, optimizer: optim.Optimizer) -> Callable[[Any], Tensor]:
    """A step that makes outputs small."""

    def step(x: Any) -> Tensor:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return step
