"""Arguments and dtypes of layers and losses. Their values are compared with PyTorch's in tests/parity."""

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import ArgumentError, CheckError, DTypeError, LucidError, ShapeError


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(4, 4),
        nn.ReLU(),
        nn.Tanh(),
        nn.Sigmoid(),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.Softmax(),
        nn.LogSoftmax(),
        nn.Flatten(),
        nn.Identity(),
        nn.Dropout(0.3),
        nn.LayerNorm(4),
        nn.RMSNorm(4),
        nn.GroupNorm(2, 4),
        nn.BatchNorm1d(4),
        nn.BatchNorm1d(4, momentum=None),
        nn.AlphaDropout(0.3),
        nn.DropPath(0.3),
        nn.SELU(),
        nn.Softplus(),
        nn.Mish(),
        nn.Hardswish(),
        nn.GLU(),
        nn.PReLU(),
        nn.TransformerEncoderLayer(4, 2, 8),
    ],
    ids=str,
)
def test_float32_stays_float32(layer: nn.Module) -> None:
    x = Tensor(np.ones((2, 4), np.float32), requires_grad=True)
    y = layer(x)
    y.backward()
    assert {str(t.dtype) for t in (y, x.grad, *(p.grad for p in layer.parameters()))} == {"float32"}


def test_losses_stay_float32() -> None:
    logits = Tensor(zeros(2, 3), requires_grad=True)
    for loss in (F.cross_entropy(logits, [0, 1]), F.mse_loss(logits, zeros(2, 3)), F.nll_loss(logits, [0, 1])):
        assert str(loss.dtype) == "float32"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.Linear(-1, 2), ArgumentError, "integer of at least 0 as in_features, got -1"),
        (lambda: nn.Linear(2, 2.0), ArgumentError, "integer of at least 0 as out_features, got 2.0"),
        (lambda: nn.Linear(2, 2)(zeros(2, 3)), ShapeError, r"inputs of shape \(..., 2\), got \(2, 3\)"),
        (lambda: nn.LayerNorm(3)(zeros(2, 4)), ShapeError, r"layer_norm over \(3,\)"),
        (lambda: nn.LayerNorm(3, eps=-1.0), ArgumentError, "eps of at least 0"),
        (lambda: nn.GELU("erf"), ArgumentError, "approximate"),
        (lambda: nn.MSELoss("avg"), ArgumentError, "reduction"),
        (lambda: F.softmax(zeros(2), dim=1), ShapeError, "axis 1 is out of range"),
        (lambda: F.mse_loss(zeros(8, 1), zeros(8)), ShapeError, r"\(8, 1\) and \(8,\)(.|\n)*target.reshape\(8, 1\)"),
        (
            lambda: F.cross_entropy(zeros(4, 3), [0, 1]),
            ShapeError,
            r"targets of shape \(4,\), got int64 of shape \(2,\)",
        ),
        (lambda: F.cross_entropy(zeros(2, 3), zeros(2)), ShapeError, r"got \(2,\)(.|\n)*int64"),
        (lambda: F.nll_loss(zeros(2, 3), zeros(2)), DTypeError, r"takes integer targets, got float32"),
        (lambda: F.cross_entropy(zeros(2, 3), [0, 1], label_smoothing=2.0), ArgumentError, "label_smoothing"),
        (lambda: F.cross_entropy(zeros(2, 3), [0, 1], weight=lucid.ones(2)), ShapeError, "3 classes"),
        (lambda: F.cross_entropy(zeros(2, 3), [0, 1], reduction="max"), ArgumentError, "reduction"),
        (lambda: F.cross_entropy(Tensor(1.0), 0), ShapeError, r"\(N, C, ...\) or \(C,\)"),
        (lambda: nn.utils.clip_grad_norm_([], -1.0), ArgumentError, "max_norm of at least 0"),
    ],
)
def test_wrong_use(call: object, error: type[LucidError], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("target", [3, -1])
def test_a_target_out_of_range(target: int) -> None:
    with pytest.raises(CheckError, match=f"target {target} at position 2 is out of range: expected 0 to 2"):
        F.cross_entropy(zeros(4, 3), [0, 1, target, 2])


def test_small_integer_targets() -> None:
    assert F.cross_entropy(zeros(2, 3), np.array([0, 2], np.uint8)).item() == pytest.approx(np.log(3))


def test_softmax_sums_to_one() -> None:
    assert F.softmax([[1e4, 1e4 - 1.0]]).sum().item() == pytest.approx(1.0)


def test_linear_starts_within_its_bound_and_from_the_seed() -> None:
    lucid.seed(11)
    first = nn.Linear(16, 8)
    lucid.seed(11)
    second = nn.Linear(16, 8)
    assert np.abs(first.weight.numpy()).max() <= 0.25
    assert np.abs(first.bias.numpy()).max() <= 0.25
    assert (first.weight.numpy() == second.weight.numpy()).all()
    assert nn.Linear(16, 8, bias=False).bias is None


class TestClipGradValue:
    def test_elements_are_limited(self) -> None:
        w, unused = Tensor([3.0, -4.0, 0.5], requires_grad=True), Tensor([1.0], requires_grad=True)
        w.grad = before = Tensor([3.0, -4.0, 0.5])
        nn.utils.clip_grad_value_([w, unused], 1.0)
        assert w.grad.tolist() == [1.0, -1.0, 0.5]
        assert (before.tolist(), unused.grad) == ([3.0, -4.0, 0.5], None)

    def test_a_limit_that_changes_needs_no_recompilation(self) -> None:
        w = Tensor([3.0], requires_grad=True)

        def step(limit: float) -> None:
            w.grad = None
            (w * w).sum().backward()
            nn.utils.clip_grad_value_(w, limit)

        fast = lucid.compile(step)
        for limit in (1.0, 2.0, 10.0):
            fast(limit)
            assert w.grad.tolist() == [min(limit, 6.0)]
        assert len(fast.programs) == 1


class TestClipGradNorm:
    def test_grads_are_replaced_not_changed(self) -> None:
        w = Tensor([3.0, 4.0], requires_grad=True)
        w.grad = before = Tensor([3.0, 4.0])
        assert nn.utils.clip_grad_norm_(w, 1.0).item() == 5.0
        np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8], rtol=1e-5)
        assert before.tolist() == [3.0, 4.0]

    def test_short_gradients_stay(self) -> None:
        w = Tensor([3.0], requires_grad=True)
        w.grad = Tensor([0.5])
        nn.utils.clip_grad_norm_([w], 1.0)
        assert w.grad.tolist() == [0.5]

    def test_no_gradients(self) -> None:
        assert nn.utils.clip_grad_norm_([Tensor([1.0], requires_grad=True)], 1.0).item() == 0.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"offsets": [0, 9]},
        {"offsets": [3, 1]},
        {"offsets": [[0]]},
        {"offsets": None},
        {"offsets": [0], "mode": "max", "per_sample_weights": [1.0, 2.0]},
        {"offsets": [0], "padding_idx": 7},
        {"offsets": [0], "include_last_offset": np.array([1, 2])},
    ],
)
def test_a_refused_bag_leaves_the_table_as_it_is(arguments: dict[str, Any]) -> None:
    weight = lucid.full((4, 3), 5.0)
    lists = {key: np.array(value) if isinstance(value, list) else value for key, value in arguments.items()}
    with pytest.raises(LucidError):
        F.embedding_bag(np.array([0, 1]), weight, max_norm=1.0, **lists)
    assert weight.tolist() == [[5.0] * 3] * 4
