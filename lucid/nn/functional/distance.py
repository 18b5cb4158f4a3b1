"""Distances and similarities of vectors, and the losses made of them."""

from __future__ import annotations

import math

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn.functional.activation import logsigmoid
from lucid.nn.functional.loss import check_positive, pair, reduced
from lucid.operations.arguments import as_flag, check_number
from lucid.operations.gathering import rows
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def vector_norm(x: Tensor, p: float, dim: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """sum(|x|^p)^(1/p) along axes, or the largest |x| where p is infinite. The gradient of a norm of 0 is 0."""
    if not check_number("a norm takes p above 0", p) > 0.0:
        raise ArgumentError(f"a norm takes p above 0, got {p!r}.")
    if p == math.inf:
        return abs(x).max(dim, keepdims)
    if p == 1.0:
        return abs(x).sum(dim, keepdims)
    if p == 2.0:
        total = (x * x).sum(dim, keepdims)
    else:
        magnitudes = abs(x)
        nonzero = magnitudes > 0.0  # a power of 0 may have no finite derivative
        total = ops.where(nonzero, ops.where(nonzero, magnitudes, 1.0) ** float(p), 0.0).sum(dim, keepdims)
    zero = total == 0.0
    safe = ops.where(zero, 1.0, total)
    return ops.where(zero, 0.0, ops.sqrt(safe) if p == 2.0 else safe ** (1.0 / p))


def normalize(input: Input, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x divided by its p-norm along an axis, or by eps where the norm is less."""
    tensor = ops.as_tensor(input)
    return tensor / ops.maximum(vector_norm(tensor, p, dim, keepdims=True), eps)


def cosine_similarity(x1: Input, x2: Input, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis, whose norms are taken as eps where they are less."""
    a, b = ops.as_tensor(x1), ops.as_tensor(x2)
    a, b = (x / ops.maximum(vector_norm(x, 2.0, dim, keepdims=True), eps) for x in (a, b))
    return (a * b).sum(dim)


def pairwise_distance(x1: Input, x2: Input, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis."""
    return vector_norm(ops.as_tensor(x1) - x2 + eps, p, -1, keepdim)


def pdist(input: Input, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows of x (N, D), each pair once: (N (N - 1) / 2,), in the order
    (0, 1), (0, 2), ... (1, 2), ... Raises ShapeError and ArgumentError."""
    x = ops.as_tensor(input)
    if x.ndim != 2:
        raise ShapeError(f"pdist takes an input of shape (N, D), got {x.shape}.")
    first, second = np.triu_indices(x.shape[0], 1)
    return vector_norm(rows(x, ops.as_tensor(first), 0) - rows(x, ops.as_tensor(second), 0), p, -1)


def cosine_embedding_loss(
    input1: Input, input2: Input, target: Input, margin: float | Scalar = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(input1, input2) where the target is 1, max(0, cos(input1, input2) - margin) where it is -1.

    input1, input2: (N, D) with a target of shape (N,), or (D,) with one of shape (). Squared norms have 1e-12 added.
    """
    a, b = pair("cosine_embedding_loss", input1, input2)
    y = ops.as_tensor(target)
    if a.ndim not in (1, 2) or y.shape != a.shape[:-1]:
        raise ShapeError(
            "cosine_embedding_loss takes inputs of shape (N, D) and a target of shape (N,), or (D,) and (), "
            f"got {a.shape} and {y.shape}."
        )
    squares = ((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12)
    cosine = (a * b).sum(-1) / ops.sqrt(squares)
    apart = ops.where(y == -1, ops.relu(cosine - margin), 0.0)
    return reduced(ops.where(y == 1, 1.0 - cosine, apart), reduction)


def triplet_margin_loss(
    anchor: Input,
    positive: Input,
    negative: Input,
    margin: float | Scalar = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, distance(anchor, positive) - distance(anchor, negative) + margin), along the last axis.

    With `swap`, the negative is as far as from the nearer of anchor and positive. Balntas et al., "Learning local
    feature descriptors with triplets", BMVC 2016, equations 1 and 4.
    """
    check_positive("triplet_margin_loss", "margin", margin)
    a, b = pair("triplet_margin_loss", anchor, positive)
    _, c = pair("triplet_margin_loss", anchor, negative)
    near, far = pairwise_distance(a, b, p, eps), pairwise_distance(a, c, p, eps)
    if as_flag("swap", swap):
        far = ops.minimum(far, pairwise_distance(b, c, p, eps))
    return reduced(ops.relu(near - far + margin), reduction)


def margin_ranking_loss(
    input1: Input, input2: Input, target: Input, margin: float | Scalar = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, -y * (input1 - input2) + margin): 0 where input1 is larger by the margin for y = 1, smaller for y = -1."""
    a, b = pair("margin_ranking_loss", input1, input2)
    _, y = pair("margin_ranking_loss", input1, target)
    return reduced(ops.relu(-y * (a - b) + margin), reduction)


def hinge_embedding_loss(input: Input, target: Input, margin: float | Scalar = 1.0, reduction: str = "mean") -> Tensor:
    """A distance x where the target is 1, max(0, margin - x) where it is -1."""
    distance, y = pair("hinge_embedding_loss", input, target)
    return reduced(ops.where(y == 1, distance, ops.relu(margin - distance)), reduction)


def soft_margin_loss(input: Input, target: Input, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-y * x)) for targets y of 1 and -1, finite for x of any size."""
    score, y = pair("soft_margin_loss", input, target)
    return reduced(-logsigmoid(y * score), reduction)
