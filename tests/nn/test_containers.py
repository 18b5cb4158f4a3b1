"""Sequential and ModuleList."""

import pytest

import lucid.nn as nn
from lucid.errors import ArgumentError


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
    with pytest.raises(IndexError):
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
    with pytest.raises(IndexError):
        model[7] = nn.ReLU()


def test_module_list_registers() -> None:
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    assert [name for name, _ in layers.named_parameters()][:3] == ["0.weight", "0.bias", "1.weight"]
    assert isinstance(layers[:2], nn.ModuleList)
    with pytest.raises(NotImplementedError, match="ModuleList defines no forward"):
        layers([1.0, 2.0])
