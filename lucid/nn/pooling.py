"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import lucid.nn.functional as F
from lucid.nn.functional.windows import Size, each_axis
from lucid.nn.module import Module
from lucid.tensor import Array, Tensor

Lengths = int | None | Sequence[int | None]


def _kept(value: Any) -> Any:
    """An argument as an attribute: a sequence as a tuple."""
    return tuple(value) if isinstance(value, Sequence) else value


class _MaxPool(Module):
    """The base of layers that take the largest element of each window."""

    pool: ClassVar[Callable[..., Tensor | tuple[Tensor, Tensor]]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding, self.dilation = map(_kept, (kernel_size, padding, dilation))
        self.stride = self.kernel_size if stride is None else _kept(stride)
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor | Array) -> Tensor | tuple[Tensor, Tensor]:
        geometry = self.kernel_size, self.stride, self.padding, self.dilation
        return type(self).pool(input, *geometry, self.ceil_mode, self.return_indices)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of inputs (N, C, L), or (C, L): see `lucid.nn.functional.max_pool1d`."""

    pool = F.max_pool1d


class MaxPool2d(_MaxPool):
    """The largest element of each window of inputs (N, C, H, W), or (C, H, W): see
    `lucid.nn.functional.max_pool1d`."""

    pool = F.max_pool2d


class MaxPool3d(_MaxPool):
    """The largest element of each window of inputs (N, C, D, H, W), or (C, D, H, W): see
    `lucid.nn.functional.max_pool1d`."""

    pool = F.max_pool3d


class AvgPool1d(Module):
    """The mean of each window of inputs (N, C, L), or (C, L): see `lucid.nn.functional.avg_pool1d`."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = each_axis("AvgPool1d", "kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else each_axis("AvgPool1d", "stride", stride, 1)
        self.padding = each_axis("AvgPool1d", "padding", padding, 1, at_least=0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor | Array) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    """The base of layers that take the mean of each window, of two or three axes."""

    pool: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.padding = _kept(kernel_size), _kept(padding)
        self.stride = self.kernel_size if stride is None else _kept(stride)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor | Array) -> Tensor:
        geometry = self.kernel_size, self.stride, self.padding
        return type(self).pool(input, *geometry, self.ceil_mode, self.count_include_pad, self.divisor_override)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of inputs (N, C, H, W), or (C, H, W): see `lucid.nn.functional.avg_pool2d`."""

    pool = F.avg_pool2d


class AvgPool3d(_AvgPool):
    """The mean of each window of inputs (N, C, D, H, W), or (C, D, H, W): see `lucid.nn.functional.avg_pool2d`."""

    pool = F.avg_pool3d


class _AdaptivePool(Module):
    """The base of layers whose windows follow from the length of their result."""

    pool: ClassVar[Callable[..., Tensor | tuple[Tensor, Tensor]]]

    def __init__(self, output_size: Lengths) -> None:
        super().__init__()
        self.output_size = _kept(output_size)

    def forward(self, input: Tensor | Array) -> Tensor | tuple[Tensor, Tensor]:
        return type(self).pool(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of windows that cover inputs (N, C, L), or (C, L): see `lucid.nn.functional.adaptive_avg_pool1d`."""

    pool = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of windows that cover inputs (N, C, H, W), or (C, H, W): see
    `lucid.nn.functional.adaptive_avg_pool1d`."""

    pool = F.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptivePool):
    """The means of windows that cover inputs (N, C, D, H, W), or (C, D, H, W): see
    `lucid.nn.functional.adaptive_avg_pool1d`."""

    pool = F.adaptive_avg_pool3d


class _AdaptiveMaxPool(_AdaptivePool):
    """The base of layers that give the largest elements, and with `return_indices` their positions in their channel."""

    def __init__(self, output_size: Lengths, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor | Array) -> Tensor | tuple[Tensor, Tensor]:
        return type(self).pool(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of windows that cover inputs (N, C, L), or (C, L): see
    `lucid.nn.functional.adaptive_max_pool1d`."""

    pool = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of windows that cover inputs (N, C, H, W), or (C, H, W): see
    `lucid.nn.functional.adaptive_max_pool1d`."""

    pool = F.adaptive_max_pool2d


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of windows that cover inputs (N, C, D, H, W), or (C, D, H, W): see
    `lucid.nn.functional.adaptive_max_pool1d`."""

    pool = F.adaptive_max_pool3d


class _LPPool(Module):
    """The base of layers that take the p-norm of each window."""

    pool: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = _kept(kernel_size)
        self.stride = _kept(stride)
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor | Array) -> Tensor:
        return type(self).pool(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The p-norm of each window of inputs (N, C, L), or (C, L): see `lucid.nn.functional.lp_pool1d`."""

    pool = F.lp_pool1d


class LPPool2d(_LPPool):
    """The p-norm of each window of inputs (N, C, H, W), or (C, H, W): see `lucid.nn.functional.lp_pool1d`."""

    pool = F.lp_pool2d


class LPPool3d(_LPPool):
    """The p-norm of each window of inputs (N, C, D, H, W), or (C, D, H, W): see `lucid.nn.functional.lp_pool1d`."""

    pool = F.lp_pool3d
