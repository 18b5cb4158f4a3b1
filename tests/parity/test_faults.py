"""What is wrong for Lucid is wrong for PyTorch, but for what a table of calls says that PyTorch takes."""

from __future__ import annotations

import pytest

from tests.errors.calls import EVERY
from tests.errors.calls.call import Call, find
from tests.parity.compare import torch

# What PyTorch raises: some errors of its Python code are Python's own.
KINDS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError, ZeroDivisionError, KeyError, AttributeError)
# Most of what modules, optimizers and the like are made with is not looked at before it is used.
LOOKED_AT = ("lucid.", "F.", "Tensor.")
# Of these names PyTorch has something else.
OTHERWISE = {"lucid.compile", "lucid.grad", "lucid.load", "lucid.save", "lucid.scan", "lucid.seed", "F.dropout3d"}
OTHERWISE |= {"nn.Dropout3d()"}  # warns of a rank that it does not take

COMPARED = [call for call in EVERY if call.name.startswith(LOOKED_AT) or call.name.endswith("()")]


def has(call: Call) -> bool:
    """Whether PyTorch has the function."""
    try:
        find(torch, call.name.removesuffix("()"))
    except AttributeError:
        return False
    return call.name not in OTHERWISE


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", filter(has, COMPARED), ids=lambda call: call.name)
def test_pytorch_raises_too(call: Call) -> None:
    call.run(torch)
    for fault in call.faults:
        if not fault.they:
            with pytest.raises(KINDS):
                call.run(torch, fault.replaced)


def test_most_are_compared() -> None:
    assert sum(map(has, COMPARED)) > 400
