"""Layers that normalize each sample by itself. Those with statistics of batches are in `lucid.nn.batch_norm`."""

from __future__ import annotations

from collections.abc import Sequence

import lucid.nn.functional as F
from lucid.errors import ArgumentError
from lucid.nn.arguments import check_eps, check_positive_integer
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations import ones, zeros
from lucid.operations.arguments import as_flag, as_integers, float_dtype
from lucid.tensor import Array, Tensor


class LayerNorm(Module):
    """Normalizes over the last axes, which have `normalized_shape`; see `lucid.nn.functional.layer_norm`.

    With `elementwise_affine`, the result is multiplied by `weight`, which starts as ones, and, with `bias`, `bias` is
    added, which starts as zeros. Both have `normalized_shape`.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = as_integers(f"{type(self).__name__} takes a shape of integers", normalized_shape)
        self.eps = check_eps("LayerNorm", eps)
        affine, bias = as_flag("elementwise_affine", elementwise_affine), as_flag("bias", bias)
        self.elementwise_affine = affine
        shape, dtype = self.normalized_shape, float_dtype("LayerNorm", dtype)
        self.register_parameter("weight", Parameter(ones(shape, dtype=dtype)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(shape, dtype=dtype)) if affine and bias else None)
        self._place(device)

    def forward(self, input: Tensor | Array) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        shape = self.normalized_shape
        affine = "" if self.elementwise_affine else ", elementwise_affine=False"
        bias = ", bias=False" if self.elementwise_affine and self.bias is None else ""
        return f"{shape[0] if len(shape) == 1 else shape}, eps={self.eps}{affine}{bias}"


class RMSNorm(Module):
    """Divides by the root of the mean square over the last axes, which have `normalized_shape`.

    See `lucid.nn.functional.rms_norm`. With `elementwise_affine`, the result is multiplied by `weight`, which has
    `normalized_shape` and starts as ones.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = as_integers(f"{type(self).__name__} takes a shape of integers", normalized_shape)
        self.eps = None if eps is None else check_eps("RMSNorm", eps)
        self.elementwise_affine = as_flag("elementwise_affine", elementwise_affine)
        weight = ones(self.normalized_shape, dtype=float_dtype("RMSNorm", dtype))
        self.register_parameter("weight", Parameter(weight) if elementwise_affine else None)
        self._place(device)

    def forward(self, x: Tensor | Array) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        shape = self.normalized_shape
        affine = "" if self.elementwise_affine else ", elementwise_affine=False"
        return f"{shape[0] if len(shape) == 1 else shape}, eps={self.eps}{affine}"


class LocalResponseNorm(Module):
    """Divides by a power of the squares of neighbouring channels; see `lucid.nn.functional.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = check_positive_integer("LocalResponseNorm", "size", size)
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor | Array) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class GroupNorm(Module):
    """Normalizes each of `num_groups` groups of channels of inputs (N, C, ...); see `lucid.nn.functional.group_norm`.

    With `affine`, the result is multiplied by `weight`, which starts as ones, and, with `bias`, `bias` is added, which
    starts as zeros. Both have shape (C,).
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = check_positive_integer("GroupNorm", "num_groups", num_groups)
        self.num_channels = check_positive_integer("GroupNorm", "num_channels", num_channels)
        if num_channels % num_groups:
            raise ArgumentError(
                f"GroupNorm takes num_channels in a multiple of num_groups, got {num_channels} and {num_groups}."
            )
        self.eps = check_eps("GroupNorm", eps)
        self.affine, bias = as_flag("affine", affine), as_flag("bias", bias)
        dtype = float_dtype("GroupNorm", dtype)
        self.register_parameter("weight", Parameter(ones(num_channels, dtype=dtype)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_channels, dtype=dtype)) if affine and bias else None)
        self._place(device)

    def forward(self, input: Tensor | Array) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = "" if self.affine else ", affine=False"
        bias = ", bias=False" if self.affine and self.bias is None else ""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}{affine}{bias}"
