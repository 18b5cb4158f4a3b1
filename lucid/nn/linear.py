"""Linear, and the layers that only change shapes."""

from __future__ import annotations

import math

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ArgumentError
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.random import uniform
from lucid.tensor import Array, Tensor


class Linear(Module):
    """x @ weight.T + bias: maps (..., in_features) to (..., out_features).

    `weight` of shape (out_features, in_features) and `bias` of shape (out_features,), which is None where the
    argument is False, start uniform between -1/sqrt(in_features) and 1/sqrt(in_features), as in PyTorch.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        for name, value in (("in_features", in_features), ("out_features", out_features)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArgumentError(f"Linear takes a positive integer as {name}, got {value!r}.")
        self.in_features = in_features
        self.out_features = out_features
        bound = 1.0 / math.sqrt(in_features)
        self.weight = Parameter(uniform((out_features, in_features), -bound, bound))
        self.register_parameter("bias", Parameter(uniform((out_features,), -bound, bound)) if bias else None)

    def forward(self, x: Tensor | Array) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}{'' if self.bias is not None else ', bias=False'}"


class Flatten(Module):
    """Joins the axes from start_dim to end_dim to one; by default all but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor | Array) -> Tensor:
        return ops.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return "" if (self.start_dim, self.end_dim) == (1, -1) else f"{self.start_dim}, {self.end_dim}"


class Identity(Module):
    """Returns its input unchanged."""

    def forward(self, x: Tensor | Array) -> Tensor:
        return ops.as_tensor(x)
