"""Activation functions."""

from __future__ import annotations

import math

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.operations.arguments import as_choice, as_flag, check_number, one_axis
from lucid.sampling import uniform
from lucid.savepoints import all_or_nothing
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

Input = Tensor | Array

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def in_place(input: Input, result: Tensor, inplace: bool) -> Tensor:
    """The result; with `inplace` the input, which holds the result from then on: see `lucid.nn.functional`."""
    return ops.as_tensor(input)._become(result) if as_flag("inplace", inplace) else result


def relu(input: Input, inplace: bool = False) -> Tensor:
    """x where x > 0, else 0."""
    return in_place(input, ops.relu(input), inplace)


def leaky_relu(input: Input, negative_slope: float | Scalar = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x. The gradient at 0 is the slope."""
    tensor = ops.as_tensor(input)
    return in_place(input, ops.where(tensor > 0.0, tensor, tensor * negative_slope), inplace)


def prelu(input: Input, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x.

    weight: (1,), or (C,) for x of shape (N, C, ...). He et al., "Delving deep into rectifiers", arXiv:1502.01852,
    equation 1.
    """
    tensor, weight = ops.as_tensor(input), ops.as_tensor(weight)
    channels = tensor.shape[1] if tensor.ndim > 1 else 1
    if weight.shape not in ((1,), (channels,)):
        raise ShapeError(
            f"prelu of shape {tensor.shape} takes a weight of shape (1,) or ({channels},), got {weight.shape}."
        )
    slope = weight.reshape(weight.shape[: tensor.ndim] + (1,) * (tensor.ndim - 2))
    return ops.where(tensor > 0.0, tensor, tensor * slope)


@all_or_nothing
def rrelu(
    input: Input,
    lower: float = 1.0 / 8.0,
    upper: float = 1.0 / 3.0,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where x > 0, else a slope times x: in training one for each element, spread evenly from lower to upper and
    drawn from the random stream; in evaluation their mean. Xu et al., arXiv:1505.00853, section 2.4."""
    for end in (lower, upper):
        check_number("rrelu takes numbers as lower and upper", end)
    if not lower <= upper:
        raise ArgumentError(f"rrelu takes lower up to upper, got {lower!r} and {upper!r}.")
    tensor = ops.as_tensor(input)
    slope = (
        uniform(lower, upper, tensor.shape, tensor.dtype) if as_flag("training", training) else (lower + upper) / 2.0
    )
    return in_place(input, ops.where(tensor > 0.0, tensor, tensor * slope), inplace)


def elu(input: Input, alpha: float | Scalar = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1). Clevert et al., arXiv:1511.07289, equation 15."""
    tensor = ops.as_tensor(input)
    return in_place(input, ops.where(tensor > 0.0, tensor, ops.expm1(_below_zero(tensor)) * alpha), inplace)


def selu(input: Input, inplace: bool = False) -> Tensor:
    """`elu` with a scale and an alpha for which activations keep mean 0 and variance 1.

    Klambauer et al., "Self-normalizing neural networks", arXiv:1706.02515, equations 2 and 14.
    """
    return in_place(input, elu(input, SELU_ALPHA) * SELU_SCALE, inplace)


def celu(input: Input, alpha: float | Scalar = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x / alpha) - 1). Barron, arXiv:1704.07483, equation 2."""
    if check_number("celu takes a number other than 0 as alpha", alpha) == 0.0:
        raise ArgumentError(f"celu takes a number other than 0 as alpha, got {alpha!r}.")
    tensor = ops.as_tensor(input)
    return in_place(input, ops.where(tensor > 0.0, tensor, ops.expm1(_below_zero(tensor) / alpha) * alpha), inplace)


def _below_zero(x: Tensor) -> Tensor:
    """x where it is not positive, else 0: an argument whose exponential is finite where it is not used."""
    return ops.where(x > 0.0, 0.0, x)


def tanh(input: Input) -> Tensor:
    """The hyperbolic tangent of x."""
    return ops.tanh(input)


def sigmoid(input: Input) -> Tensor:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(input)


def logsigmoid(input: Input) -> Tensor:
    """The logarithm of `sigmoid`, computed without rounding small ones to 0."""
    tensor = ops.as_tensor(input)
    below = tensor < 0.0  # chosen, not by minimum: the second derivative is right at 0, too
    return ops.where(below, tensor, 0.0) - ops.log1p(ops.exp(ops.where(below, tensor, -tensor)))


def softplus(input: Input, beta: float | Scalar = 1.0, threshold: float | Scalar = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, which is x to rounding, and taken to be, where beta * x > threshold."""
    tensor = ops.as_tensor(input)
    scaled = tensor * beta
    linear = scaled > threshold
    return ops.where(linear, tensor, ops.log1p(ops.exp(ops.where(linear, 0.0, scaled))) / beta)


def softsign(input: Input) -> Tensor:
    """x / (1 + |x|)."""
    tensor = ops.as_tensor(input)
    return tensor / (abs(tensor) + 1.0)


def silu(input: Input, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also known as swish."""
    tensor = ops.as_tensor(input)
    return in_place(input, tensor * ops.sigmoid(tensor), inplace)


def mish(input: Input, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)). Misra, arXiv:1908.08681, equation 1."""
    tensor = ops.as_tensor(input)
    return in_place(input, tensor * ops.tanh(softplus(tensor)), inplace)


def tanhshrink(input: Input) -> Tensor:
    """x - tanh(x)."""
    tensor = ops.as_tensor(input)
    return tensor - ops.tanh(tensor)


def hardtanh(
    input: Input, min_val: float | Scalar = -1.0, max_val: float | Scalar = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to the range from min_val to max_val; the gradient at both ends is 0."""
    for end in (min_val, max_val):
        check_number("hardtanh takes numbers as min_val and max_val", end)
    if not min_val < max_val:
        raise ArgumentError(f"hardtanh takes min_val below max_val, got {min_val!r} and {max_val!r}.")
    tensor = ops.as_tensor(input)
    return in_place(
        input, ops.where(tensor <= min_val, min_val, ops.where(tensor >= max_val, max_val, tensor)), inplace
    )


def relu6(input: Input, inplace: bool = False) -> Tensor:
    """x limited to the range from 0 to 6."""
    return in_place(input, hardtanh(input, 0.0, 6.0), inplace)


def threshold(input: Input, threshold: float | Scalar, value: float | Scalar, inplace: bool = False) -> Tensor:
    """x where x > threshold, else a value."""
    tensor = ops.as_tensor(input)
    return in_place(input, ops.where(tensor <= threshold, value, tensor), inplace)


def hardshrink(input: Input, lambd: float | Scalar = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    tensor = ops.as_tensor(input)
    return ops.where(abs(tensor) <= lambd, 0.0, tensor)


def softshrink(input: Input, lambd: float | Scalar = 0.5) -> Tensor:
    """x, nearer to 0 by lambd, and 0 where |x| is at most lambd. Raises ArgumentError for a lambd below 0."""
    if not check_number("softshrink takes lambd of at least 0", lambd) >= 0.0:
        raise ArgumentError(f"softshrink takes lambd of at least 0, got {lambd!r}.")
    tensor = ops.as_tensor(input)
    return ops.where(abs(tensor) <= lambd, tensor * 0.0, tensor - ops.sign(tensor) * lambd)


def hardsigmoid(input: Input, inplace: bool = False) -> Tensor:
    """x / 6 + 1/2, limited to the range from 0 to 1."""
    return in_place(input, hardtanh(ops.as_tensor(input) + 3.0, 0.0, 6.0) / 6.0, inplace)


def hardswish(input: Input, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x). Howard et al., "Searching for MobileNetV3", arXiv:1905.02244, section 5.2."""
    tensor = ops.as_tensor(input)
    return in_place(input, tensor * hardtanh(tensor + 3.0, 0.0, 6.0) / 6.0, inplace)


def gelu(input: Input, approximate: str = "none") -> Tensor:
    """x times the probability that a standard normal variable is below x.

    Hendrycks and Gimpel, "Gaussian error linear units", arXiv:1606.08415, section 2. `approximate="tanh"` is the
    cheaper form given there: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))).
    """
    tensor = ops.as_tensor(input)
    if check_approximation(approximate) == "none":
        return tensor * 0.5 * (ops.erf(tensor * math.sqrt(0.5)) + 1.0)
    inner = (tensor + 0.044715 * (tensor * tensor * tensor)) * math.sqrt(2.0 / math.pi)
    return tensor * 0.5 * (ops.tanh(inner) + 1.0)


def check_approximation(approximate: str) -> str:
    """The argument, if `gelu` knows it; else ArgumentError."""
    return as_choice('gelu takes approximate="none" or "tanh"', approximate, ("none", "tanh"))


def glu(input: Input, dim: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the halves of x along an axis.

    Dauphin et al., "Language modeling with gated convolutional networks", arXiv:1612.08083, section 2.
    """
    tensor = ops.as_tensor(input)
    axis = one_axis(dim, tensor.ndim)
    half, odd = divmod(tensor.shape[axis], 2)
    if odd:
        raise ShapeError(f"glu halves axis {dim} of its input, got shape {tensor.shape}.")
    before = (slice(None),) * axis
    return tensor[(*before, slice(half))] * ops.sigmoid(tensor[(*before, slice(half, None))])


def softmax(input: Input, dim: int | None = None, dtype: object = None) -> Tensor:
    """exp(x) divided by its sum along an axis, computed from x minus its maximum: finite for logits of any size.

    The axis is the last one unless given, which inputs of three axes or more demand (PyTorch would take the first or
    the second): ArgumentError. With a dtype, x is cast to it first.
    """
    tensor, axis = _along("softmax", input, dim, dtype)
    exponentials = ops.exp(_below_maximum(tensor, axis))
    return exponentials / exponentials.sum(axis, keepdims=True)


@all_or_nothing
def gumbel_softmax(
    logits: Input, tau: float | Scalar = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A sample of a categorical distribution, relaxed: the softmax of (logits + g) / tau, with g = -log(-log u).

    u is drawn as by `lucid.rand`. With `hard` it is a vector of one 1, at the largest element, with the gradient of the
    relaxed one. `eps` has no effect, as in PyTorch. Jang, Gu and Poole, arXiv:1611.01144, equation 2.
    """
    tensor = ops.as_tensor(logits)
    if not check_number("gumbel_softmax takes a number as tau", tau) > 0.0:
        raise ArgumentError(f"gumbel_softmax takes tau above 0, got {tau!r}.")
    noise = -ops.log(-ops.log(uniform(0.0, 1.0, tensor.shape, tensor.dtype)))
    soft = softmax((tensor + noise) / tau, dim)
    if not as_flag("hard", hard):
        return soft
    axis = one_axis(dim, tensor.ndim)
    place = ops.expand_dims(soft.argmax(axis), axis)
    classes = ops.arange(tensor.shape[axis]).reshape(-1, *(1,) * (tensor.ndim - 1 - axis))
    return (place == classes).astype(soft.dtype) - soft.detach() + soft


def softmin(input: Input, dim: int | None = None, dtype: object = None) -> Tensor:
    """`softmax` of -x."""
    tensor, axis = _along("softmin", input, dim, dtype)
    return softmax(-tensor, axis)


def log_softmax(input: Input, dim: int | None = None, dtype: object = None) -> Tensor:
    """The logarithm of `softmax`, computed without rounding small probabilities to 0."""
    tensor, axis = _along("log_softmax", input, dim, dtype)
    shifted = _below_maximum(tensor, axis)
    return shifted - ops.log(ops.exp(shifted).sum(axis, keepdims=True))


def _along(name: str, x: Input, dim: int | None, dtype: object) -> tuple[Tensor, int]:
    """The operand of a softmax, and its axis."""
    tensor = ops.as_tensor(x)
    if dim is None and tensor.ndim > 2:
        raise ArgumentError(
            f"{name} of {tensor.ndim} axes takes the one that it sums along, got dim=None.",
            hint="the last one is dim=-1.",
        )
    return tensor if dtype is None else tensor.astype(dtype), -1 if dim is None else dim


def _below_maximum(x: Tensor, dim: int) -> Tensor:
    """x minus its maximum along an axis. The shift cancels out of every use, so its gradient is left out."""
    if x.size == 0:
        return x - 0.0  # there is no maximum
    return x - x.detach().max(dim, keepdims=True)
