"""Optimizers: arguments, groups, state. Their steps are compared with PyTorch's in tests/parity."""

import copy
import math

import numpy as np
import pytest

import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import ArgumentError, DTypeError, StateDictError
from lucid.modes import epoch

OPTIMIZERS = [
    optim.SGD,
    optim.Adam,
    optim.AdamW,
    optim.Adamax,
    optim.NAdam,
    optim.RAdam,
    optim.RMSprop,
    optim.Adagrad,
    optim.Adadelta,
    optim.Lion,
    optim.Rprop,
    optim.ASGD,
    optim.Adafactor,
]


def leaf(*values: float, dtype: str = "float32") -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def descend(optimizer: optim.Optimizer, w: Tensor, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()


class TestStep:
    @pytest.mark.parametrize("make", OPTIMIZERS)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_in_place_and_without_a_change_of_dtype(self, make: object, dtype: str) -> None:
        w = leaf(1.0, -2.0, dtype=dtype)
        storage = w.numpy()
        optimizer = make([w], lr=0.1)
        descend(optimizer, w, 3)
        assert np.shares_memory(w.numpy(), storage)
        assert (str(w.dtype), w.is_leaf) == (dtype, True)
        assert abs(storage[0]) < 1.0
        assert {str(t.dtype) for t in optimizer.state.values() if t.ndim} <= {dtype}

    def test_a_parameter_without_a_grad_is_skipped(self) -> None:
        used, unused = leaf(1.0), leaf(5.0)
        optimizer = optim.AdamW([used, unused], lr=0.1, weight_decay=0.5)
        descend(optimizer, used, 2)
        assert unused.tolist() == [5.0]
        assert (optimizer.state["step.0"].item(), optimizer.state["step.1"].item()) == (2, 0)

    def test_steps_are_counted_in_a_tensor(self) -> None:
        w = leaf(1.0)
        optimizer = optim.Adam([w])
        step = optimizer.state["step.0"]
        descend(optimizer, w, 3)
        assert step.item() == 3
        assert (str(step.dtype), step.shape, step.name) == ("int64", (), "step.0")

    def test_bias_correction_in_later_steps(self) -> None:
        """1 - beta2^t is 1e-3 t at first: in float32 it would lose digits, and a frozen t would show at once."""
        w = leaf(0.0)
        optimizer = optim.Adam([w], lr=0.1, eps=0.0)
        for _ in range(5):
            w.grad = Tensor([2.0])
            optimizer.step()
        assert w.item() == pytest.approx(-0.5, rel=1e-5)

    def test_hyperparameters_may_change_between_steps(self) -> None:
        w = leaf(1.0)
        optimizer = optim.SGD([w], lr=0.25)
        optimizer.param_groups[0]["lr"] = 0.5
        descend(optimizer, w, 1)
        assert w.tolist() == [0.0]

    @pytest.mark.parametrize(
        ("make", "setting", "kind"),
        [
            (optim.SGD, {"momentum": 0.9}, "momentum_buffer"),
            (optim.RMSprop, {"momentum": 0.9}, "momentum_buffer"),
            (optim.RMSprop, {"centered": True}, "grad_avg"),
            (optim.Adam, {"amsgrad": True}, "max_exp_avg_sq"),
        ],
    )
    def test_what_needs_state_and_came_later(self, make: object, setting: dict[str, object], kind: str) -> None:
        w = leaf(1.0)
        optimizer = make([w], lr=0.1)
        optimizer.param_groups[0].update(setting)
        with pytest.raises(
            ArgumentError, match=f"{make.__name__} has no {kind} for this group, .* without {next(iter(setting))}"
        ):
            descend(optimizer, w, 1)
        assert w.tolist() == [1.0]


class TestArguments:
    @pytest.mark.parametrize(
        ("make", "options", "message"),
        [
            (optim.SGD, {"lr": -1.0}, "SGD takes lr of at least 0, got lr=-1.0"),
            (optim.SGD, {"lr": math.nan}, "got lr=nan"),
            (optim.SGD, {"momentum": -0.1}, "momentum"),
            (optim.SGD, {"weight_decay": -0.1}, "weight_decay"),
            (optim.SGD, {"dampening": math.nan}, "SGD takes dampening other than NaN, got dampening=nan"),
            (optim.SGD, {"nesterov": True}, "nesterov with a momentum"),
            (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "without dampening"),
            (optim.Adam, {"betas": (1.0, 0.9)}, r"Adam takes betas\[0\] from 0 to less than 1, got betas\[0\]=1.0"),
            (optim.Adam, {"betas": (0.9, -1.0)}, r"betas\[1\]"),
            (optim.Adam, {"betas": (0.9,)}, "two betas"),
            (optim.AdamW, {"eps": -1.0}, "AdamW takes eps"),
            (optim.Adamax, {"betas": (0.9, 1.0)}, r"Adamax takes betas\[1\]"),
            (optim.NAdam, {"momentum_decay": -1.0}, "NAdam takes momentum_decay of at least 0"),
            (optim.RAdam, {"betas": (0.9,)}, "RAdam takes two betas"),
            (optim.RMSprop, {"alpha": -1.0}, "RMSprop takes alpha of at least 0"),
            (optim.RMSprop, {"momentum": -1.0}, "RMSprop takes momentum"),
            (optim.Adagrad, {"initial_accumulator_value": -1.0}, "Adagrad takes initial_accumulator_value"),
            (optim.Adadelta, {"rho": 1.5}, "Adadelta takes rho from 0 to 1, got rho=1.5"),
            (optim.Lion, {"lr": -1.0}, "Lion takes lr of at least 0"),
            (optim.Rprop, {"etas": (0.5,)}, "Rprop takes two etas"),
            (optim.Rprop, {"etas": (0.5, "x")}, "Rprop takes numbers as etas, got 'x'"),
            (optim.Rprop, {"etas": (1.2, 0.5)}, r"etas of below and above 1, got etas=\(1.2, 0.5\)"),
            (optim.Rprop, {"step_sizes": (2.0, 1.0)}, r"step_sizes that ascend from 0 on, got step_sizes=\(2.0, 1.0\)"),
            (optim.Rprop, {"step_sizes": (0.0, "x")}, "Rprop takes numbers as step_sizes, got 'x'"),
            (optim.ASGD, {"lambd": -1.0}, "ASGD takes lambd of at least 0"),
            (optim.ASGD, {"alpha": "x"}, "ASGD takes a number as alpha, got 'x'"),
            (optim.ASGD, {"t0": math.nan}, "ASGD takes t0 other than NaN, got t0=nan"),
            (optim.Adafactor, {"beta2_decay": math.nan}, "beta2_decay of at most 0, got beta2_decay=nan"),
            (optim.Adafactor, {"beta2_decay": 0.5}, "beta2_decay of at most 0, got beta2_decay=0.5"),
            (optim.Adafactor, {"beta2_decay": "x"}, "Adafactor takes a number as beta2_decay, got 'x'"),
            (optim.Adafactor, {"d": 0.5}, "Adafactor takes d of at least 1, got d=0.5"),
            (optim.Adafactor, {"d": "x"}, "Adafactor takes a number as d, got 'x'"),
            (optim.Adafactor, {"eps": (-1.0, 0.1)}, r"Adafactor takes eps\[0\] of at least 0"),
            (optim.Adafactor, {"eps": 1e-3}, "Adafactor takes two eps"),
            (optim.Muon, {"ns_coefficients": (1.0, 2.0)}, r"three ns_coefficients, got ns_coefficients=\(1.0, 2.0\)"),
            (optim.Muon, {"ns_coefficients": (1.0, 2.0, "x")}, "Muon takes numbers as ns_coefficients, got 'x'"),
            (
                optim.Muon,
                {"ns_coefficients": (1, 2, math.nan)},
                r"Muon takes finite ns_coefficients, got ns_coefficients=\(1, 2, nan\)",
            ),
            (optim.Muon, {"ns_steps": True}, "Muon takes an integer as ns_steps, got True"),
            (optim.Muon, {"ns_steps": 100}, "Muon takes ns_steps from 0 to 99, got ns_steps=100"),
            (optim.Muon, {"ns_steps": "x"}, "Muon takes an integer as ns_steps, got 'x'"),
            (optim.Muon, {"adjust_lr_fn": "x"}, 'adjust_lr_fn="original" or "match_rms_adamw", got \'x\''),
        ],
    )
    def test_out_of_range(self, make: object, options: dict[str, object], message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            make([leaf(1.0)], **options)
        with pytest.raises(ArgumentError, match=message):
            make([{"params": [leaf(1.0)], **options}])

    def test_no_parameters(self) -> None:
        with pytest.raises(ArgumentError, match="SGD got no parameters"):
            optim.SGD(nn.ReLU().parameters())
        with pytest.raises(ArgumentError, match="a group without parameters"):
            optim.SGD([{"params": []}])

    def test_one_tensor(self) -> None:
        with pytest.raises(ArgumentError, match=r"several parameters, got one Tensor(.|\n)*model.parameters\(\)"):
            optim.SGD(leaf(1.0))

    @pytest.mark.parametrize("given", [leaf(1.0) * 2.0, Tensor([1]), 3.0, "weight"])
    def test_what_is_no_parameter(self, given: object) -> None:
        with pytest.raises((ArgumentError, DTypeError), match="float tensors that are leaves"):
            optim.SGD([given])

    def test_a_parameter_twice(self) -> None:
        w = leaf(1.0)
        with pytest.raises(ArgumentError, match="one parameter twice"):
            optim.SGD([w, w])
        optimizer = optim.SGD([w])
        with pytest.raises(ArgumentError, match="one parameter twice"):
            optimizer.add_param_group({"params": [w]})
        assert len(optimizer.param_groups) == 1

    def test_a_misspelt_hyperparameter(self) -> None:
        with pytest.raises(ArgumentError, match="SGD has no hyperparameter learning_rate"):
            optim.SGD([{"params": [leaf(1.0)], "learning_rate": 0.1}])

    def test_a_shared_parameter_of_a_module_comes_once(self) -> None:
        first, second = nn.Linear(2, 2), nn.Linear(2, 2)
        second.weight = first.weight
        assert len(optim.SGD(nn.Sequential(first, second).parameters()).param_groups[0]["params"]) == 3


class TestGroups:
    def test_defaults_and_numbers(self) -> None:
        optimizer = optim.Adam([{"params": [leaf(1.0)], "lr": 0.5}, {"params": leaf(2.0)}], lr=0.1, betas=[0.5, 0.9])
        assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1]
        assert optimizer.param_groups[0]["betas"] == (0.5, 0.9)
        assert sorted(optimizer.state) == ["exp_avg.0", "exp_avg.1", "exp_avg_sq.0", "exp_avg_sq.1", "step.0", "step.1"]

    def test_adding_one_is_heard_of(self) -> None:
        optimizer = optim.SGD([leaf(1.0)])
        before = epoch.count
        optimizer.add_param_group({"params": [leaf(1.0)]})
        assert epoch.count > before

    def test_state_is_allocated_at_once_and_only_where_needed(self) -> None:
        w = leaf(1.0)
        assert optim.SGD([w]).state == {}
        assert list(optim.SGD([w], momentum=0.9).state) == ["momentum_buffer.0"]
        assert list(optim.SGD([w], momentum=0.9, dampening=0.1).state) == ["momentum_buffer.0", "step.0"]

    def test_repr(self) -> None:
        assert repr(optim.SGD([leaf(1.0)], lr=0.1)) == (
            "SGD(\n"
            "  1 parameter, lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False\n"
            ")"
        )


class TestStateDict:
    def test_resuming_gives_the_same_path(self) -> None:
        w = leaf(1.0, -2.0)
        optimizer = optim.Adam([w], lr=0.1)
        descend(optimizer, w, 3)
        state, weights = optimizer.state_dict(), w.numpy().copy()
        descend(optimizer, w, 3)
        again = Tensor(weights, requires_grad=True)
        resumed = optim.Adam([again], lr=99.0)
        tensors = dict(resumed.state)
        resumed.load_state_dict(copy.deepcopy(state))
        assert all(resumed.state[name] is tensor for name, tensor in tensors.items())
        assert resumed.param_groups[0]["lr"] == 0.1
        assert resumed.param_groups[0]["params"][0] is again
        descend(resumed, again, 3)
        assert again.tolist() == w.tolist()

    def test_is_a_copy_of_plain_values(self) -> None:
        w = leaf(1.0)
        optimizer = optim.Adam([w], lr=0.1)
        state = optimizer.state_dict()
        descend(optimizer, w, 1)
        assert state["state"][0]["step"] == 0
        assert state["param_groups"][0]["params"] == [0]
        assert {type(array) for array in state["state"][0].values()} == {np.ndarray}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s.pop("state"), 'keys "state" and "param_groups"'),
            (lambda s: s["state"][0].pop("exp_avg"), "missing: exp_avg.0"),
            (lambda s: s["state"][0].update(other=np.zeros(1)), "unexpected: other.0"),
            (lambda s: s["state"].update({2: {"step": np.zeros(1)}}), "unexpected: step.2"),
            (lambda s: s["state"].update({"exp_avg.0": np.zeros(2)}), "a dict of dicts, by the numbers of parameters"),
            (lambda s: s["state"][0].update(exp_avg=np.zeros(3)), r"another shape: exp_avg.0 \(3,\) for \(2,\)"),
            (lambda s: s["param_groups"].append(s["param_groups"][0]), "2 parameters, those of the state_dict 2, 2"),
            (lambda s: s["param_groups"][0]["params"].append(7), "have 2 parameters, those of the state_dict 3"),
            (lambda s: s["param_groups"][0].pop("eps"), "a group of Adam has lr, betas, eps"),
        ],
    )
    def test_what_does_not_fit_changes_nothing(self, change: object, message: str) -> None:
        first, second = leaf(1.0, 2.0), leaf(3.0)
        optimizer = optim.Adam([first, second])
        descend(optimizer, first, 1)
        state = optimizer.state_dict()
        state["state"][0]["step"] = np.array(50)
        change(state)
        with pytest.raises(StateDictError, match=message):
            optimizer.load_state_dict(state)
        assert optimizer.state["step.0"].item() == 1

    def test_hyperparameters_are_checked(self) -> None:
        optimizer = optim.SGD([leaf(1.0)])
        state = optimizer.state_dict()
        state["param_groups"][0]["lr"] = -1.0
        with pytest.raises(ArgumentError, match=r"lr=-1\.0"):
            optimizer.load_state_dict(state)
