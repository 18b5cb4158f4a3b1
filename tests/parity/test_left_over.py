"""Functions of PyTorch that a script still calls on tensors of Lucid say what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import lucid
from lucid.errors import ArgumentTypeError
from tests.parity.compare import torch

NO_COUNTERPART = "torch.from_numpy(t.numpy()) is one with its elements, without a gradient."


@pytest.mark.parametrize(
    ("call", "name", "hint"),
    [
        (lambda t: torch.exp(t), "exp", "write `lucid.exp`."),
        (lambda t: torch.cat([t, t]), "cat", "write `lucid.concatenate((t, x))`."),
        (lambda t: torch.nn.functional.gelu(t), "gelu", "write `lucid.nn.functional.gelu`."),
        (lambda t: torch.nn.functional.silu(t), "silu", "write `lucid.nn.functional.silu`."),
        (lambda t: torch.nn.Linear(2, 2)(t), "linear", "write `lucid.nn.functional.linear`."),
        (lambda t: torch.ones(2).add(t), "add", "write `lucid.add`."),
        (lambda t: torch.lgamma(t), "lgamma", "write `lucid.lgamma`."),
        (lambda t: torch.linalg.svd(t), "linalg_svd", NO_COUNTERPART),
    ],
)
def test_a_function_of_pytorch_says_what_to_write(call: Callable[[Any], object], name: str, hint: str) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        call(lucid.ones(2))
    sentence = f"PyTorch's {name} takes tensors of PyTorch, got one of Lucid."
    assert (caught.value.sentence, caught.value.hint) == (sentence, hint)
    assert "  test_left_over.py:" in str(caught.value)  # no line of PyTorch's own


def test_operators_and_conversions_are_as_before() -> None:
    t = lucid.ones(2)
    assert isinstance(torch.ones(2) + t, lucid.Tensor)
    assert (torch.ones(2) == t).tolist() == [True, True]
    assert torch.as_tensor(t).tolist() == torch.tensor(t).tolist() == [1.0, 1.0]
