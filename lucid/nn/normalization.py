"""Layers that normalize."""

from __future__ import annotations

from collections.abc import Sequence

import lucid.nn.functional as F
from lucid.errors import ArgumentError
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations import ones, zeros
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
    ) -> None:
        super().__init__()
        if not eps >= 0.0:
            raise ArgumentError(f"LayerNorm takes eps of at least 0, got {eps!r}.")
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        affine = elementwise_affine
        self.register_parameter("weight", Parameter(ones(self.normalized_shape)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(self.normalized_shape)) if affine and bias else None)

    def forward(self, x: Tensor | Array) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        shape = self.normalized_shape
        affine = "" if self.elementwise_affine else ", elementwise_affine=False"
        bias = ", bias=False" if self.elementwise_affine and self.bias is None else ""
        return f"{shape[0] if len(shape) == 1 else shape}, eps={self.eps}{affine}{bias}"
