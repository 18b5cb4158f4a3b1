"""Whole trainings on the target "cuda", whose kernels the simulator runs: at each step the bits are the CPU target's.

That goes for the loss, every parameter, buffer and gradient, the optimizer's state and rate, the masks of Dropout and
the random state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.codegen.cuda.simulator.library import build
from lucid.compiler import compile
from lucid.optim import lr_scheduler
from tests.codegen import fake_cupy
from tests.codegen.cuda_programs import optimizers
from tests.codegen.fake_cupy import Calls
from tests.examples import load

Batches = Callable[[np.random.Generator], tuple[Any, ...]]


@dataclass
class Training:
    """A model, what its loss is for a batch, how batches are drawn, and what changes it."""

    model: nn.Module
    loss: Callable[..., lucid.Tensor]
    batch: Batches
    optimizer: optim.Optimizer
    scheduler: Any


def bits(training: Training, loss: lucid.Tensor) -> str:
    """A digest of all that a training is made of, and of the loss of its last step."""
    model, optimizer = training.model, training.optimizer
    masks = [module.mask for module in model.modules() if isinstance(module, DROPOUTS)]
    gradients = [parameter.grad for parameter in model.parameters()]
    tensors = [loss, *dict(model.named_tensors()).values(), *gradients, *optimizer.state.values(), *masks]
    assert all(tensor is not None for tensor in tensors)
    rates = [group["lr"] for group in optimizer.param_groups]
    words = [*(tensor.numpy().tobytes() for tensor in tensors), repr((rates, lucid.get_state())).encode()]
    return hashlib.sha256(b"".join(words)).hexdigest()


DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout)


def trajectory(make: Callable[[], Training], target: str, steps: int) -> list[str]:
    """The bits after each step of a training from its beginning."""
    lucid.seed(11)
    training, generator = make(), np.random.default_rng(5)

    @lucid.compile(target=target)
    def step(*batch: Any) -> lucid.Tensor:
        training.optimizer.zero_grad()
        loss = training.loss(training.model, *batch)
        loss.backward()
        training.optimizer.step()
        return loss

    found = []
    for _ in range(steps):
        loss = step(*training.batch(generator))
        training.scheduler.step()
        found.append(bits(training, loss))
    assert len(step.programs) == 1
    assert len(set(found)) == steps
    return found


# Models.


def trained_by(model: nn.Module, loss: Callable[..., lucid.Tensor], batch: Batches) -> Training:
    """A training by AdamW, whose rate follows a cosine."""
    optimizer = optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    return Training(model, loss, batch, optimizer, lr_scheduler.CosineAnnealingLR(optimizer, 60))


def classified(model: nn.Module, x: Any, y: Any) -> lucid.Tensor:
    return F.cross_entropy(model(x), y)


def labelled(*shape: int, classes: int = 3) -> Batches:
    """Batches of normal numbers, with classes."""
    return lambda generator: (generator.standard_normal(shape).astype("f"), generator.integers(0, classes, shape[0]))


def perceptron() -> Training:
    model = nn.Sequential(nn.Linear(6, 9), nn.GELU(), nn.Dropout(0.3), nn.Linear(9, 5), nn.AlphaDropout(0.1))
    return trained_by(model, classified, labelled(5, 6))


def convolutional() -> Training:
    model = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.2), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.GroupNorm(2, 6), nn.SiLU(), nn.Flatten(), nn.Linear(6, 3)),
    )
    return trained_by(model, classified, labelled(4, 2, 6, 6))


class Reader(nn.Module):
    """Classes of sequences of tokens, by a recurrent net or by attention."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.embedding, self.body = nn.Embedding(7, 8), body
        self.dropout, self.head = nn.Dropout(0.2), nn.Linear(8, 3)

    def forward(self, tokens: Any) -> lucid.Tensor:
        hidden = self.body(self.embedding(tokens))
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.head(self.dropout(hidden).mean(1))


def tokens(generator: np.random.Generator) -> tuple[Any, ...]:
    return generator.integers(0, 7, (3, 5)), generator.integers(0, 3, 3)


def recurrent() -> Training:
    return trained_by(Reader(nn.LSTM(8, 8, num_layers=2, dropout=0.3, batch_first=True)), classified, tokens)


def attention() -> Training:
    return trained_by(Reader(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.2, batch_first=True)), classified, tokens)


