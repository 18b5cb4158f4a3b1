"""BatchNorm and InstanceNorm, which can keep running statistics."""

from __future__ import annotations

from numbers import Real
from typing import ClassVar

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ShapeError, argument_error
from lucid.nn.arguments import check_eps, check_positive_integer
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations.arguments import as_flag, float_dtype
from lucid.tensor import Array, Tensor


class _ChannelNorm(Module):
    """The base of layers that normalize channels, and keep running statistics of them if asked for.

    With `affine`, `weight` starts as ones and `bias`, which is None where the argument is False, as zeros. With
    `track_running_stats`, the buffers `running_mean` and `running_var` are updated once a call in training, eager or
    compiled: new = old + momentum * (current - old).
    """

    ranks: ClassVar[tuple[int, ...]]  # of the inputs

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: str | None,
        dtype: object,
        bias: bool,
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.num_features = check_positive_integer(owner, "num_features", num_features)
        self.eps = check_eps(owner, eps)
        if momentum is not None and not (isinstance(momentum, Real) and 0.0 <= momentum <= 1.0):
            raise argument_error(momentum, Real, f"{owner} takes a momentum from 0 to 1, or None, got {momentum!r}.")
        self.momentum = momentum
        self.affine, bias = as_flag("affine", affine), as_flag("bias", bias)
        self.track_running_stats = as_flag("track_running_stats", track_running_stats)
        zeros, ones = (make(num_features, dtype=float_dtype(owner, dtype)) for make in (ops.zeros, ops.ones))
        self.register_parameter("weight", Parameter(ones) if affine else None)
        self.register_parameter("bias", Parameter(zeros) if affine and bias else None)
        self.register_buffer("running_mean", zeros if track_running_stats else None)
        self.register_buffer("running_var", ones if track_running_stats else None)
        self.register_buffer("num_batches_tracked", ops.zeros(dtype="int64") if track_running_stats else None)
        self._place(device)

    def reset_running_stats(self) -> None:
        """Forget the running statistics: the mean becomes 0, the variance 1, and the number of batches 0."""
        for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                buffer.fill_(value)

    def check_input(self, x: Tensor, channel_axis: int) -> None:
        """Raise ShapeError where the rank or the number of channels is not what the layer takes."""
        owner = type(self).__name__
        if x.ndim not in self.ranks:
            raise ShapeError(f"{owner} takes inputs of {' or '.join(map(str, self.ranks))} axes, got shape {x.shape}.")
        if x.shape[channel_axis] != self.num_features:
            raise ShapeError(
                f"{owner} takes inputs with {self.num_features} channels on axis {channel_axis}, got shape {x.shape}."
            )

    def extra_repr(self) -> str:
        bias = ", bias=False" if self.affine and self.bias is None else ""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}{bias}"
        )


class _BatchNorm(_ChannelNorm):
    """Normalizes channels over samples and positions; in evaluation by running statistics, if they are tracked.

    With a momentum of None, the running statistics are the plain means over all batches. See
    `lucid.nn.functional.batch_norm`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor | Array) -> Tensor:
        tensor = ops.as_tensor(input)
        self.check_input(tensor, 1)
        training = self.training or self.running_mean is None
        momentum: float | Tensor = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked += 1
            if self.momentum is None:
                momentum = 1.0 / self.num_batches_tracked.astype(tensor.dtype)
        mean, variance = self.running_mean, self.running_var
        return F.batch_norm(tensor, mean, variance, self.weight, self.bias, training, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Batch normalization of inputs of shape (N, C) or (N, C, L), over N and L."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalization of inputs of shape (N, C, H, W), over N, H and W."""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of inputs of shape (N, C, D, H, W), over all but C."""

    ranks = (5,)


class _InstanceNorm(_ChannelNorm):
    """Normalizes channels of each sample over positions; in evaluation by running statistics, if they are tracked.

    `num_batches_tracked` stays 0, as in PyTorch. See `lucid.nn.functional.instance_norm`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | None = None,
        dtype: object = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor | Array) -> Tensor:
        tensor = ops.as_tensor(input)
        single = tensor.ndim == self.ranks[0]
        self.check_input(tensor, 0 if single else 1)
        current = self.training or self.running_mean is None
        batch = tensor.unsqueeze(0) if single else tensor
        momentum = 0.0 if self.momentum is None else self.momentum
        mean, variance = self.running_mean, self.running_var
        result = F.instance_norm(batch, mean, variance, self.weight, self.bias, current, momentum, self.eps)
        return result.squeeze(0) if single else result


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization of inputs of shape (N, C, L) or (C, L), over L."""

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance normalization of inputs of shape (N, C, H, W) or (C, H, W), over H and W."""

    ranks = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of inputs of shape (N, C, D, H, W) or (C, D, H, W), over D, H and W."""

    ranks = (4, 5)
