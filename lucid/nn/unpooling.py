"""Layers that put what max pools have chosen back, and max pools of random windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.nn.functional.fractional_pooling import Ratio, check_output
from lucid.nn.functional.windows import Size, each_axis
from lucid.nn.module import Module
from lucid.tensor import Array, Tensor


class _MaxUnpool(Module):
    """The base of layers that put the elements of max pools where their indices say."""

    axes: ClassVar[int]
    unpool: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = each_axis(name, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else each_axis(name, "stride", stride, self.axes)
        self.padding = each_axis(name, "padding", padding, self.axes, at_least=0)

    def forward(
        self, input: Tensor | Array, indices: Tensor | Array, output_size: Sequence[int] | None = None
    ) -> Tensor:
        return type(self).unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Zeros with the elements of inputs (N, C, L), or (C, L), where their indices say: see
    `lucid.nn.functional.max_unpool1d`."""

    axes = 1
    unpool = F.max_unpool1d


class MaxUnpool2d(_MaxUnpool):
    """Zeros with the elements of inputs (N, C, H, W), or (C, H, W), where their indices say: see
    `lucid.nn.functional.max_unpool1d`."""

    axes = 2
    unpool = F.max_unpool2d


class MaxUnpool3d(_MaxUnpool):
    """Zeros with the elements of inputs (N, C, D, H, W), or (C, D, H, W), where their indices say: see
    `lucid.nn.functional.max_unpool1d`."""

    axes = 3
    unpool = F.max_unpool3d


class _FractionalMaxPool(Module):
    """The base of layers that take the largest element of each of some windows spread at random."""

    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Tensor | tuple[Tensor, Tensor]]]
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: Ratio | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | Array | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = each_axis(name, "kernel_size", kernel_size, self.axes)
        self.output_size, self.output_ratio = check_output(name, self.axes, output_size, output_ratio)
        self.return_indices = return_indices
        samples = None if _random_samples is None else ops.as_tensor(_random_samples)
        self.register_buffer("_random_samples", samples)

    def forward(self, input: Tensor | Array) -> Tensor | tuple[Tensor, Tensor]:
        sizes = self.output_size, self.output_ratio
        return type(self).pool(input, self.kernel_size, *sizes, self.return_indices, self._random_samples)

    def extra_repr(self) -> str:
        size = f"output_size={self.output_size}" if self.output_size else f"output_ratio={self.output_ratio}"
        return f"kernel_size={self.kernel_size}, {size}"


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest elements of windows of inputs (N, C, H, W), or (C, H, W), spread at random: see
    `lucid.nn.functional.fractional_max_pool2d`."""

    axes = 2
    pool = F.fractional_max_pool2d


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest elements of windows of inputs (N, C, D, H, W), or (C, D, H, W), spread at random: see
    `lucid.nn.functional.fractional_max_pool2d`."""

    axes = 3
    pool = F.fractional_max_pool3d
