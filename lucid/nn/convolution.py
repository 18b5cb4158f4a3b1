"""Convolutional layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.arguments import check_positive_integer
from lucid.nn.functional.windows import Size, each_axis
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations.arguments import as_choice, as_flag, float_dtype
from lucid.sampling import uniform
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """The base of convolutional layers: their arguments, and their weights.

    `weight` and `bias` of shape (out_channels,), which is None where the argument is False, start uniform between
    -1/sqrt(n) and 1/sqrt(n), with n the elements of weight[0], as in PyTorch.
    """

    axes: ClassVar[int]
    weight: Parameter
    bias: Parameter | None

    @all_or_nothing
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | str,
        dilation: Size,
        groups: int,
        bias: bool,
        weight_channels: tuple[int, int],
        device: str | None,
        dtype: object,
    ) -> None:
        super().__init__()
        name, bias = type(self).__name__, as_flag("bias", bias)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = each_axis(name, "kernel_size", kernel_size, self.axes)
        self.stride = each_axis(name, "stride", stride, self.axes)
        self.dilation = each_axis(name, "dilation", dilation, self.axes)
        self.padding = padding if isinstance(padding, str) else each_axis(name, "padding", padding, self.axes, 0)
        F.resolved_padding(name, padding, self.kernel_size, self.stride, self.dilation)  # or an error
        shape = (*weight_channels, *self.kernel_size)
        bound, dtype = 1.0 / math.sqrt(math.prod(shape[1:])), float_dtype(name, dtype)
        self.weight = Parameter(uniform(-bound, bound, shape, dtype))
        self.register_parameter("bias", Parameter(uniform(-bound, bound, out_channels, dtype)) if bias else None)
        self._place(device)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * self.axes:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.axes:
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


def _check_channels(name: str, in_channels: int, out_channels: int, groups: int) -> None:
    for argument, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
        check_positive_integer(name, argument, value)
    if in_channels % groups or out_channels % groups:
        raise ArgumentError(
            f"{name} takes groups that divide in_channels and out_channels, got {groups}, {in_channels} and "
            f"{out_channels}."
        )


class _Conv(_Convolution):
    """The base of convolutions that are not transposed."""

    convolve: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        name = type(self).__name__
        _check_channels(name, in_channels, out_channels, groups)
        as_choice(f"{name} takes padding_mode={', '.join(map(repr, PADDING_MODES))}", padding_mode, PADDING_MODES)
        channels = out_channels, in_channels // groups
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, channels, device, dtype
        )
        self.padding_mode = padding_mode

    def forward(self, input: Tensor | Array) -> Tensor:
        padding: Size | str = self.padding
        if self.padding_mode != "zeros":
            ends = F.resolved_padding(type(self).__name__, padding, self.kernel_size, self.stride, self.dilation)
            input = F.pad(input, [count for pair in reversed(ends) for count in pair], self.padding_mode)
            padding = 0
        convolve = type(self).convolve
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        return super().extra_repr() + mode


class Conv1d(_Conv):
    """The cross-correlation of inputs (N, in_channels, L), or without N, with a weight, plus a bias.

    See `lucid.nn.functional.conv1d`. `weight` has shape (out_channels, in_channels / groups, kernel_size). What pads
    is zeros, or, by `padding_mode`, as in `lucid.nn.functional.pad`, "reflect", "replicate" or "circular".
    """

    axes = 1
    convolve = F.conv1d


class Conv2d(_Conv):
    """The cross-correlation of inputs (N, in_channels, H, W), or without N, with a weight of shape
    (out_channels, in_channels / groups, *kernel_size), plus a bias: see `Conv1d`."""

    axes = 2
    convolve = F.conv2d


class Conv3d(_Conv):
    """The cross-correlation of inputs (N, in_channels, D, H, W), or without N, with a weight of shape
    (out_channels, in_channels / groups, *kernel_size), plus a bias: see `Conv1d`."""

    axes = 3
    convolve = F.conv3d


class _ConvTranspose(_Convolution):
    """The base of transposed convolutions."""

    convolve: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        _check_channels(type(self).__name__, in_channels, out_channels, groups)
        if padding_mode != "zeros":
            raise ArgumentError(f'{type(self).__name__} takes padding_mode="zeros" only, got {padding_mode!r}.')
        each_axis(type(self).__name__, "padding", padding, self.axes, 0)
        extra = each_axis(type(self).__name__, "output_padding", output_padding, self.axes, 0)
        channels = in_channels, out_channels // groups
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, channels, device, dtype
        )
        self.output_padding = extra

    def forward(self, input: Tensor | Array, output_size: Sequence[int] | None = None) -> Tensor:
        """The result; `output_size`, the lengths of its last axes, says which of those that fit the input it has, in
        place of `output_padding`. Raises ShapeError where none has these lengths."""
        tensor = ops.as_tensor(input)
        extra = self.output_padding if output_size is None else self._extra(tensor, output_size)
        convolve = type(self).convolve
        return convolve(tensor, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _extra(self, x: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that leads to a size."""
        owner, wanted = type(self).__name__, tuple(output_size)[-self.axes :]
        assert not isinstance(self.padding, str)
        geometry = zip(self.stride, self.padding, self.dilation, self.kernel_size, strict=True)
        least = [
            (extent - 1) * step - 2 * pad + by * (taps - 1) + 1
            for extent, (step, pad, by, taps) in zip(x.shape[-self.axes :], geometry, strict=True)
        ]
        most = [low + step - 1 for low, step in zip(least, self.stride, strict=True)]
        if len(wanted) != self.axes or not all(a <= b <= c for a, b, c in zip(least, wanted, most, strict=True)):
            raise ShapeError(
                f"{owner} takes an output_size from {tuple(least)} to {tuple(most)} for inputs of shape {x.shape}, "
                f"got {tuple(output_size)}."
            )
        return tuple(b - a for a, b in zip(least, wanted, strict=True))

    def extra_repr(self) -> str:
        more = "" if self.output_padding == (0,) * self.axes else f", output_padding={self.output_padding}"
        return super().extra_repr() + more


class ConvTranspose1d(_ConvTranspose):
    """The transposed convolution of inputs (N, in_channels, L), or without N, with a weight of shape (in_channels,
    out_channels / groups, kernel_size), plus a bias: see `lucid.nn.functional.conv_transpose1d`."""

    axes = 1
    convolve = F.conv_transpose1d


class ConvTranspose2d(_ConvTranspose):
    """The transposed convolution of inputs (N, in_channels, H, W), or without N, with a weight of shape (in_channels,
    out_channels / groups, *kernel_size), plus a bias: see `lucid.nn.functional.conv_transpose1d`."""

    axes = 2
    convolve = F.conv_transpose2d


class ConvTranspose3d(_ConvTranspose):
    """The transposed convolution of inputs (N, in_channels, D, H, W), or without N, with a weight of shape
    (in_channels, out_channels / groups, *kernel_size), plus a bias: see `lucid.nn.functional.conv_transpose1d`."""

    axes = 3
    convolve = F.conv_transpose3d
