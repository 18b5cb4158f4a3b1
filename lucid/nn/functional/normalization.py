"""Normalization: (x - mean) / sqrt(variance + eps) * weight + bias, over one set of axes or another.

Variances that normalize are the biased ones. Inputs with channels have shape (N, C, ...).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

import lucid.operations as ops
from lucid.custom_derivative import custom_vjp
from lucid.errors import ArgumentError, ShapeError
from lucid.modes import current_tracer, no_grad
from lucid.operations.arguments import as_flag, as_integer, as_integers, check_number
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def _standardized(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """x without mean and with variance 1 along axes, its mean and its biased variance, with axes of extent 1.

    The first has its derivative in closed form, r (g - mean(g) - y mean(g y)) with r = 1 / sqrt(variance + eps): of its
    two means neither needs the other. The others are statistics, without one. In eager code, each call would have to
    record and differentiate that: the derivative of the formula itself takes a third of the time there.
    """

    def statistics(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(axes, keepdims=True)
        deviation = x - mean
        return deviation, mean, (deviation * deviation).mean(axes, keepdims=True)

    def standardized(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        deviation, mean, variance = statistics(x)
        return deviation * (1.0 / ops.sqrt(variance + eps)), mean, variance

    def vjp(gradients: tuple[Tensor, ...], results: tuple[Tensor, ...], x: Tensor) -> tuple[Tensor]:
        g, y = gradients[0], results[0]
        of_g, of_both = (values.mean(axes, keepdims=True) for values in (g, g * y))
        return ((g - of_g - y * of_both) * (1.0 / ops.sqrt(statistics(x)[2] + eps)),)

    if current_tracer() is None:
        return standardized(x)
    return custom_vjp(vjp)(standardized)(x)


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        x = x * weight
    return x if bias is None else x + bias


def _channelwise(values: Tensor | None, x: Tensor, name: str) -> Tensor | None:
    """A tensor with one value for each channel of x, shaped so that it broadcasts with x."""
    if values is None:
        return None
    values = ops.as_tensor(values)
    if values.shape != (x.shape[1],):
        raise ShapeError(f"{name} of {x.shape[1]} channels takes values of shape ({x.shape[1]},), got {values.shape}.")
    return values.reshape(values.shape + (1,) * (x.ndim - 2))


def _normalized_axes(x: Tensor, normalized_shape: int | Sequence[int], name: str) -> tuple[int, ...]:
    """The last axes of x, which have `normalized_shape`."""
    shape = as_integers(f"{name} takes a shape of integers", normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape:
        raise ShapeError(f"{name} over {shape} takes inputs whose shape ends so, got {x.shape}.")
    return tuple(range(-len(shape), 0))


def layer_norm(
    input: Input,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last axes of x, which have `normalized_shape`.

    Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450, equations 3 and 4; the variance is the biased one.
    """
    tensor = ops.as_tensor(input)
    axes = _normalized_axes(tensor, normalized_shape, "layer_norm")
    return _affine(_standardized(tensor, axes, eps)[0], weight, bias)


