"""Modules in compiled functions: the same code gives the same values, gradients, masks and state as eagerly."""

import copy

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import TraceError


class RunningMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("mean", lucid.zeros(4))
        self.register_buffer("steps", Tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        if self.training:
            self.mean = self.mean * 0.9 + y.mean(0) * 0.1
            self.steps += 1
        return y - self.mean


def batch(step: int = 0, *shape: int) -> np.ndarray:
    return np.random.default_rng(step).standard_normal(shape or (5, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(4, 3),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.Softmax(1),
        nn.LogSoftmax(0),
        nn.LayerNorm(4),
        nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2), nn.Sigmoid()),
        RunningMean(),
        nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.SELU(), nn.AlphaDropout(0.2)),
        nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, momentum=None), nn.GLU(), nn.DropPath(0.4)),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.2, activation="gelu"), 2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_same_values_gradients_and_state(layer: nn.Module) -> None:
    eager, compiled = copy.deepcopy(layer), copy.deepcopy(layer)
    fast = lucid.compile(compiled)
    for step in range(3):
        pairs = []
        for call in (eager, fast):
            lucid.seed(step)
            x = Tensor(batch(step), requires_grad=True)
            y = call(x)
            y.backward()
            pairs.append((y.detach(), x.grad))
        for ours, theirs in zip(*pairs, strict=True):
            np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=1e-5, atol=1e-5)
    # A bias before a normalization has a gradient of exactly 0: what is compared there is rounding of terms of about 1.
    for (name, ours), theirs in zip(eager.named_parameters(), compiled.parameters(), strict=True):
        np.testing.assert_allclose(theirs.grad.numpy(), ours.grad.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
    for name, array in eager.state_dict().items():
        np.testing.assert_allclose(compiled.state_dict()[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
    assert len(fast.programs) == 1


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "ignore_index": 2}, {"reduction": "sum"}])
def test_a_loss_that_the_step_makes_itself(options: dict[str, object]) -> None:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        return nn.CrossEntropyLoss(**options)(x, y)

    logits, targets = batch(0, 6, 4), np.array([0, 1, 2, 3, 2, 1])
    np.testing.assert_allclose(lucid.compile(loss)(logits, targets).numpy(), loss(logits, targets).numpy(), rtol=1e-5)


def test_masks_are_the_same_and_differ_from_call_to_call() -> None:
    eager, compiled = nn.Dropout(0.5), nn.Dropout(0.5)
    fast, x = lucid.compile(compiled), lucid.ones(64)
    masks = []
    for call in (eager, fast):
        lucid.seed(4)
        masks.append([call(x).tolist() for _ in range(3)])
    assert masks[0] == masks[1]
    assert masks[0][0] != masks[0][1] != masks[0][2]
    assert compiled.mask.tolist() == eager.mask.tolist() == [y / 2.0 for y in masks[0][2]]
    compiled(lucid.ones(3))
    assert compiled.mask.shape == (3,)


def test_what_changes_in_a_module_is_noticed() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    fast, x = lucid.compile(model), batch()
    fast(x)
    model[1].p = 1.0
    assert not fast(x).numpy().any()
    model.eval()
    np.testing.assert_allclose(fast(x).numpy(), model[0](x).numpy(), rtol=1e-5)
    model[0].weight = nn.Parameter(np.zeros((4, 4), np.float32))
    np.testing.assert_allclose(fast(x).numpy(), np.broadcast_to(model[0].bias.numpy(), (5, 4)), rtol=1e-5)
    model[0].bias = None
    assert not fast(x).numpy().any()
    model.append(nn.Softmax(1))
    np.testing.assert_allclose(fast(x).numpy(), 0.25, rtol=1e-6)
    model.astype("float64")
    assert str(fast(x.astype("float64")).dtype) == "float64"


def test_p_as_an_argument_needs_no_recompilation() -> None:
    fast = lucid.compile(lambda x, p: F.dropout(x, p))
    x = lucid.ones(32)
    for p in (0.1, 0.25, 0.75):
        lucid.seed(0)
        found = fast(x, p).tolist()
        lucid.seed(0)
        assert found == F.dropout(x, p).tolist()
    assert len(fast.programs) == 1
    with pytest.raises(ValueError, match=r"p from 0 to 1, got p=1\.5"):
        fast(x, 1.5)


def test_gradients_are_clipped_in_a_step() -> None:
    eager, compiled = nn.Linear(4, 3), nn.Linear(4, 3)
    compiled.load_state_dict(eager.state_dict())

    def step(model: nn.Module, x: Tensor, max_norm: float) -> Tensor:
        model.zero_grad()
        (model(x) * 100.0).sum().backward()
        return nn.utils.clip_grad_norm_(model.parameters(), max_norm)

    fast = lucid.compile(lambda x, max_norm: step(compiled, x, max_norm))
    for max_norm in (1.0, 1e9):
        norm = step(eager, batch(), max_norm)
        np.testing.assert_allclose(fast(batch(), max_norm).numpy(), norm.numpy(), rtol=1e-5)
        for ours, theirs in zip(eager.parameters(), compiled.parameters(), strict=True):
            np.testing.assert_allclose(theirs.grad.numpy(), ours.grad.numpy(), rtol=1e-4)
    assert len(fast.programs) == 1


class Registers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.weight = nn.Parameter([1.0])
        return x


class Forgets(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        del self.layer
        return x


class ReadsMask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(x) * self.dropout.mask


class SwitchesMode(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.eval()
        return x


class MakesALayer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.Linear(4, 4)(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Registers, "Registers.weight was set"),
        (Forgets, "Forgets.layer was deleted"),
        (ReadsMask, "dropout.mask is only known when the compiled step has run"),
        (SwitchesMode, "SwitchesMode.training was set to False"),
        (MakesALayer, "a Parameter can't be made of a tensor while a function is traced"),
    ],
)
def test_what_a_compiled_function_cannot_do(make: type[nn.Module], message: str) -> None:
    module = make()
    before = dict(vars(module)), dict(module.named_modules()), dict(module.named_parameters())
    with pytest.raises(TraceError, match=message):
        lucid.compile(module)(batch())
    assert (dict(vars(module)), dict(module.named_modules()), dict(module.named_parameters())) == before
