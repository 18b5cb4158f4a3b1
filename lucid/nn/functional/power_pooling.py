"""Pools that take the p-norm of each window."""

from __future__ import annotations

import math
from collections.abc import Callable

import lucid.operations as ops
from lucid.errors import ArgumentError
from lucid.nn.functional.pooling import avg_pool1d, avg_pool2d, avg_pool3d
from lucid.nn.functional.windows import Input, Size, each_axis
from lucid.operations.arguments import check_number
from lucid.tensor import Tensor


def lp_pool1d(
    input: Input, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of each window of x (N, C, L), or (C, L), p being `norm_type`; 0 where the sum is below 0.

    Windows are as in `max_pool1d`; one that `ceil_mode` adds, and that reaches beyond x, counts what it has as often as
    a whole one. The gradient where the sum is 0 is 0.
    """
    return _lp_pool("lp_pool1d", 1, avg_pool1d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Input, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of x (N, C, H, W), or (C, H, W): see `lp_pool1d`."""
    return _lp_pool("lp_pool2d", 2, avg_pool2d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Input, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of x (N, C, D, H, W), or (C, D, H, W): see `lp_pool1d`."""
    return _lp_pool("lp_pool3d", 3, avg_pool3d, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    name: str,
    axes: int,
    average: Callable[..., Tensor],
    x: Input,
    p: float,
    kernel_size: Size,
    stride: Size | None,
    ceil_mode: bool,
) -> Tensor:
    if not check_number(f"{name} takes a number as norm_type", p) > 0.0:
        raise ArgumentError(f"{name} takes norm_type above 0, got {p!r}.")
    count = math.prod(each_axis(name, "kernel_size", kernel_size, axes))
    mean = average(ops.as_tensor(x) ** p, kernel_size, stride, 0, ceil_mode)
    positive = mean > 0.0
    return ops.where(positive, (ops.where(positive, mean, 1.0) * count) ** (1.0 / p), 0.0)