def rms_norm(
    input: Input, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x * x) + eps) * weight, over the last axes of x, which have `normalized_shape`.

    eps is the distance from 1 to the next number of x's dtype unless given. Zhang and Sennrich, "Root mean square
    layer normalization", arXiv:1910.07467, equation 4.
    """
    tensor = ops.as_tensor(input)
    axes = _normalized_axes(tensor, normalized_shape, "rms_norm")
    if eps is None:
        eps = float(np.finfo(tensor.dtype.numpy if tensor.dtype.is_float else np.float32).eps)
    scale = ops.sqrt((tensor * tensor).mean(axes, keepdims=True) + eps)
    return _affine(tensor / scale, weight, None)


def group_norm(
    input: Input, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalization over the channels of each of `num_groups` groups and all positions, for each sample by itself.

    input: (N, C, ...), weight and bias: (C,). Wu and He, "Group normalization", arXiv:1803.08494, equations 1 to 6.
    """
    tensor, num_groups = ops.as_tensor(input), as_integer("group_norm takes a number of groups", num_groups)
    if num_groups < 1:
        raise ArgumentError(f"group_norm takes a number of groups from 1 on, got {num_groups}.")
    if tensor.ndim < 2 or tensor.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm of {num_groups} groups takes inputs of shape (N, C, ...) whose C they divide, "
            f"got {tensor.shape}."
        )
    grouped = tensor.reshape(tensor.shape[0], num_groups, tensor.shape[1] // num_groups, *tensor.shape[2:])
    result = _standardized(grouped, tuple(range(2, grouped.ndim)), eps)[0].reshape(tensor.shape)
    return _affine(result, _channelwise(weight, tensor, "group_norm"), _channelwise(bias, tensor, "group_norm"))


def local_response_norm(input: Input, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha * m)^beta, with m the mean of the squares of `size` channels around each, zeros beyond the ends.

    input: (N, C, ...) with positions. Krizhevsky et al., "ImageNet classification with deep convolutional neural
    networks", section 3.3.
    """
    tensor, count = ops.as_tensor(input), as_integer("local_response_norm takes a number of channels", size)
    if count < 1:
        raise ArgumentError(f"local_response_norm takes a number of channels from 1 on, got {count}.")
    if tensor.ndim < 3:
        raise ShapeError(f"local_response_norm takes inputs of shape (N, C, ...) with positions, got {tensor.shape}.")
    for name, value in (("alpha", alpha), ("beta", beta), ("k", k)):
        check_number(f"local_response_norm takes a number as {name}", value)
    channels = (tensor * tensor).transpose(1, -1)
    padded = ops.concatenate(
        [
            ops.zeros((*channels.shape[:-1], count // 2), dtype=tensor.dtype),
            channels,
            ops.zeros((*channels.shape[:-1], (count - 1) // 2), dtype=tensor.dtype),
        ],
        -1,
    )
    total = padded[..., : channels.shape[-1]]
    for shift in range(1, count):
        total = total + padded[..., shift : shift + channels.shape[-1]]
    return tensor / (total.transpose(1, -1) * (alpha / count) + k) ** float(beta)


@all_or_nothing
def batch_norm(
    input: Input,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalization of each channel over samples and positions, in training; by running statistics in evaluation.

    input: (N, C, ...), the others: (C,). In training, the running mean and the running unbiased variance, where given,
    are updated in place: new = old + momentum * (current - old). Ioffe and Szegedy, "Batch normalization",
    arXiv:1502.03167, algorithms 1 and 2.
    """
    tensor = ops.as_tensor(input)
    if tensor.ndim < 2:
        raise ShapeError(f"batch_norm takes inputs of shape (N, C, ...), got {tensor.shape}.")
    mean, variance = (_channelwise(values, tensor, "batch_norm") for values in (running_mean, running_var))
    scale, shift = (_channelwise(values, tensor, "batch_norm") for values in (weight, bias))
    if as_flag("training", training):
        count = tensor.size // max(tensor.shape[1], 1)
        if count == 1:
            raise ShapeError(f"batch_norm needs more than one value a channel in training, got shape {tensor.shape}.")
        axes = (0, *range(2, tensor.ndim))
        result, mean, variance = _standardized(tensor, axes, eps)
        if count:  # no value says nothing of the statistics
            _update(running_mean, mean.flatten(), momentum)
            _update(running_var, variance.flatten() * (count / (count - 1)), momentum)
    elif mean is None or variance is None:
        raise ArgumentError("batch_norm takes running_mean and running_var in evaluation, got None.")
    else:
        result = (tensor - mean) / ops.sqrt(variance + eps)
    return _affine(result, scale, shift)


@all_or_nothing
def instance_norm(
    input: Input,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float | Tensor = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalization of each channel of each sample over positions; by running statistics without `use_input_stats`.

    input: (N, C, ...), the others: (C,). Running statistics, where given, are updated with the means over the samples.
    Ulyanov et al., "Instance normalization", arXiv:1607.08022, equation 2.
    """
    tensor = ops.as_tensor(input)
    if tensor.ndim < 3:
        raise ShapeError(f"instance_norm takes inputs of shape (N, C, ...) with positions, got {tensor.shape}.")
    if not as_flag("use_input_stats", use_input_stats):
        return batch_norm(tensor, running_mean, running_var, weight, bias, False, momentum, eps)
    axes = tuple(range(2, tensor.ndim))
    count = math.prod(tensor.shape[2:])
    if count == 1:
        raise ShapeError(f"instance_norm needs more than one position to normalize over, got shape {tensor.shape}.")
    result, mean, variance = _standardized(tensor, axes, eps)
    if tensor.size:  # no value says nothing of the statistics
        _update(running_mean, mean.mean(0).flatten(), momentum)
        _update(running_var, variance.mean(0).flatten() * (count / (count - 1)), momentum)
    scale, shift = (_channelwise(values, tensor, "instance_norm") for values in (weight, bias))
    return _affine(result, scale, shift)


def _update(running: Tensor | None, current: Tensor, momentum: float | Tensor) -> None:
    """Move a running statistic towards the current one, in place."""
    if running is not None:
        running = ops.as_tensor(running)
        with no_grad():
            running.copy_(running + (current.detach().astype(running.dtype) - running) * momentum)
