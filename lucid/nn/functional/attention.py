"""Attention."""

from __future__ import annotations

import math

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.nn.functional.dropout import check_probability, dropout
from lucid.operations.arguments import as_flag
from lucid.savepoints import all_or_nothing
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

Input = Tensor | Array


@all_or_nothing
def scaled_dot_product_attention(
    query: Input,
    key: Input,
    value: Input,
    attn_mask: Input | None = None,
    dropout_p: float | Scalar = 0.0,
    is_causal: bool = False,
    scale: float | Scalar | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key.mT * scale) @ value, with scale = 1 / sqrt(E) unless given.

    query: (..., L, E), key: (..., S, E), value: (..., S, V); the result is (..., L, V). `attn_mask` broadcasts to
    (..., L, S): bools, true where a query attends to a key, or floats that are added before the softmax. `is_causal`
    lets query i attend to the keys up to i. A query that attends to nothing gives 0. `dropout_p` applies whenever
    it is not 0: pass 0 in evaluation. With `enable_gqa`, axis -3 of the query is a multiple of that of key and value,
    each of which serves several heads. Raises ArgumentError where a mask comes with `is_causal`.
    Vaswani et al., arXiv:1706.03762, equation 1.
    """
    q, k, v = ops.as_tensor(query), ops.as_tensor(key), ops.as_tensor(value)
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            "scaled_dot_product_attention takes a query (..., L, E), a key (..., S, E) and a value (..., S, V), "
            f"got shapes {q.shape}, {k.shape} and {v.shape}."
        )
    if as_flag("is_causal", is_causal) and attn_mask is not None:
        raise ArgumentError(
            "scaled_dot_product_attention takes attn_mask or is_causal, got both.",
            hint="let the mask be causal, too: attn_mask.tril() for bools.",
        )
    if as_flag("enable_gqa", enable_gqa):
        k, v = _repeated_heads(k, q), _repeated_heads(v, q)
    dropout_p = check_probability(dropout_p)
    factor = 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
    weights = attention_weights(ops.matmul(q * factor, k.mT), attn_mask, is_causal)
    return ops.matmul(dropout(weights, dropout_p) if dropout_p else weights, v)


def _repeated_heads(x: Tensor, query: Tensor) -> Tensor:
    """x with each head repeated until there are as many as the query has."""
    if x.ndim < 3 or query.ndim < 3 or not x.shape[-3] or query.shape[-3] % x.shape[-3]:
        raise ShapeError(
            "scaled_dot_product_attention with enable_gqa takes query heads in a multiple of the number of key heads, "
            f"got shapes {query.shape} and {x.shape}."
        )
    *batch, heads, length, width = x.shape
    count = query.shape[-3] // heads
    return ops.broadcast_to(x.unsqueeze(-3), (*batch, heads, count, length, width)).reshape(
        *batch, heads * count, length, width
    )


def attention_weights(scores: Tensor, attn_mask: Input | None, is_causal: bool = False) -> Tensor:
    """The softmax of scores (..., L, S) over the keys that a mask leaves; 0 for a query that it leaves none."""
    queries, keys = scores.shape[-2:]
    if is_causal:
        allowed = ops.arange(keys) <= ops.arange(queries).unsqueeze(-1)
        scores = ops.where(allowed, scores, -math.inf)
    if attn_mask is not None:
        scores = _masked(scores, ops.as_tensor(attn_mask))
    if not keys:
        return scores
    highest = scores.detach().max(-1, keepdims=True)
    exponentials = ops.exp(scores - ops.where(highest == -math.inf, 0.0, highest))
    total = exponentials.sum(-1, keepdims=True)
    return exponentials / ops.where(total == 0.0, 1.0, total)


def _masked(scores: Tensor, mask: Tensor) -> Tensor:
    if str(mask.dtype) == "bool":
        masked = ops.where(mask, scores, -math.inf)
    elif mask.dtype.is_float:
        masked = scores + mask.astype(scores.dtype)
    else:
        raise DTypeError(f"an attention mask holds bools or floats, got {mask.dtype}.")
    if masked.shape != scores.shape:
        raise ShapeError(f"an attention mask broadcasts to the scores, {scores.shape}, got shape {mask.shape}.")
    return masked
