"""Convolutions, and transposed ones."""

from __future__ import annotations

from collections.abc import Sequence

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.functional.windows import Input, Size, each_axis, with_batch
from lucid.tensor import Tensor


def conv1d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of x (N, C, L), or (C, L), with weight (O, C / groups, K), plus bias (O,).

    `padding` counts zeros at each end; "valid" is none, "same" as many as keep L, for a stride of 1. The result is
    (N, O, (L + 2 padding - dilation (K - 1) - 1) // stride + 1). Raises ShapeError, DTypeError and ArgumentError.
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of x (N, C, H, W), or (C, H, W), with weight (O, C / groups, K, K'): see `conv1d`."""
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of x (N, C, D, H, W), or (C, D, H, W), with weight (O, C / groups, K, K', K''): see
    `conv1d`."""
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transposed convolution of x (N, C, L), or (C, L), with weight (C, O / groups, K), plus bias (O,).

    It is the gradient of `conv1d` by its input. The result has (L - 1) stride - 2 padding + dilation (K - 1) +
    output_padding + 1 positions. Raises ShapeError, DTypeError and ArgumentError.
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transposed convolution of x (N, C, H, W), or (C, H, W), with weight (C, O / groups, K, K'): see
    `conv_transpose1d`."""
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Input,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The transposed convolution of x (N, C, D, H, W), or (C, D, H, W), with weight (C, O / groups, K, K', K''): see
    `conv_transpose1d`."""
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def same_padding(kernel: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """The elements before and after each axis that keep its extent, for a stride of 1; an odd one comes after."""
    totals = [by * (taps - 1) for taps, by in zip(kernel, dilation, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def resolved_padding(
    name: str, padding: Size | str, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """The elements before and after each axis that the argument `padding` of a convolution means."""
    if isinstance(padding, str) and padding == "same":
        if max(stride) > 1:
            raise ArgumentError(f'{name} takes padding="same" with a stride of 1, got {tuple(stride)}.')
        return same_padding(kernel, dilation)
    if isinstance(padding, str):
        if padding != "valid":
            raise ArgumentError(f'{name} takes padding="same", "valid" or integers, got {padding!r}.')
        padding = 0
    return [(count, count) for count in each_axis(name, "padding", padding, len(kernel), at_least=0)]


def _conv(
    name: str,
    axes: int,
    x: Input,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Tensor:
    steps, by = each_axis(name, "stride", stride, axes), each_axis(name, "dilation", dilation, axes)
    (count,) = each_axis(name, "groups", groups, 1)
    weight, bias = ops.as_tensor(weight), None if bias is None else ops.as_tensor(bias)
    if not weight.ndim:
        raise ShapeError(f"{name} takes a weight of {axes + 2} axes, got shape ().")
    ends = resolved_padding(name, padding, weight.shape[2:] or (1,) * axes, steps, by)
    _check_bias(name, bias, weight.shape[0])
    result = with_batch(name, x, axes, lambda x: ops.convolution(x, weight, steps, ends, by, count))
    return _plus(result, bias, axes)


def _conv_transpose(
    name: str,
    axes: int,
    x: Input,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size,
    output_padding: Size,
    groups: int,
    dilation: Size,
) -> Tensor:
    steps, by = each_axis(name, "stride", stride, axes), each_axis(name, "dilation", dilation, axes)
    (count,) = each_axis(name, "groups", groups, 1)
    low = each_axis(name, "padding", padding, axes, at_least=0)
    more = each_axis(name, "output_padding", output_padding, axes, at_least=0)
    if any(extra >= max(step, d) for extra, step, d in zip(more, steps, by, strict=True)):
        raise ArgumentError(
            f"{name} takes output_padding below stride or dilation, got {more}, stride {steps} and dilation {by}."
        )
    weight, bias = ops.as_tensor(weight), None if bias is None else ops.as_tensor(bias)
    if weight.ndim > 1:
        _check_bias(name, bias, weight.shape[1] * count)

    def transposed(x: Tensor) -> Tensor:
        geometry = zip(x.shape[2:], weight.shape[2:], steps, by, low, more, strict=False)
        spatial = [(n - 1) * step - 2 * pad + d * (taps - 1) + extra + 1 for n, taps, step, d, pad, extra in geometry]
        ends = [(pad, pad - extra) for pad, extra in zip(low, more, strict=True)]  # so that x has n positions in it
        return ops.convolution_transpose(x, weight, steps, ends, by, spatial, count)

    return _plus(with_batch(name, x, axes, transposed), bias, axes)


def _check_bias(name: str, bias: Tensor | None, outputs: int) -> None:
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(f"{name} with {outputs} output channels takes a bias of shape ({outputs},), got {bias.shape}.")


def _plus(x: Tensor, bias: Tensor | None, axes: int) -> Tensor:
    return x if bias is None else x + bias.reshape(-1, *(1,) * axes)
