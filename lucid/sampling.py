"""Tensors of random numbers, eager and compiled. Each function takes one draw of the default stream.

Element i is a function of word i of the draw, or of words 2i and 2i + 1 where 64 bits are needed: see each function,
and `lucid.random` for the stream. Gradients flow into `mean`, `std`, `low` and `high`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import lucid.operations as ops
from lucid.core import Number
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.ir.ops.functions import NormalNumber
from lucid.ir.ops.random import RandomNormal, RandomWord
from lucid.ir.types import (
    DType,
    Shape,
    TensorType,
    as_dtype,
    broadcast_shapes,
    float32,
    float64,
    int64,
    promote,
    uint64,
)
from lucid.operations import Operand
from lucid.operations.arguments import as_flag, as_integer, as_shape, holds
from lucid.operations.bounds import check_holds
from lucid.operations.creation import made
from lucid.operations.operands import apply_op, is_weak
from lucid.random import draw
from lucid.savepoints import all_or_nothing
from lucid.scalars import Scalar
from lucid.tensor import Tensor

Size = int | Sequence[int] | None


@all_or_nothing
def rand(
    *shape: int | Sequence[int], dtype: object = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Numbers spread evenly over [0, 1), of float32 unless given.

    In float32, the upper 24 bits of word i, times 2^-24. In float64, the upper 53 bits of word 2i + 2^32 * word 2i + 1,
    times 2^-53.

    >>> import lucid
    >>> lucid.seed(0)
    >>> print(rand(3))
    [0.39904642, 0.88052016, 0.73571277]
    """
    return made(_unit(as_shape(ops.integers(shape)), _float("rand", dtype)), device, requires_grad)


