"""Module: registration, traversal, state, modes, copies and text."""

import copy
import io
import pickle
from pathlib import Path

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import ArgumentError, ModuleError, StateDictError
from lucid.modes import epoch


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.scale = nn.Parameter([2.0, 3.0])
        self.register_buffer("count", Tensor([0.0, 0.0]))
        self.register_buffer("scratch", Tensor([7.0]), persistent=False)
        self.width = 2

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * self.scale


class Tied(nn.Module):
    """Two layers that share a weight, and a layer that stands under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.again = self.first


class TestRegistration:
    def test_names(self) -> None:
        block = Block()
        assert [name for name, _ in block.named_parameters()] == ["scale", "linear.weight", "linear.bias"]
        assert [name for name, _ in block.named_parameters(recurse=False)] == ["scale"]
        assert [name for name, _ in block.named_buffers()] == ["count", "scratch"]
        assert [name for name, _ in block.named_children()] == ["linear"]
        assert list(block.children()) == [block.linear]
        assert [name for name, _ in block.named_modules()] == ["", "linear"]
        assert [name for name, _ in block.named_modules(prefix="model")] == ["model", "model.linear"]
        assert block.scale is dict(block.named_parameters())["scale"]

    def test_what_is_shared_comes_once(self) -> None:
        tied = Tied()
        assert [name for name, _ in tied.named_parameters()] == ["first.weight", "first.bias", "second.bias"]
        assert [name for name, _ in tied.named_modules()] == ["", "first", "second"]
        assert len(list(tied.children())) == 2

    def test_a_shared_parameter_gets_the_gradient_of_both_uses(self) -> None:
        tied = Tied()
        x = np.ones((1, 3), np.float32)
        tied.second(tied.first(x)).backward()
        w, b = tied.first.weight.numpy(), tied.first.bias.numpy()
        inner = x @ w.T + b
        expected = np.ones((3, 1)) @ inner + (w.T @ np.ones((3, 1))) @ x
        np.testing.assert_allclose(tied.first.weight.grad.numpy(), expected, rtol=1e-5)

    def test_a_name_moves_between_kinds(self) -> None:
        block = Block()
        block.scale = None
        assert block.scale is None
        assert "scale" not in dict(block.named_parameters())
        block.linear = nn.Identity()
        block.width = nn.Parameter([1.0])
        assert [name for name, _ in block.named_parameters()] == ["width"]
        del block.width
        assert not hasattr(block, "width")
        block.width = 3
        assert block.width == 3

    def test_deleting(self) -> None:
        block = Block()
        del block.linear, block.scale, block.count, block.width
        assert (list(block.parameters()), list(block.children())) == ([], [])
        with pytest.raises(AttributeError, match="Block has no 'linear'"):
            _ = block.linear
        with pytest.raises(AttributeError):
            del block.linear

    def test_a_tensor_for_a_parameter(self) -> None:
        block = Block()
        with pytest.raises(
            ArgumentError, match=r"Block.scale is a parameter and takes a Parameter or None, got Tensor"
        ):
            block.scale = Tensor([1.0, 1.0])
        with pytest.raises(ArgumentError, match="takes a Module or None, got int"):
            block.linear = 3

    @pytest.mark.parametrize("name", ["", "a.b", "forward", "parameters"])
    def test_names_that_are_taken(self, name: str) -> None:
        with pytest.raises(ArgumentError, match="can't name a module of Block"):
            Block().add_module(name, nn.ReLU())

    def test_wrong_kinds(self) -> None:
        with pytest.raises(ArgumentError, match="Parameter or None, got Tensor"):
            Block().register_parameter("x", Tensor([1.0]))
        with pytest.raises(ArgumentError, match="Module or None, got str"):
            Block().add_module("x", "layer")
        with pytest.raises(ArgumentError, match="leaf tensor or None"):
            Block().register_buffer("x", nn.Parameter([1.0]) * 2.0)

    def test_without_the_constructor_of_the_base(self) -> None:
        class Forgetful(nn.Module):
            def __init__(self) -> None:
                self.width = 3
                self.layer = nn.ReLU()

        with pytest.raises(ModuleError, match=r"Forgetful.layer(.|\n)*super\(\).__init__\(\)"):
            Forgetful()

    def test_without_forward(self) -> None:
        with pytest.raises(NotImplementedError, match="Module defines no forward"):
            nn.Module()(1)

    @pytest.mark.parametrize(
        "change",
        [
            lambda block: setattr(block, "width", 5),
            lambda block: setattr(block, "scale", nn.Parameter([1.0, 1.0])),
            lambda block: setattr(block, "linear", None),
            lambda block: block.add_module("new", nn.ReLU()),
            lambda block: block.register_buffer("new", Tensor([1.0])),
            lambda block: delattr(block, "linear"),
            lambda block: delattr(block, "width"),
            lambda block: block.eval(),
            lambda block: block.requires_grad_(False),
            lambda block: block.astype("float64"),
        ],
    )
    def test_compiled_programs_hear_of_changes(self, change: object) -> None:
        block = Block()
        before = epoch.count
        change(block)
        assert epoch.count > before


class TestBuffers:
    def test_assigning_copies(self) -> None:
        block = Block()
        count = block.count
        block.count = count + 1.0
        block.count += 1.0
        block.count = np.array([5.0, 6.0], np.float32)
        assert block.count is count
        assert count.tolist() == [5.0, 6.0]
        assert "count" not in vars(block)

    def test_a_computed_value_is_cut_off(self) -> None:
        block = Block()
        block.count = block.scale * 2.0
        assert not block.count.requires_grad
        assert block.count.tolist() == [4.0, 6.0]

    def test_the_type_stays(self) -> None:
        block = Block()
        with pytest.raises(ArgumentError, match=r"float32 of shape \(2,\), got float64 of shape \(2,\)"):
            block.count = np.zeros(2)
        with pytest.raises(ArgumentError, match=r"got float32 of shape \(1,\)"):
            block.count = Tensor([1.0])
        with pytest.raises(ArgumentError, match="takes a tensor or None, got float"):
            block.count = 1.0

    def test_none_and_back(self) -> None:
        block = Block()
        block.count = None
        assert "count" not in block.state_dict()
        block.count = Tensor([1.0])
        assert block.state_dict()["count"] == [1.0]


class TestState:
    def test_keys_and_values(self) -> None:
        state = Block().state_dict()
        assert list(state) == ["scale", "count", "linear.weight", "linear.bias"]
        assert all(type(array) is np.ndarray for array in state.values())

    def test_shared_values_have_every_name(self) -> None:
        assert list(Tied().state_dict()) == [
            *("first.weight", "first.bias"),
            *("second.weight", "second.bias"),
            *("again.weight", "again.bias"),
        ]

    def test_a_copy_that_training_leaves_alone(self) -> None:
        block = Block()
        state = block.state_dict()
        with lucid.no_grad():
            block.scale += 1.0
        assert state["scale"].tolist() == [2.0, 3.0]

    def test_round_trip_through_a_file(self) -> None:
        block, other = Block(), Block()
        file = io.BytesIO()
        np.savez(file, **block.state_dict())
        file.seek(0)
        identities = [id(p) for p in other.parameters()]
        assert other.load_state_dict(np.load(file)) == ([], [])
        assert [id(p) for p in other.parameters()] == identities
        x = np.ones((1, 3), np.float32)
        assert block(x).tolist() == other(x).tolist()

    def test_values_may_be_tensors_of_another_float(self) -> None:
        block = Block()
        block.load_state_dict({**block.state_dict(), "scale": Tensor(np.array([8.0, 9.0]))})
        assert block.scale.tolist() == [8.0, 9.0]
        assert str(block.scale.dtype) == "float32"

    def test_everything_that_is_wrong_is_listed_and_nothing_written(self) -> None:
        block = Block()
        before = block.state_dict()
        state = {
            "scale": np.zeros(2),
            "count": np.zeros(3),
            "linear.weight": np.zeros((2, 2)),
            "head.bias": np.zeros(1),
        }
        with pytest.raises(StateDictError) as caught:
            block.load_state_dict(state)
        message = str(caught.value)
        assert "missing: linear.bias" in message
        assert "unexpected: head.bias" in message
        assert "of another shape: count (3,) for (2,), linear.weight (2, 2) for (2, 3)" in message
        assert all((block.state_dict()[name] == array).all() for name, array in before.items())

    def test_not_strict(self) -> None:
        block = Block()
        missing, unexpected = block.load_state_dict({"scale": np.zeros(2), "extra": np.zeros(1)}, strict=False)
        assert (missing, unexpected) == (["count", "linear.weight", "linear.bias"], ["extra"])
        assert block.scale.tolist() == [0.0, 0.0]
        with pytest.raises(StateDictError, match="of another shape"):
            block.load_state_dict({"scale": np.zeros(3)}, strict=False)


class TestWholeModule:
    def test_train_and_eval(self) -> None:
        model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
        assert model.eval() is model
        assert not any(module.training for module in model.modules())
        assert model.train()[1][0].training
        with pytest.raises(ArgumentError, match="True or False"):
            model.train(1)

    def test_apply_goes_children_first(self) -> None:
        model, seen = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())), []
        assert model.apply(seen.append) is model
        assert seen == [model[0], model[1][0], model[1], model]

    def test_zero_grad_and_requires_grad(self) -> None:
        block = Block()
        block(np.ones((1, 3), np.float32)).backward()
        assert all(p.grad is not None for p in block.parameters())
        block.zero_grad()
        assert all(p.grad is None for p in block.parameters())
        block.requires_grad_(False)
        assert not block(np.ones((1, 3), np.float32)).requires_grad

    def test_astype(self) -> None:
        tied = Tied().astype("float64")
        assert {str(p.dtype) for p in tied.parameters()} == {"float64"}
        assert tied.first.weight is tied.second.weight
        assert isinstance(tied.first.weight, nn.Parameter)
        assert str(tied.first(np.ones((1, 3))).dtype) == "float64"
        block = Block()
        block.register_buffer("index", Tensor([1]))
        block.scale.requires_grad = False
        block.astype("float64")
        assert (str(block.count.dtype), str(block.index.dtype)) == ("float64", "int64")
        assert not block.scale.requires_grad
        assert "scratch" not in block.state_dict()

    def test_deepcopy(self) -> None:
        tied = Tied()
        twin = copy.deepcopy(tied)
        assert twin.first.weight is twin.second.weight
        assert twin.again is twin.first
        assert twin.first.weight is not tied.first.weight
        with lucid.no_grad():
            twin.first.weight.fill_(0.0)
        assert tied.first.weight.numpy().any()
        x = np.ones((1, 3), np.float32)
        assert twin.first(x).tolist() == [tied.first.bias.tolist()]

    def test_pickling_is_refused(self) -> None:
        with pytest.raises(TypeError, match="state_dict"):
            pickle.dumps(Block())


class TestText:
    def test_a_leaf(self) -> None:
        assert repr(nn.Linear(3, 2, bias=False)) == "Linear(3, 2, bias=False)"
        assert repr(nn.ReLU()) == "ReLU()"
        assert repr(nn.Softmax(1)) == "Softmax(dim=1)"
        assert repr(nn.GELU("tanh")) == "GELU(approximate='tanh')"
        assert repr(nn.LayerNorm(4)) == "LayerNorm(4, eps=1e-05)"
        assert repr(nn.LayerNorm((2, 4), bias=False)) == "LayerNorm((2, 4), eps=1e-05, bias=False)"
        assert repr(nn.Flatten(0, 1)) == "Flatten(0, 1)"

    def test_a_tree(self) -> None:
        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2))
                self.head = nn.Linear(2, 1)

            def extra_repr(self) -> str:
                return "depth=2"

        assert repr(Model()) == (
            "Model(\n"
            "  depth=2\n"
            "  (body): Sequential(\n"
            "    (0): Linear(2, 2)\n"
            "    (1): Dropout(p=0.2)\n"
            "  )\n"
            "  (head): Linear(2, 1)\n"
            ")"
        )


class TestErrors:
    """They name the module by its path, both shapes, and the user's line."""

    def test_shape(self) -> None:
        model = nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Linear(64, 128))])
        wrapper = Wrapper(model)
        with pytest.raises(ValueError, match=r"in layers.0.1: Linear\(64, 128\): ") as caught:
            wrapper(np.zeros((5, 32), np.float32))
        message = str(caught.value)
        assert "weight of shape (128, 64)" in message
        assert "got (5, 32)" in message
        assert f"{Path(__file__).name}:" in message
        assert "return self.layers[0](x)" in message

    def test_dtype(self) -> None:
        with pytest.raises(
            TypeError, match=r'in Linear\(4, 2\): .* takes float32 inputs, got float64(.|\n)*x\.astype\("float32"\)'
        ):
            nn.Linear(4, 2)(np.zeros((1, 4)))

    def test_the_path_is_left_after_an_error(self) -> None:
        model = nn.Sequential(nn.Linear(4, 2))
        for _ in range(2):
            with pytest.raises(ValueError, match=r"^in 0: Linear\(4, 2\)"):
                model(np.zeros((1, 3), np.float32))
        with pytest.raises(ValueError, match=r"^a linear layer"):
            F.linear(np.zeros((1, 3), np.float32), model[0].weight)


class Wrapper(nn.Module):
    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x)
