"""Weights in files: from PyTorch to Lucid and back, by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid.errors import StateDictError
from tests.parity.compare import assert_close, normal, torch

files = pytest.importorskip("safetensors.torch", reason="safetensors, which lucid.save needs, is not installed")

MODULES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "linear": (lambda nn: nn.Linear(4, 3), (5, 4)),
    "perceptron": (
        lambda nn: nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.0), nn.Linear(8, 2)),
        (5, 4),
    ),
    "nested": (lambda nn: nn.Sequential(nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh()), nn.LayerNorm(4)), (4,)),
}


@pytest.fixture(params=MODULES)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, Any, np.ndarray]:
    """A module of each library, with weights of its own, and an input."""
    make, shape = MODULES[request.param]
    return make(nn), make(torch.nn), normal(*shape)


def test_a_file_of_pytorch_loads_by_name(pair: tuple[nn.Module, Any, np.ndarray], tmp_path: Path) -> None:
    ours, theirs, x = pair
    files.save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    lucid.load(tmp_path / "weights.safetensors", ours)
    for name, tensor in theirs.state_dict().items():
        assert ours.state_dict()[name].tobytes() == tensor.numpy().tobytes()
    assert_close(ours(x), theirs(torch.from_numpy(x)))


def test_a_file_of_lucid_loads_by_name(pair: tuple[nn.Module, Any, np.ndarray], tmp_path: Path) -> None:
    ours, theirs, x = pair
    lucid.save(tmp_path / "weights.safetensors", ours)
    theirs.load_state_dict(files.load_file(tmp_path / "weights.safetensors"), strict=True)
    for name, array in ours.state_dict().items():
        assert array.tobytes() == theirs.state_dict()[name].numpy().tobytes()
    assert_close(ours(x), theirs(torch.from_numpy(x)))


def test_a_part_of_a_run_is_found_under_its_name(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    lucid.save(tmp_path / "run.safetensors", model=model, step=3)
    theirs = torch.nn.Linear(3, 2)
    tensors = files.load_file(tmp_path / "run.safetensors")
    theirs.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    assert theirs.weight.tolist() == model.weight.tolist()


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_precisions(dtype: str, tmp_path: Path) -> None:
    theirs = torch.nn.Linear(3, 2).to(getattr(torch, dtype))
    files.save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    ours = nn.Linear(3, 2)
    lucid.load(tmp_path / "weights.safetensors", ours)
    assert ours.weight.dtype is lucid.float32
    assert ours.weight.tolist() == theirs.weight.to(torch.float32).tolist()


def test_a_file_of_another_module(tmp_path: Path) -> None:
    files.save_file(torch.nn.Linear(4, 2, bias=False).state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(StateDictError, match=r"missing: bias; of another shape: weight \(2, 4\) for \(2, 3\)"):
        lucid.load(tmp_path / "weights.safetensors", nn.Linear(3, 2))