@all_or_nothing
def randn(
    *shape: int | Sequence[int], dtype: object = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """Numbers of the standard normal distribution, of float32 unless given.

    Each is the z below which such a number lies with probability (word i + 1/2) / 2^32, within 4 ulp: so they reach
    from -6.34 to 6.34. In float64 the probability is (w + 1/2) / 2^53, where w is the upper 53 bits of word 2i + 2^32 *
    word 2i + 1, and they reach from -8.29 to 8.29.
    """
    return made(_normal(as_shape(ops.integers(shape)), _float("randn", dtype)), device, requires_grad)


def rand_like(x: Operand, *, dtype: object = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """`rand` of the shape of x, and of its dtype unless another is given."""
    x = ops.as_tensor(x)
    return rand(x.shape, dtype=x.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


def randn_like(x: Operand, *, dtype: object = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """`randn` of the shape of x, and of its dtype unless another is given."""
    x = ops.as_tensor(x)
    return randn(x.shape, dtype=x.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


@all_or_nothing
def uniform(low: Operand = 0.0, high: Operand = 1.0, size: Size = None, dtype: object = None) -> Tensor:
    """Numbers spread evenly from low to high: low + (high - low) * u, where u is that of `rand`.

    The bounds may be tensors, and broadcast to `size`, or to each other where it is None. The dtype is theirs, or
    float32. Where the sum rounds up, it may be high itself.
    """
    low, high = _parameter(low), _parameter(high)
    shape, kind = _extents("uniform", (low, high), size, dtype)
    if is_weak(low) and is_weak(high):
        if not low <= high:
            raise ArgumentError(f"uniform takes low up to high, got {low!r} and {high!r}.")
    else:
        check_holds(ops.less_equal(low, high), "uniform takes low up to high")
    low, high = _cast(low, kind), _cast(high, kind)
    return low + (high - low) * _unit(shape, kind)


@all_or_nothing
def normal(mean: Operand = 0.0, std: Operand = 1.0, size: Size = None, dtype: object = None) -> Tensor:
    """Numbers of a normal distribution with a mean and a standard deviation: mean + std * z, with the z of `randn`.

    Mean and standard deviation may be tensors, and broadcast to `size`, or to each other where it is None. The dtype is
    theirs, or float32.
    """
    if isinstance(std, int | float) and not std >= 0.0:
        raise ArgumentError(f"normal takes a standard deviation from 0 on, got std={std!r}.")
    mean, std = _parameter(mean), _parameter(std)
    shape, kind = _extents("normal", (mean, std), size, dtype)
    if isinstance(std, Tensor):
        check_holds(std >= 0, "normal takes standard deviations from 0 on")
    return _cast(mean, kind) + _cast(std, kind) * _normal(shape, kind)


@all_or_nothing
def truncated_normal(low: float, high: float, size: Size = None, dtype: object = float32) -> Tensor:
    """Numbers of the standard normal distribution between two bounds, where others are cut off.

    With a and b the probabilities of numbers below the bounds, times 2^32 and rounded towards each other, each is the z
    of `randn` for a + floor(word i * (b - a) / 2^32). In float64 that takes the place of the upper half of the 64 bits,
    and i that of 2i + 1. Raises ArgumentError where no word lies between them.
    """
    if not low < high:
        raise ArgumentError(f"no normal numbers lie between {low} and {high}.")
    ends = [2.0**31 * math.erfc(-bound / math.sqrt(2.0)) for bound in (low, high)]
    first, last = math.ceil(ends[0]), math.floor(ends[1])
    if not first < last:
        raise ArgumentError(f"no normal numbers lie between {low} and {high}.")
    kind = _float("truncated_normal", dtype)
    if kind == float32:
        return draw(lambda number: RandomNormal(number, _shape(size), first, last))
    lower, upper = _two_words(_shape(size))
    return apply_op(NormalNumber(), lower + ((((upper * (last - first)) >> 32) + first) << 32))


@all_or_nothing
def bernoulli(p: Operand, size: Size = None) -> Tensor:
    """1 with probability p, else 0: 1 where word i is less than round(p * 2^32), so where a Dropout would drop.

    p may be a tensor, and broadcasts to `size`. The dtype is that of p, or float32. A number that is not from 0 to 1
    raises ArgumentError, an element of a tensor CheckError, in a compiled step before anything is written.
    """
    if is_weak(p) and not 0.0 <= p <= 1.0:
        raise ArgumentError(f"bernoulli takes a probability from 0 to 1, got p={p!r}.")
    chance = _parameter(p)
    shape, kind = _extents("bernoulli", (chance,), size, None)
    if isinstance(chance, Tensor):
        check_holds(ops.logical_and(chance >= 0, chance <= 1), "bernoulli takes probabilities from 0 to 1")
    if isinstance(chance, Tensor | Scalar):
        exact = ops.as_tensor(chance, float64)
    else:
        exact = ops.constant(chance, TensorType(float64, ()))
    word = draw(lambda number: RandomWord(number, shape))
    return (word.astype(float64) < ops.round(exact * 2.0**32)).astype(kind)


@all_or_nothing
def multinomial(input: Operand, num_samples: int, replacement: bool = False) -> Tensor:
    """Positions along the last axis, drawn in proportion to weights (C,) or (N, C) from 0 on, some a row, as int64.

    With `replacement`, element i is the position at which the running sum of the weights, in float64, passes u times
    their sum, with the u of `rand` in float64. Without, the positions are those of the smallest e / weight, in order,
    with e = -log(1 - u) for each weight: no position comes twice, and one of weight 0 only where there are no others.
    Weights that are negative, infinite or NaN, and rows in which all are 0, raise CheckError.

    >>> import lucid
    >>> lucid.seed(0)
    >>> print(multinomial(lucid.Tensor([0.0, 1.0, 3.0]), 4, replacement=True))
    [2, 2, 2, 1]
    """
    weights = ops.as_tensor(input)
    count = as_integer("multinomial takes a number of samples", num_samples)
    replacement = as_flag("replacement", replacement)
    if weights.ndim not in (1, 2) or not weights.shape[-1]:
        raise ShapeError(f"multinomial takes weights of shape (C,) or (N, C), got {weights.shape}.")
    if not weights.dtype.is_float:
        raise DTypeError(f"multinomial takes weights that are floats, got {weights.dtype}.")
    if count < 1 or (count > weights.shape[-1] and not replacement):
        most = "" if replacement else f" up to {weights.shape[-1]}, the number of weights, without replacement"
        raise ArgumentError(f"multinomial takes a number of samples from 1 on{most}, got {count}.")
    exact = weights.detach().astype(float64)
    check_holds(ops.logical_and(exact >= 0, exact < math.inf), "multinomial takes finite weights from 0 on")
    check_holds(ops.any(exact > 0, -1), "multinomial takes weights of which one at least is above 0")
    if not replacement:
        waiting = -ops.log1p(-_unit(weights.shape, float64)) / exact
        return ops.argsort(ops.nan_to_num(waiting, nan=math.inf, posinf=math.inf), -1)[..., :count]
    sums = ops.cumsum(exact, -1)
    total = sums[..., -1:]
    found = ops.searchsorted(sums, _unit(as_shape((*weights.shape[:-1], count)), float64) * total, right=True)
    return ops.minimum(found, ops.searchsorted(sums, total))  # where the product is rounded up to the sum


@all_or_nothing
def randint(
    low: int,
    high: int | Sequence[int] | None = None,
    size: Size = None,
    dtype: object = None,
    *,
    device: str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from low to high - 1, or from 0 to low - 1 where one bound is given: `randint(10, size)` works too. They
    are int64 unless a dtype is given.

    With n = high - low, which may be up to 2^32, element i is low + floor(word i * n / 2^32). The probability of each
    integer differs from 1 / n by less than 2^-32.
    """
    if isinstance(high, Sequence):
        high, size = None, high
    first, last = (0, low) if high is None else (low, high)
    first, last = (as_integer("randint takes integers as bounds", bound) for bound in (first, last))
    kind = int64 if dtype is None else as_dtype(dtype)
    count = last - first
    if not 0 < count <= 2**32:
        raise ArgumentError(f"randint takes bounds with 1 to 2^32 integers between them, got {first} and {last}.")
    if not kind.is_float and not (kind.is_integer and holds(kind, first) and holds(kind, last - 1)):
        raise DTypeError(f"{kind} does not hold the integers from {first} to {last - 1}.")
    word = draw(lambda number: RandomWord(number, _shape(size)))
    steps = (word.astype(uint64) * count) >> 32
    return made((steps.astype(int64) + first if first else steps).astype(kind), device, requires_grad)


@all_or_nothing
def randperm(n: int, dtype: object = int64, *, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """The integers from 0 to n - 1 in random order: sorted by 64 random bits each, equal ones in ascending order.

    The bits of integer i are word 2i + 2^32 * word 2i + 1, so that a DataLoader shuffles by the same rule.
    """
    count = as_integer("randperm takes a number of integers", n)
    if not 0 <= count < 2**60:
        raise ArgumentError(f"randperm takes a number of integers from 0 on, got {count}.")
    return made(ops.argsort(_long_words((count,))).astype(dtype), device, requires_grad)


def _unit(shape: Shape, dtype: DType) -> Tensor:
    """What `rand` says."""
    if dtype == float32:
        word = draw(lambda number: RandomWord(number, shape))
        return (word >> 8).astype(float32) * 2.0**-24
    return (_long_words(shape) >> 11).astype(float64) * 2.0**-53


def _long_words(shape: Shape) -> Tensor:
    """64 random bits an element, as uint64."""
    lower, upper = _two_words(shape)
    return lower + (upper << 32)


def _two_words(shape: Shape) -> tuple[Tensor, Tensor]:
    """Words 2i and 2i + 1 of a draw, as uint64."""
    words = draw(lambda number: RandomWord(number, (*shape, 2))).astype(uint64)
    return words[..., 0], words[..., 1]


def _normal(shape: Shape, dtype: DType) -> Tensor:
    """What `randn` says."""
    if dtype == float32:
        return draw(lambda number: RandomNormal(number, shape))
    return apply_op(NormalNumber(), _long_words(shape))


def _float(function: str, dtype: object) -> DType:
    kind = float32 if dtype is None else as_dtype(dtype)
    if not kind.is_float:
        raise DTypeError(f"{function} gives floats, got dtype {kind}.")
    return kind


def _shape(size: Size) -> Shape:
    if size is None:
        return ()
    return as_shape(size)


def _extents(
    function: str, parameters: Sequence[Tensor | Number | Scalar], size: Size, dtype: object
) -> tuple[Shape, DType]:
    """The shape and the dtype of the result of parameters that broadcast."""
    tensors = [x for x in parameters if isinstance(x, Tensor)]
    floats = [tensor.dtype for tensor in tensors if tensor.dtype.is_float]
    kind = _float(function, dtype) if dtype is not None else reduce(promote, floats) if floats else float32
    shapes = [tensor.shape for tensor in tensors]
    try:
        shape = broadcast_shapes(*shapes) if size is None else _shape(size)
        fits = broadcast_shapes(shape, *shapes) == shape
    except ValueError:
        fits = False
    if not fits:
        given = " and ".join(map(str, shapes))
        raise ShapeError(f"{function} takes parameters that broadcast to its size, got shapes {given} for size {size}.")
    return shape, kind


def _parameter(x: Operand) -> Tensor | Number | Scalar:
    """A parameter of a distribution: numbers are weak."""
    return x if is_weak(x) else ops.as_tensor(x)


def _cast(x: Tensor | Number | Scalar, dtype: DType) -> Tensor | Number | Scalar:
    return x.astype(dtype) if isinstance(x, Tensor) else x
