"""Initial values for parameters. Each function fills a tensor in place and returns it.

Random values come from the default random stream, one draw a call, in the dtype of the tensor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from lucid.missing_names import refuse_names_of
from lucid.modes import no_grad
from lucid.operations.arguments import as_choice, as_integer, as_number, check_number
from lucid.sampling import normal, truncated_normal, uniform
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Number, Tensor


def _fill(tensor: Tensor, value: Tensor | Array | Number) -> Tensor:
    with no_grad():
        return _filled(tensor).copy_(value)


def _filled(tensor: object) -> Tensor:
    """The argument, if it is a tensor; else ArgumentTypeError."""
    if not isinstance(tensor, Tensor):
        raise ArgumentTypeError(f"an initializer fills a tensor, got {type(tensor).__name__}.")
    return tensor


def constant_(tensor: Tensor, val: Number) -> Tensor:
    """One value everywhere."""
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return _fill(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return _fill(tensor, 1)


@all_or_nothing
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Values spread evenly between a and b."""
    return _fill(tensor, uniform(a, b, _filled(tensor).shape, tensor.dtype))


@all_or_nothing
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """Values of the normal distribution with a mean and a standard deviation."""
    return _fill(tensor, normal(mean, std, _filled(tensor).shape, tensor.dtype))


@all_or_nothing
def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Tensor:
    """Values of the normal distribution with a mean and a standard deviation, those outside of a ... b cut off."""
    for bound in (mean, std, a, b):
        check_number("trunc_normal_ takes numbers as mean, std, a and b", bound)
    if not std > 0.0 or not a < b:
        raise ArgumentError(f"trunc_normal_ takes std above 0 and a below b, got std={std!r}, a={a!r} and b={b!r}.")
    z = truncated_normal((a - mean) / std, (b - mean) / std, _filled(tensor).shape, tensor.dtype)
    return _fill(tensor, (mean + std * z).clip(a, b))


@all_or_nothing
def orthogonal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """A matrix of shape (out, ...), its other axes taken as one, with orthogonal rows or columns of length `gain`.

    Saxe, McClelland and Ganguli, arXiv:1312.6120, section 3. From the QR decomposition of a normal matrix, which NumPy
    computes: not in compiled functions.
    """
    if _filled(tensor).ndim < 2:
        raise ShapeError(f"orthogonal_ takes a tensor of at least two axes, got shape {tensor.shape}.")
    if not tensor.dtype.is_float:
        raise DTypeError(f"orthogonal_ fills tensors of floats, got {tensor.dtype}.")
    gain = as_number("orthogonal_ takes a number as gain", gain)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    matrix = normal(0.0, 1.0, (max(rows, columns), min(rows, columns)), "float64").numpy()
    q, r = np.linalg.qr(matrix)
    q = q * np.sign(np.diag(r))  # so that each orthogonal matrix is equally likely
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix, zeros elsewhere."""
    if _filled(tensor).ndim != 2:
        raise ShapeError(f"eye_ takes a tensor of two axes, got shape {tensor.shape}.")
    return _fill(tensor, ops.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A weight of a convolution, (out, in, kernel...), that gives the channels of its input back: in each group, output
    channel i has a one in the middle of the kernel of input channel i, as far as there are both; zeros elsewhere."""
    if _filled(tensor).ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_ takes a tensor of 3 to 5 axes, got shape {tensor.shape}.")
    count = as_integer("dirac_ takes a number of groups", groups)
    if count < 1 or tensor.shape[0] % count:
        raise ArgumentError(f"dirac_ takes groups that divide {tensor.shape[0]} output channels, got {groups!r}.")
    values = np.zeros((count, tensor.shape[0] // count, *tensor.shape[1:]), tensor.dtype.numpy)
    middle = tuple(extent // 2 for extent in tensor.shape[2:])
    for channel in range(min(values.shape[1:3])):
        place: tuple[slice | int, ...] = (slice(None), channel, channel, *middle)
        values[place] = 1
    return _fill(tensor, values.reshape(tensor.shape))


@all_or_nothing
def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Values spread evenly within gain * sqrt(6 / (inputs + outputs)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", equation 16.
    """
    inputs, outputs = _fans(tensor)
    bound = as_number("xavier_uniform_ takes a number as gain", gain) * math.sqrt(6.0 / (inputs + outputs))
    return uniform_(tensor, -bound, bound)


@all_or_nothing
def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """Values of a normal distribution with standard deviation gain * sqrt(2 / (inputs + outputs)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", equation 12.
    """
    inputs, outputs = _fans(tensor)
    gain = as_number("xavier_normal_ takes a number as gain", gain)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (inputs + outputs)))


@all_or_nothing
def kaiming_uniform_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Values spread evenly within gain * sqrt(3 / fan), the gain being that of the nonlinearity that follows.

    `mode` says whether the fan is the number of inputs ("fan_in") or of outputs ("fan_out"); `a` is the slope of a
    leaky ReLU. He et al., "Delving deep into rectifiers", arXiv:1502.01852, equations 10 and 14.
    """
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound)


@all_or_nothing
def kaiming_normal_(tensor: Tensor, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """Values of a normal distribution with standard deviation gain / sqrt(fan); see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which initial weights make up for what a nonlinearity takes from the variance.

    `param` is the slope of a leaky ReLU, 0.01 unless given.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    slope = 0.01 if param is None else as_number("calculate_gain takes a number as the slope of a leaky ReLU", param)
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5.0 / 3.0,
        "relu": math.sqrt(2.0),
        "leaky_relu": math.sqrt(2.0 / (1.0 + slope**2)),
        "selu": 3.0 / 4.0,
        **dict.fromkeys((f"conv{axes}d" for axes in (1, 2, 3)), 1.0),
        **dict.fromkeys((f"conv_transpose{axes}d" for axes in (1, 2, 3)), 1.0),
    }
    return gains[as_choice(f"calculate_gain knows {', '.join(gains)}", nonlinearity, gains)]


def _fan(tensor: Tensor, mode: str) -> int:
    as_choice('kaiming initialization takes mode="fan_in" or "fan_out"', mode, ("fan_in", "fan_out"))
    inputs, outputs = _fans(tensor)
    return inputs if mode == "fan_in" else outputs


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs and outputs each element of a weight of shape (out, in, ...) connects."""
    if _filled(tensor).ndim < 2:
        raise ShapeError(f"a weight of shape (out, in, ...) is needed to count inputs and outputs, got {tensor.shape}.")
    receptive_field = math.prod(tensor.shape[2:])
    return max(tensor.shape[1] * receptive_field, 1), max(tensor.shape[0] * receptive_field, 1)


if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
