"""`device` and `dtype` of constructors, and `bias` of those that normalize."""

from collections.abc import Callable

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid.errors import ArgumentError, CompileError, DTypeError

MAKERS = {
    "Linear": lambda **o: nn.Linear(4, 4, **o),
    "Bilinear": lambda **o: nn.Bilinear(4, 4, 2, **o),
    "PReLU": lambda **o: nn.PReLU(4, **o),
    "LayerNorm": lambda **o: nn.LayerNorm(4, **o),
    "RMSNorm": lambda **o: nn.RMSNorm(4, **o),
    "GroupNorm": lambda **o: nn.GroupNorm(2, 4, **o),
    "BatchNorm1d": lambda **o: nn.BatchNorm1d(4, **o),
    "InstanceNorm1d": lambda **o: nn.InstanceNorm1d(4, affine=True, track_running_stats=True, **o),
    "Conv1d": lambda **o: nn.Conv1d(4, 4, 1, **o),
    "ConvTranspose2d": lambda **o: nn.ConvTranspose2d(4, 4, 1, **o),
    "Embedding": lambda **o: nn.Embedding(4, 4, **o),
    "RNN": lambda **o: nn.RNN(4, 4, 2, **o),
    "LSTM": lambda **o: nn.LSTM(4, 4, **o),
    "GRU": lambda **o: nn.GRU(4, 4, bidirectional=True, **o),
    "RNNCell": lambda **o: nn.RNNCell(4, 4, **o),
    "LSTMCell": lambda **o: nn.LSTMCell(4, 4, **o),
    "GRUCell": lambda **o: nn.GRUCell(4, 4, **o),
    "MultiheadAttention": lambda **o: nn.MultiheadAttention(4, 2, add_bias_kv=True, **o),
    "TransformerEncoderLayer": lambda **o: nn.TransformerEncoderLayer(4, 2, 8, **o),
    "TransformerDecoderLayer": lambda **o: nn.TransformerDecoderLayer(4, 2, 8, **o),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_dtype(make: Callable[..., nn.Module]) -> None:
    for dtype in (None, "float32", lucid.float64, np.float64):
        lucid.seed(0)
        module = make(device="cpu", dtype=dtype)
        expected = "float32" if dtype in (None, "float32") else "float64"
        found = {name: str(tensor.dtype) for name, tensor in module.named_tensors()}
        assert found.pop("num_batches_tracked", "int64") == "int64"
        assert set(found.values()) == {expected}
        lucid.seed(0)
        assert found.keys() <= {name for name, _ in make().named_tensors()}
    with pytest.raises(DTypeError, match=r"takes a dtype of floats, got int64\."):
        make(dtype="int64")


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_device(make: Callable[..., nn.Module]) -> None:
    assert {tensor.device for _, tensor in make(device="cpu").named_tensors()} == {"cpu"}
    with pytest.raises(ArgumentError, match="a device is 'cpu' or 'cuda', got 'tpu'"):
        make(device="tpu")
    try:
        module = make(device="cuda")
    except CompileError:
        return  # there is no GPU
    assert {tensor.device for _, tensor in module.named_tensors()} == {"cuda"}


def test_a_model_of_float64() -> None:
    model = nn.Sequential(nn.Linear(3, 4, dtype="float64"), nn.BatchNorm1d(4, dtype="float64"), nn.ReLU())
    x = np.random.default_rng(0).standard_normal((5, 3))
    y = lucid.compile(model)(x)
    assert y.dtype == lucid.float64
    y.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == lucid.float64 for p in model.parameters())


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: nn.BatchNorm2d(4, bias=False), "track_running_stats=True, bias=False"),
        (lambda: nn.InstanceNorm2d(4, affine=True, bias=False), "track_running_stats=False, bias=False"),
        (lambda: nn.GroupNorm(2, 4, bias=False), "GroupNorm(2, 4, eps=1e-05, bias=False)"),
        (lambda: nn.LayerNorm(4, bias=False), "LayerNorm(4, eps=1e-05, bias=False)"),
    ],
)
def test_norms_without_a_bias(make: Callable[[], nn.Module], shown: str) -> None:
    module = make()
    assert module.bias is None
    assert [name for name, _ in module.named_parameters()] == ["weight"]
    assert shown in repr(module)
