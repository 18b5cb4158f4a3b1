"""Finding members by name, and changing containers."""

from typing import Any

import pytest

import lucid
import lucid.nn as nn
from lucid.errors import ArgumentError


def test_members_by_dotted_name() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3)))
    inner = model[1]
    assert isinstance(inner, nn.Sequential)
    assert model.get_submodule("") is model
    assert model.get_submodule("1.0") is inner[0]
    assert model.get_parameter("1.0.weight") is inner[0].weight
    assert model.get_buffer("1.0.running_mean") is inner[0].running_mean
    with pytest.raises(ArgumentError, match=r"Sequential has no module '1\.2'\.") as raised:
        model.get_submodule("1.2")
    assert raised.value.hint == "did you mean '1.0'?"
    with pytest.raises(ArgumentError, match=r"Sequential has no parameter '0\.wieght'\.") as raised:
        model.get_parameter("0.wieght")
    assert raised.value.hint == "did you mean '0.weight'?"
    with pytest.raises(ArgumentError, match=r"Sequential has no buffer '1\.0\.weight'\."):
        model.get_buffer("1.0.weight")


def test_what_is_shared_comes_twice_if_asked_for() -> None:
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert [name for name, _ in model.named_modules()] == ["", "0", "1"]
    assert [name for name, _ in model.named_modules(remove_duplicate=False)] == ["", "0", "1", "2"]
    assert [name for name, _ in model.named_modules({layer}, "net")] == ["net", "net.1"]
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    names = [name for name, _ in model.named_parameters("net", remove_duplicate=False)]
    assert names == ["net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]
    assert len(list(model.modules(remove_duplicate=False))) == 4
    norm = nn.BatchNorm1d(2)
    assert len(list(nn.Sequential(norm, norm).named_buffers(remove_duplicate=False))) == 6


def test_a_state_dict_with_a_prefix() -> None:
    first, second = nn.Linear(2, 1), nn.Linear(1, 2)
    state = first.state_dict(prefix="first.")
    assert second.state_dict(destination=state, prefix="second.") is state
    assert list(state) == ["first.weight", "first.bias", "second.weight", "second.bias"]


def test_grads_that_are_set_to_zero() -> None:
    model = nn.Linear(2, 1)
    for clear in (model.zero_grad, lucid.optim.SGD(model.parameters(), 0.1).zero_grad):
        model.zero_grad()
        clear(set_to_none=False)
        assert model.weight.grad is None
        model(lucid.ones(3, 2)).sum().backward()
        clear(set_to_none=False)
        assert model.weight.grad is not None
        assert model.weight.grad.tolist() == [[0.0, 0.0]]
        clear()
        assert model.weight.grad is None


def kinds(container: Any) -> list[str]:
    names = [name for name, _ in container.named_modules(remove_duplicate=False)]
    assert names[1:] == [str(number) for number in range(len(container))]
    return [type(module).__name__ for module in container]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_lists_of_modules(kind: Any) -> None:
    made = kind(nn.ReLU(), nn.Tanh()) if kind is nn.Sequential else kind([nn.ReLU(), nn.Tanh()])
    assert kinds(made.insert(1, nn.Mish())) == ["ReLU", "Mish", "Tanh"]
    assert kinds(made.insert(-1, nn.GELU())) == ["ReLU", "Mish", "GELU", "Tanh"]
    assert type(made.pop(1)).__name__ == "Mish"
    assert kinds(made) == ["ReLU", "GELU", "Tanh"]
    del made[0]
    assert kinds(made) == ["GELU", "Tanh"]
    assert kinds(made.extend(made)) == ["GELU", "Tanh", "GELU", "Tanh"]
    del made[::2]
    assert kinds(made) == ["Tanh", "Tanh"]
    assert kinds(made.append(nn.ReLU())) == ["Tanh", "Tanh", "ReLU"]
    with pytest.raises(IndexError):
        made.pop(7)
    assert kinds(kind()) == []


def test_a_compiled_step_notices_a_changed_list() -> None:
    model = nn.Sequential(nn.ReLU())
    step = lucid.compile(lambda x: model(x))
    x = lucid.Tensor([-1.0, 4.0])
    assert step(x).tolist() == [0.0, 4.0]
    model.insert(0, nn.Hardtanh(-3.0, 3.0))
    assert step(x).tolist() == [0.0, 3.0]
    model.pop(1)
    assert step(x).tolist() == [-1.0, 3.0]


def test_dicts_of_modules() -> None:
    held = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
    assert type(held.pop("a")).__name__ == "ReLU"
    assert list(held) == ["b"]
    with pytest.raises(KeyError):
        held.pop("a")
    held.clear()
    assert len(held) == 0
    assert len(nn.ModuleDict()) == 0


def test_lists_and_dicts_of_parameters() -> None:
    parameters = nn.ParameterList([lucid.ones(1), lucid.ones(2), lucid.ones(3)])
    assert parameters.pop(0).shape == (1,)
    assert [(name, p.shape) for name, p in parameters.named_parameters()] == [("0", (2,)), ("1", (3,))]
    assert parameters.pop().shape == (3,)
    assert len(parameters) == 1
    assert len(nn.ParameterList()) == len(nn.ParameterDict()) == 0
    named = nn.ParameterDict({"a": lucid.ones(1), "b": lucid.ones(2)})
    assert named.setdefault("c", lucid.ones(3)) is named["c"]
    assert named.setdefault("c", lucid.ones(4)).shape == (3,)
    assert named.get("z") is None
    assert named.get("a") is named["a"]
    assert named.popitem()[0] == "c"
    assert named.pop("a").shape == (1,)
    assert list(named) == ["b"]
    named.clear()
    assert list(named) == []


def test_an_identity_takes_anything() -> None:
    x = lucid.ones(2)
    assert nn.Identity(54, unused=True)(x) is x
