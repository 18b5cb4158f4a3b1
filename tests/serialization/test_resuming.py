"""Training goes on from a file bit for bit."""

from pathlib import Path
from typing import Any

import pytest

import lucid
import lucid.optim as optim
from lucid import Tensor
from tests.serialization.training import Training

# Optimizers beside Adam, with what gives them most to remember.
OTHERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "AdamW": {"amsgrad": True},
    "RMSprop": {"momentum": 0.9, "centered": True},
    **{kind: {} for kind in ("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adamax", "Lion", "NAdam", "RAdam", "Rprop")},
}


class TestResuming:
    @pytest.mark.parametrize("compiled", [True, False])
    def test_training_goes_on_bit_for_bit(self, path: Path, compiled: bool) -> None:
        training = Training(seed=1, compiled=compiled)
        training.train(10)
        lucid.save(path, **training.parts(), step=10)
        losses = training.train(10)
        expected = training.state()

        resumed = Training(seed=2, compiled=compiled)
        assert resumed.load(path) == {"step": 10}
        assert resumed.train(10) == losses
        assert resumed.state() == expected

    @pytest.mark.parametrize("kind", [*OTHERS])
    def test_each_optimizer_goes_on_bit_for_bit(self, path: Path, kind: str) -> None:
        training = Training(seed=1, kind=kind, **OTHERS[kind])
        training.train(5)
        lucid.save(path, **training.parts())
        losses = training.train(5)

        resumed = Training(seed=2, kind=kind, **OTHERS[kind])
        resumed.load(path)
        assert resumed.train(5) == losses
        assert resumed.state() == training.state()

    def test_programs_that_were_compiled_before_the_load_see_it(self, path: Path) -> None:
        training = Training(seed=1)
        training.train(10)
        lucid.save(path, **training.parts())
        losses = training.train(10)
        expected = training.state()

        training.load(path)
        assert training.train(10) == losses
        assert training.state() == expected
        assert len(training.step.programs) == 1

    def test_parameters_stay_where_they_are(self, path: Path) -> None:
        training = Training(seed=1)
        training.train(1)
        lucid.save(path, **training.parts())
        addresses = [parameter.numpy().ctypes.data for parameter in training.model.parameters()]
        training.load(path)
        training.train(1)
        assert [parameter.numpy().ctypes.data for parameter in training.model.parameters()] == addresses

    def test_a_setting_of_the_file_is_obeyed_by_compiled_steps(self, path: Path) -> None:
        weight = Tensor([1.0], requires_grad=True)
        optimizer = optim.SGD([weight], lr=1.0, maximize=True)
        lucid.save(path, optimizer=optimizer)
        optimizer.param_groups[0].update(maximize=False, lr=0.5)

        @lucid.compile
        def step() -> None:
            optimizer.zero_grad()
            weight.sum().backward()
            optimizer.step()

        step()
        assert weight.tolist() == [0.5]
        lucid.load(path, optimizer=optimizer)
        step()
        assert weight.tolist() == [1.5]

    def test_the_random_state_comes_with_the_optimizer_only(self, path: Path) -> None:
        training = Training(seed=2**63 + 5)
        lucid.save(path, **training.parts())
        state = lucid.get_state()
        lucid.seed(3)
        lucid.load(path)
        lucid.load(path, model=training.model)
        assert lucid.get_state() == (3, 0)
        lucid.load(path, optimizer=training.optimizer)
        assert lucid.get_state() == state
