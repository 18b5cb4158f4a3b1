"""Hooks of modules: what they are given, what they replace, and that compiled functions notice them."""

import copy
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import TraceError

X = np.array([[1.0, -2.0, 3.0]], np.float32)


class Scale(nn.Module):
    def forward(self, x: Tensor, by: float = 1.0) -> Tensor:
        return x * by


def test_what_hooks_are_given_and_their_order() -> None:
    seen: list[Any] = []
    module = Scale()
    module.register_forward_pre_hook(lambda m, args: seen.append(("before", m, args)))
    module.register_forward_pre_hook(lambda m, args, kwargs: seen.append((kwargs,)), prepend=True, with_kwargs=True)
    module.register_forward_hook(lambda m, args, result: seen.append(("after", m, args, result)))
    module.register_forward_hook(lambda m, args, kwargs, result: seen.append(kwargs), prepend=True, with_kwargs=True)
    x = Tensor(X)
    y = module(x, by=2.0)
    assert seen[0] == ({"by": 2.0},)
    assert seen[1][:2] == ("before", module)
    assert seen[1][2][0] is x
    assert seen[2] == {"by": 2.0}
    assert seen[3][:2] == ("after", module)
    assert seen[3][3] is y
    assert len(seen) == 4


@pytest.mark.parametrize("compiled", [False, True])
def test_what_they_return_stands_in(compiled: bool) -> None:
    module = Scale()
    call = lucid.compile(module) if compiled else module
    first = module.register_forward_pre_hook(lambda m, args: (args[0] + 1.0,))
    np.testing.assert_array_equal(call(X).numpy(), X + 1)
    second = module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": 3.0}), with_kwargs=True)
    np.testing.assert_array_equal(call(X).numpy(), (X + 1) * 3)
    third = module.register_forward_hook(lambda m, args, result: result - 1.0)
    np.testing.assert_array_equal(call(X).numpy(), (X + 1) * 3 - 1)
    first.remove()
    first.remove()
    np.testing.assert_array_equal(call(X).numpy(), X * 3 - 1)
    second.remove()
    with third:
        np.testing.assert_array_equal(call(X).numpy(), X - 1)
    np.testing.assert_array_equal(call(X).numpy(), X)


def test_a_compiled_step_runs_hooks_when_it_is_traced(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    step = lucid.compile(lambda x: model(x).sum())
    step(X)
    with model[0].register_forward_hook(lambda m, args, result: print(result.shape)):
        step(X)
        step(X)
    step(X)
    assert capsys.readouterr().out == "(1, 2)\n"


def test_a_hook_of_a_compiled_step_that_keeps_what_it_sees_is_refused() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    seen: dict[str, lucid.Tensor] = {}
    model[0].register_forward_hook(lambda m, args, result: seen.update(first=result))
    with pytest.raises(TraceError, match="the variable seen of a closure changed"):
        lucid.compile(lambda x: model(x).sum())(X)


def test_gradients_go_through_what_stands_in() -> None:
    module = nn.Linear(3, 2)
    module.register_forward_hook(lambda m, args, result: result * 2.0)
    for call in (module, lucid.compile(module)):
        module.zero_grad()
        call(X).sum().backward()
        assert module.bias is not None
        assert module.bias.grad is not None
        assert module.bias.grad.tolist() == [2.0, 2.0]


def test_hooks_that_are_always_called() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("no")

    seen: list[object] = []
    module = Fails()
    module.register_forward_hook(lambda m, args, result: seen.append("never"))
    module.register_forward_hook(lambda m, args, result: seen.append(result), always_call=True)
    with pytest.raises(RuntimeError, match="no"):
        module(X)
    assert seen == [None]


def test_a_copy_has_its_own() -> None:
    module = Scale()
    handle = module.register_forward_hook(lambda m, args, result: result + 1.0)
    twin = copy.deepcopy(module)
    handle.remove()
    assert module(X).tolist() == X.tolist()
    assert twin(X).tolist() == (X + 1).tolist()


def test_features_of_a_layer_are_taken_out() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    features: dict[str, Tensor] = {}

    def note(module: nn.Module, args: tuple[Tensor, ...], result: Tensor) -> None:
        features["hidden"] = result

    model.get_submodule("1").register_forward_hook(note)
    y = model(X)
    assert model[2](features["hidden"]).tolist() == y.tolist()


def test_hooks_that_are_not_there_cost_a_call_nothing() -> None:
    """What Lucid's own classes say of all modules is looked at where a module has changed, not in each call."""
    layer = nn.Linear(2, 1)
    fast = lucid.compile(layer)
    fast(lucid.ones(3, 2))
    (program,) = fast.programs
    assert not any("_hooks" in line for line in program.guards.lines("False"))
    layer.register_forward_hook(lambda module, args, output: output * 2.0)
    np.testing.assert_allclose(fast(lucid.ones(3, 2)).numpy(), layer(lucid.ones(3, 2)).numpy())
    assert len(fast.programs) == 2