@pytest.mark.parametrize("make", [perceptron, convolutional, recurrent, attention], ids=lambda make: make.__name__)
def test_models_train_the_same(make: Callable[[], Training], calls: Calls) -> None:
    assert trajectory(make, "cuda", 200) == trajectory(make, "cpu", 200)


def test_a_round_less_of_the_random_generator_shows(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def faulty(text: str, functions: Sequence[str]) -> bytes:
        assert "round < 10" in text
        return build(text.replace("round < 10", "round < 9"), functions)

    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path))  # where nobody else finds it
    monkeypatch.setattr(fake_cupy, "build", faulty)
    assert trajectory(perceptron, "cuda", 1) != trajectory(perceptron, "cpu", 1)


# Optimizers.


def schedulers() -> list[Callable[[optim.Optimizer], Any]]:
    return [
        lambda optimizer: lr_scheduler.StepLR(optimizer, 40, gamma=0.5),
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 60),
        lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.99),
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=400, cycle_momentum=False),
    ]


def optimized(name: str) -> Callable[[], Training]:
    """A perceptron that an optimizer trains."""

    def make() -> Training:
        model = nn.Sequential(nn.Linear(6, 9, bias=name != "Muon"), nn.Tanh(), nn.Dropout(0.3), nn.Linear(9, 3, False))
        keywords = {"momentum": 0.9, "nesterov": True} if name == "SGD" else {}
        optimizer = getattr(optim, name)(model.parameters(), lr=0.01, **keywords)
        kinds = schedulers()
        scheduler = kinds[sorted(optimizers()).index(name) % len(kinds)](optimizer)
        return Training(model, classified, labelled(5, 6), optimizer, scheduler)

    return make


@pytest.mark.parametrize("name", sorted(optimizers()))
def test_optimizers_train_the_same(name: str, calls: Calls) -> None:
    assert trajectory(optimized(name), "cuda", 200) == trajectory(optimized(name), "cpu", 200)


# Examples: how each is trained, at its sizes. The digits are trained to the end.


def dropped_out(it: Any) -> Any:
    """Two more runs of the smallest model, whose results stand for losses."""
    results = [result for _ in range(2) for result in it.run("again", it.compiled, it.model.dropout)]
    return SimpleNamespace(losses=[number for result in results for number in result.numpy().flat], model=it.model)


def swung_up(it: Any) -> Any:
    """Two steps of the environment behind the random ones, each with its updates, which are one repeat."""
    lucid.seed(it.SEED)
    agent = it.Agent()
    with mock.patch.object(it, "Agent", return_value=agent):
        it.train(it.WARM_UP + 2)
    networks = nn.ModuleList([agent.policy, agent.critics, agent.targets])
    return SimpleNamespace(losses=[agent.log_temperature.item()], model=networks)


EXAMPLES: dict[str, Callable[[Any], Any]] = {
    "01_train_digits": lambda it: it.train(list(it.batches(*it.load_splits()[::2], it.EPOCHS)), compiled=True),
    "02_linear_dropout": dropped_out,
    "03_cnn": lambda it: it.train(it.load_digits(), epochs=3),
    "04_lstm_adding": lambda it: it.train(25, it.LENGTH),
    "05_autoencoder_digits": lambda it: it.train(it.load_splits()[0], epochs=10),
    "06_character_gpt": lambda it: it.train(it.python_help(), 3),
    "07_droq_pendulum": swung_up,
}

BACKWARD_LATER = {"02_linear_dropout"}  # outside of what is compiled, where the target "cuda" has none


def trained_example(name: str, target: str) -> list[bytes]:
    """The losses of an example's training, and its model in the end."""
    with mock.patch.dict(compile.__kwdefaults__, target=target):
        run = EXAMPLES[name](load(name))
    masks = [module.mask for module in run.model.modules() if isinstance(module, DROPOUTS)]
    gradients = [parameter.grad for parameter in run.model.parameters() if parameter.grad is not None]
    tensors = [*dict(run.model.named_tensors()).values(), *gradients, *masks]
    return [np.array(run.losses).tobytes(), *(tensor.numpy().tobytes() for tensor in tensors)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_train_the_same(name: str, calls: Calls) -> None:
    target = "cuda-sim" if name in BACKWARD_LATER else "cuda"
    assert trained_example(name, target) == trained_example(name, "cpu")
