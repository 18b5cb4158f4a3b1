"""Dropout and its relatives."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import TraceError
from lucid.modes import current_tracer
from lucid.nn.functional.activation import in_place
from lucid.nn.functional.dropout import feature_mask_shape
from lucid.nn.module import Module
from lucid.operations.arguments import as_flag
from lucid.random import DrawLog, DrawSource
from lucid.tensor import Array, Tensor


class _Dropout(Module):
    """The base of modules that drop with a probability p in training, and pass their input in evaluation.

    `p` may be set anew; it raises ArgumentError where it is not a number from 0 to 1. For `inplace`, see
    `lucid.nn.functional`.
    """

    p: float

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = p
        self.inplace = inplace
        self._draws = DrawLog()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, F.check_probability(value) if name == "p" else value)

    @property
    def mask(self) -> Tensor | None:
        """The 0s and 1s of the latest call in training, eager or compiled; None before it.

        They have the input's shape, or broadcast to it where more than an element is dropped at once. They are drawn
        again from the random stream, so that nothing is stored.
        """
        if current_tracer() is not None:
            raise TraceError(
                "dropout.mask is only known when the compiled step has run.",
                hint="read it after calling the compiled function.",
            )
        mask = self._draws.redraw()
        return None if mask is None else mask.astype("float32")

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        """The shape of the mask for an input."""
        return x.shape

    @abstractmethod
    def drop(self, x: Tensor) -> tuple[Tensor, DrawSource]:
        """The result in training, and where to look the draw of the mask up."""

    def forward(self, input: Tensor | Array) -> Tensor:
        tensor = ops.as_tensor(input)
        shape = self.mask_shape(tensor)
        if not self.training:
            return tensor
        result, source = self.drop(tensor)
        result = in_place(tensor, result, self.inplace)
        self._draws.note(source, self.p, shape)
        return result

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace=True" if self.inplace else f"p={self.p}"


class Dropout(_Dropout):
    """In training, sets each element to 0 with probability p and scales the others by 1 / (1 - p).

    In evaluation the input passes unchanged. The arithmetic is that of `lucid.nn.functional.drop`. `p` may be set
    anew; it raises ArgumentError where it is not a number from 0 to 1.
    """

    def drop(self, x: Tensor) -> tuple[Tensor, DrawSource]:
        return F.drop(x, self.p, self.mask_shape(x))


class Dropout1d(Dropout):
    """Dropout of whole channels of inputs of shape (N, C, L) or (C, L)."""

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        return F.channel_mask_shape(x, "Dropout1d", 1)


class Dropout2d(Dropout):
    """Dropout of whole channels of inputs of shape (N, C, H, W) or (C, H, W)."""

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        return F.channel_mask_shape(x, "Dropout2d", 2)


class Dropout3d(Dropout):
    """Dropout of whole channels of inputs of shape (N, C, D, H, W) or (C, D, H, W)."""

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        return F.channel_mask_shape(x, "Dropout3d", 3)


class AlphaDropout(_Dropout):
    """Dropout behind a SELU, which keeps mean 0 and variance 1; see `lucid.nn.functional.drop_to_alpha`."""

    def drop(self, x: Tensor) -> tuple[Tensor, DrawSource]:
        return F.drop_to_alpha(x, self.p)


class FeatureAlphaDropout(_Dropout):
    """AlphaDropout of whole channels of inputs of shape (N, C, ...)."""

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        return feature_mask_shape(x)

    def drop(self, x: Tensor) -> tuple[Tensor, DrawSource]:
        return F.drop_to_alpha(x, self.p, self.mask_shape(x))


class DropPath(_Dropout):
    """In training, sets whole elements of the first axis to 0 with probability p: stochastic depth.

    Put it at the end of the branch of a residual block. The others are scaled by 1 / (1 - p) if `scale_by_keep`.
    """

    def __init__(self, p: float = 0.0, scale_by_keep: bool = True) -> None:
        super().__init__(p)
        self.scale_by_keep = as_flag("scale_by_keep", scale_by_keep)

    def mask_shape(self, x: Tensor) -> tuple[int, ...]:
        return F.sample_mask_shape(x)

    def drop(self, x: Tensor) -> tuple[Tensor, DrawSource]:
        return F.drop(x, self.p, self.mask_shape(x), self.scale_by_keep)

    def extra_repr(self) -> str:
        return f"p={self.p}" if self.scale_by_keep else f"p={self.p}, scale_by_keep=False"
