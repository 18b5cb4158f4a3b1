"""The programs of the documentation, eager and compiled."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor


class DropoutModel(nn.Module):
    def __init__(self):
        super(DropoutModel, self).__init__()  # noqa: UP008  as documented
        self.linear = nn.Linear(in_features=4, out_features=2)
        self.dropout = nn.Dropout(p=0.5)

    def forward(self, x):
        x = self.linear(x)
        x = self.dropout(x)
        return x  # noqa: RET504  as documented


def dropout_program(compile: Callable[[Any], Any]) -> list[str]:
    lucid.seed(0)
    input_tensor = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    dropout = compile(nn.Dropout(p=0.5))
    output = dropout(input_tensor)
    output.backward()
    return [str(output), str(input_tensor.grad), str(dropout.mask)]


def model_program(compile: Callable[[Any], Any]) -> list[Any]:
    lucid.seed(0)
    module = DropoutModel()
    model = compile(module)
    input_data = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    output = model(input_data)
    text = str(output)
    output.backward()
    return [text, output, input_data.grad, module.linear.weight.grad, module.linear.bias.grad, module.dropout.mask]


def test_the_dropout_program() -> None:
    eager, compiled = dropout_program(lambda module: module), dropout_program(lucid.compile)
    assert eager == compiled
    mask = eval(eager[2])
    numbers = [[2.0 * (i + 1) * kept for i, kept in enumerate(mask[0])]]
    assert eager[0] == f"Tensor({numbers}, grad=None)"
    assert eager[1] == str([[2.0 * kept for kept in mask[0]]])
    assert set(mask[0]) == {0.0, 1.0}


def test_the_model_program() -> None:
    eager, compiled = model_program(lambda module: module), model_program(lucid.compile)
    pattern = r"Tensor\(\[\[-?[\d.e-]+, -?[\d.e-]+\]\], grad=None\)"
    assert re.fullmatch(pattern, eager[0])
    assert re.fullmatch(pattern, compiled[0])
    for ours, theirs in zip(eager[1:], compiled[1:], strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("compile", [lambda module: module, lucid.compile])
def test_evaluation_passes_the_input(compile: Callable[[Any], Any]) -> None:
    dropout = nn.Dropout(0.5)
    call = compile(dropout)
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    dropout.eval()
    state = lucid.get_state()
    assert call(x) is x
    assert dropout.mask is None
    assert lucid.get_state() == state


def test_the_face_of_the_compiler() -> None:
    import lucid.nn.functional as F
    import lucid.optim as optim

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    @lucid.compile
    def train_step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = np.ones((8, 64), np.float32), np.arange(8) % 10
    program = train_step.lower(x, y)
    loss = train_step(x, y)
    assert loss.shape == ()
    assert train_step(x, y).item() < loss.item() + 1.0
    assert train_step.programs == (program,)
    assert "graph" in program.ir()
    assert "grad" in program.ir("traced")
    assert "define" in program.llvm_ir()
    assert program.assembly()
    assert program.signature == "f32[8, 64], i64[8]"
    assert train_step.__name__ == "train_step"
