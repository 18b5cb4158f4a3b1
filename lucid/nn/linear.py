"""Linear and Bilinear, and the layers that only change shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.nn.arguments import check_positive_integer, check_size
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations.arguments import as_flag, as_integer, as_integers, float_dtype
from lucid.sampling import uniform
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor


class Linear(Module):
    """x @ weight.T + bias: maps (..., in_features) to (..., out_features).

    `weight` of shape (out_features, in_features) and `bias` of shape (out_features,), which is None where the
    argument is False, start uniform between -1/sqrt(in_features) and 1/sqrt(in_features), as in PyTorch. Either number
    of features may be 0: without inputs, the bias starts as zeros.
    """

    weight: Parameter
    bias: Parameter | None

    @all_or_nothing
    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: str | None = None, dtype: object = None
    ) -> None:
        super().__init__()
        self.in_features = check_size("Linear", "in_features", in_features)
        self.out_features = check_size("Linear", "out_features", out_features)
        bias = as_flag("bias", bias)
        bound, dtype = 1.0 / math.sqrt(in_features) if in_features else 0.0, float_dtype("Linear", dtype)
        self.weight = Parameter(uniform(-bound, bound, (out_features, in_features), dtype))
        self.register_parameter("bias", Parameter(uniform(-bound, bound, out_features, dtype)) if bias else None)
        self._place(device)

    def forward(self, input: Tensor | Array) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}{'' if self.bias is not None else ', bias=False'}"


class Bilinear(Module):
    """input1 @ weight[k] @ input2 + bias[k]: maps (..., in1_features) and (..., in2_features) to (..., out_features).

    `weight` of shape (out_features, in1_features, in2_features) and `bias` of shape (out_features,), which is None
    where the argument is False, start uniform between -1/sqrt(in1_features) and 1/sqrt(in1_features), as in PyTorch.
    """

    weight: Parameter
    bias: Parameter | None

    @all_or_nothing
    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        bias = as_flag("bias", bias)
        self.in1_features = check_positive_integer("Bilinear", "in1_features", in1_features)
        self.in2_features = check_positive_integer("Bilinear", "in2_features", in2_features)
        self.out_features = check_size("Bilinear", "out_features", out_features)
        bound, dtype = 1.0 / math.sqrt(in1_features), float_dtype("Bilinear", dtype)
        self.weight = Parameter(uniform(-bound, bound, (out_features, in1_features, in2_features), dtype))
        self.register_parameter("bias", Parameter(uniform(-bound, bound, out_features, dtype)) if bias else None)
        self._place(device)

    def forward(self, input1: Tensor | Array, input2: Tensor | Array) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        bias = "" if self.bias is not None else ", bias=False"
        return f"{self.in1_features}, {self.in2_features}, {self.out_features}{bias}"


class Flatten(Module):
    """Joins the axes from start_dim to end_dim to one; by default all but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = as_integer("Flatten takes an integer as start_dim", start_dim)
        self.end_dim = as_integer("Flatten takes an integer as end_dim", end_dim)

    def forward(self, input: Tensor | Array) -> Tensor:
        return ops.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return "" if (self.start_dim, self.end_dim) == (1, -1) else f"{self.start_dim}, {self.end_dim}"


class Unflatten(Module):
    """Splits an axis into several, of extents `unflattened_size`, one of which may be -1."""

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = as_integer("Unflatten takes an integer as dim", dim)
        self.unflattened_size = as_integers("Unflatten takes sizes that are integers", unflattened_size)

    def forward(self, input: Tensor | Array) -> Tensor:
        return ops.unflatten(input, self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"{self.dim}, {self.unflattened_size}"


class Identity(Module):
    """Returns its input unchanged. Arguments of the constructor are taken, and mean nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def forward(self, input: Tensor | Array) -> Tensor:
        return ops.as_tensor(input)
