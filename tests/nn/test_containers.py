"""Containers of modules and of parameters."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import ArgumentError, MissingKeyError


def test_sequential_is_a_sequence() -> None:
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]
    model = nn.Sequential(*layers)
    assert len(model) == 3
    assert list(model) == layers
    assert model[0] is layers[0]
    assert model[-1] is layers[2]
    assert isinstance(model[1:], nn.Sequential)
    assert list(model[1:]) == layers[1:]
    assert model[1:][1].weight is layers[2].weight
    with pytest.raises(IndexError, match=r"index 3 is out of range for Sequential of length 3\."):
        model[3]


def test_sequential_applies_in_order() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    assert model([[[1.0, 2.0], [3.0, 4.0]]]).shape == (1, 2)


def test_changing() -> None:
    model = nn.Sequential(nn.ReLU())
    assert model.append(nn.Tanh()) is model
    model.extend([nn.Sigmoid()])
    model[-3] = nn.Identity()
    assert [type(layer).__name__ for layer in model] == ["Identity", "Tanh", "Sigmoid"]
    assert list(model.state_dict()) == []
    with pytest.raises(ArgumentError, match="Sequential holds modules, got str"):
        model.append("relu")
    wrong: dict[Callable[[], Any], str] = {
        lambda: model.__setitem__(7, nn.ReLU()): "index 7 is out of range for Sequential of length 3.",
        lambda: model.__delitem__(-4): "index -4 is out of range for Sequential of length 3.",
        lambda: model.pop(3): "index 3 is out of range for Sequential of length 3.",
        lambda: model["0"]: "Sequential is indexed by integers, got '0'.",  # type: ignore[call-overload]
        lambda: model.insert("0", nn.ReLU()): "insert takes an integer as index, got '0'.",  # type: ignore[arg-type]
        lambda: model[::0]: "a slice takes a step that is not 0.",
        lambda: model.__delitem__(slice(0.5)): "a slice is made of integers, got 0.5.",
    }
    for call, sentence in wrong.items():
        with pytest.raises(ArgumentError) as caught:
            call()
        assert caught.value.sentence == sentence
        assert len(model) == 3


def test_a_sequential_of_a_dict_has_its_names() -> None:
    model = nn.Sequential({"widen": nn.Linear(2, 3), "act": nn.ReLU(), "narrow": nn.Linear(3, 1)})
    assert list(model.state_dict()) == ["widen.weight", "widen.bias", "narrow.weight", "narrow.bias"]
    assert model[1] is model.act
    x = lucid.ones(4, 2)
    step = lucid.compile(lambda x: model(x))
    assert model(x).tolist() == model.narrow(model.act(model.widen(x))).tolist()
    assert np.allclose(step(x), model(x))
    model[-1] = nn.Linear(3, 5)
    assert list(model._modules) == ["widen", "act", "narrow"]
    assert step(x).shape == (4, 5)
    model.append(nn.Tanh())
    assert list(model._modules) == ["widen", "act", "narrow", "3"]
    with pytest.raises(ArgumentError, match="Sequential holds modules, got str"):
        nn.Sequential({"act": "relu"})  # type: ignore[dict-item]


@pytest.mark.parametrize("names", [("a", "b", "c"), ("2", "0", "1"), ("0", "1", "last")])
def test_what_moves_layers_numbers_them(names: tuple[str, ...]) -> None:
    layers = [nn.ReLU(), nn.Tanh(), nn.Sigmoid()]

    def made() -> nn.Sequential:
        return nn.Sequential(dict(zip(names, layers, strict=True)))

    first = nn.Identity()
    model = made().insert(0, first)
    assert list(model._modules.items()) == [*zip("0123", (first, *layers), strict=True)]
    model = made()
    assert model.pop(0) is layers[0]
    assert list(model._modules.items()) == [*zip("01", layers[1:], strict=True)]
    model = made()
    del model[1:]
    assert list(model) == layers[:1]


def test_module_list_registers() -> None:
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    assert [name for name, _ in layers.named_parameters()][:3] == ["0.weight", "0.bias", "1.weight"]
    assert isinstance(layers[:2], nn.ModuleList)
    with pytest.raises(NotImplementedError, match="ModuleList defines no forward"):
        layers([1.0, 2.0])


class TestModuleDict:
    def test_is_a_mapping(self) -> None:
        layers = {"first": nn.Linear(2, 3), "last": nn.ReLU()}
        held = nn.ModuleDict(layers)
        assert list(held) == list(held.keys()) == ["first", "last"]
        assert dict(held.items()) == layers
        assert list(held.values()) == list(layers.values())
        assert held["first"] is layers["first"]
        assert (len(held), "last" in held, "middle" in held) == (2, True, False)
        assert list(held.state_dict()) == ["first.weight", "first.bias"]

    def test_changing(self) -> None:
        held = nn.ModuleDict([("a", nn.ReLU())])
        held["b"] = nn.Tanh()
        held.update({"a": nn.Sigmoid(), "c": nn.GELU()})
        assert [type(module) for module in held.values()] == [nn.Sigmoid, nn.Tanh, nn.GELU]
        del held["b"]
        assert list(held) == ["a", "c"]
        missing: tuple[Callable[[], Any], ...] = (
            lambda: held["b"],
            lambda: held.__delitem__("b"),
            lambda: held.pop("b"),
        )
        for call in missing:
            with pytest.raises(KeyError) as caught:
                call()
            assert isinstance(caught.value, MissingKeyError)
            assert caught.value.sentence == "ModuleDict has no 'b'; it has ['a', 'c']."
            assert str(caught.value).startswith(caught.value.sentence)

    def test_what_is_no_module(self) -> None:
        with pytest.raises(ArgumentError, match="ModuleDict holds modules, got float"):
            nn.ModuleDict({"a": 1.0})
        with pytest.raises(ArgumentError, match="'keys' can't name"):
            nn.ModuleDict({"keys": nn.ReLU()})


class TestParameterList:
    def test_is_a_sequence(self) -> None:
        weight = nn.Parameter([1.0])
        held = nn.ParameterList([weight, lucid.ones(2, 3)])
        assert held[0] is weight
        assert type(held[1]) is nn.Parameter
        assert [parameter.shape for parameter in held] == [(1,), (2, 3)]
        assert list(held.state_dict()) == ["0", "1"]
        assert held.append(Tensor([2.0])) is held
        held[-1] = nn.Parameter([5.0])
        assert (len(held), held[2].tolist(), held[-1].tolist()) == (3, [5.0], [5.0])
        assert list(held[1:]) == list(held)[1:]
        assert repr(held) == "ParameterList(f32[1], f32[2, 3], f32[1])"

    def test_what_is_no_parameter(self) -> None:
        with pytest.raises(ArgumentError, match="ParameterList holds parameters, got ReLU"):
            nn.ParameterList([nn.ReLU()])
        held = nn.ParameterList([lucid.ones(1)])
        wrong: tuple[Callable[[], Any], ...] = (
            lambda: held.__setitem__(1, lucid.ones(1)),
            lambda: held[1],
            lambda: held.pop(1),
        )
        for call in wrong:
            with pytest.raises(IndexError, match=r"index 1 is out of range for ParameterList of length 1\."):
                call()
        with pytest.raises(TypeError, match="ParameterList is indexed by integers, got None"):
            held[None]  # type: ignore[call-overload]


class TestParameterDict:
    def test_is_a_mapping(self) -> None:
        held = nn.ParameterDict({"weight": lucid.ones(2)})
        held["bias"] = nn.Parameter([1.0])
        held.update({"bias": nn.Parameter([2.0])})
        assert list(held) == list(held.keys()) == ["weight", "bias"]
        assert [parameter.tolist() for parameter in held.values()] == [[1.0, 1.0], [2.0]]
        assert [name for name, _ in held.items()] == [name for name, _ in held.named_parameters()]
        assert (len(held), "bias" in held) == (2, True)
        del held["weight"]
        assert list(held.state_dict()) == ["bias"]
        with pytest.raises(KeyError, match=r"ParameterDict has no 'weight'; it has \['bias'\]"):
            del held["weight"]
        with pytest.raises(KeyError, match="popitem takes a ParameterDict that holds something, got an empty one"):
            nn.ParameterDict().popitem()
        with pytest.raises(ArgumentError, match="ParameterDict holds parameters, got int"):
            held["bias"] = 1
        assert repr(held) == "ParameterDict(bias: f32[1])"


class Mixture(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({"one": nn.Linear(3, 3), "two": nn.Tanh()})
        self.scales = nn.ParameterList([lucid.ones(3), lucid.full((3,), 2.0)])
        self.shifts = nn.ParameterDict({"end": lucid.zeros(3)})

    def forward(self, x: Tensor) -> Tensor:
        for branch, scale in zip(self.branches.values(), self.scales, strict=True):
            x = branch(x) * scale
        return x + self.shifts["end"]


def test_compiled_and_copied() -> None:
    model = Mixture()
    twin = copy.deepcopy(model)
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    fast = lucid.compile(twin)
    for call in (model, fast):
        call(x).backward()
    np.testing.assert_allclose(fast(x).numpy(), model(x).numpy(), rtol=1e-5)
    for (name, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(theirs.grad.numpy(), ours.grad.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)
        assert theirs is not ours
    twin.branches["two"] = nn.ReLU()
    twin.scales[0] = nn.Parameter([0.0, 0.0, 0.0])
    assert not fast(x).numpy().any()
