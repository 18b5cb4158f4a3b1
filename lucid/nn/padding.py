"""Layers that pad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.module import Module
from lucid.operations.arguments import as_integers
from lucid.tensor import Array, Tensor


class _Pad(Module):
    """The base of layers that pad the last axes: one number for all ends, or (before, after) from the last axis on."""

    axes: ClassVar[int]
    mode: ClassVar[str] = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        owner, ends = type(self).__name__, 2 * self.axes
        self.padding = (padding,) * ends if isinstance(padding, int) else as_integers(f"{owner} takes numbers", padding)
        if len(self.padding) != ends:
            raise ArgumentError(f"{owner} takes 1 or {ends} numbers, got padding={padding!r}.")

    def forward(self, input: Tensor | Array) -> Tensor:
        tensor = ops.as_tensor(input)
        if self.mode != "constant" and tensor.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(
                f"{type(self).__name__} takes inputs of {self.axes + 1} or {self.axes + 2} axes, got {tensor.shape}."
            )
        return self.pad(tensor)

    def pad(self, x: Tensor) -> Tensor:
        """The result for an input of the right rank."""
        return F.pad(x, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """The base of layers that pad with one value."""

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def pad(self, x: Tensor) -> Tensor:
        return F.pad(x, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Pads the last axis of inputs of any rank from 1 on with a value."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """Pads the last 2 axes of inputs of any rank from 2 on with a value."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last 3 axes of inputs of any rank from 3 on with a value."""

    axes = 3


class ZeroPad1d(_Pad):
    """Pads the last axis of inputs of any rank from 1 on with zeros."""

    axes = 1


class ZeroPad2d(_Pad):
    """Pads the last 2 axes of inputs of any rank from 2 on with zeros."""

    axes = 2


class ZeroPad3d(_Pad):
    """Pads the last 3 axes of inputs of any rank from 3 on with zeros."""

    axes = 3


class ReflectionPad1d(_Pad):
    """Pads inputs of shape (N, C, L) or (C, L) with their elements, mirrored at the edges."""

    axes = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Pads inputs of shape (N, C, H, W) or (C, H, W) with their elements, mirrored at the edges."""

    axes = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """Pads inputs of shape (N, C, D, H, W) or (C, D, H, W) with their elements, mirrored at the edges."""

    axes = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Pads inputs of shape (N, C, L) or (C, L) with their edges."""

    axes = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Pads inputs of shape (N, C, H, W) or (C, H, W) with their edges."""

    axes = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """Pads inputs of shape (N, C, D, H, W) or (C, D, H, W) with their edges."""

    axes = 3
    mode = "replicate"


class CircularPad1d(_Pad):
    """Pads inputs of shape (N, C, L) or (C, L) with the elements of the other end."""

    axes = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """Pads inputs of shape (N, C, H, W) or (C, H, W) with the elements of the other end."""

    axes = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """Pads inputs of shape (N, C, D, H, W) or (C, D, H, W) with the elements of the other end."""

    axes = 3
    mode = "circular"
