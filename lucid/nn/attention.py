"""MultiheadAttention."""

from __future__ import annotations

import math

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ArgumentError, ShapeError
from lucid.nn import init
from lucid.nn.arguments import check_positive_integer
from lucid.nn.functional.attention import attention_weights
from lucid.nn.linear import Linear
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations.arguments import as_flag, float_dtype
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor

Input = Tensor | Array


class MultiheadAttention(Module):
    """Attention in `num_heads` subspaces: queries (L, N, embed_dim) look up keys (S, N, kdim) and values (S, N, vdim).

    With `batch_first`, the axes are (N, L, embed_dim); inputs without N are taken as well. Query, key and value are
    projected by the rows of `in_proj_weight` (3 * embed_dim, embed_dim), or by `q_proj_weight`, `k_proj_weight` and
    `v_proj_weight` where kdim or vdim differ from it, and `in_proj_bias`; the result goes through `out_proj`.
    `add_bias_kv` adds the trained `bias_k` and `bias_v` to the keys and values as one more position, `add_zero_attn`
    zeros.
    In training, attention weights are dropped with probability `dropout`.
    Vaswani et al., "Attention is all you need", arXiv:1706.03762, section 3.2.2.
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    @all_or_nothing
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.embed_dim = check_positive_integer("MultiheadAttention", "embed_dim", embed_dim)
        self.num_heads = check_positive_integer("MultiheadAttention", "num_heads", num_heads)
        if embed_dim % num_heads:
            raise ArgumentError(
                f"MultiheadAttention takes embed_dim in a multiple of num_heads, got {embed_dim} and {num_heads}."
            )
        self.kdim = embed_dim if kdim is None else check_positive_integer("MultiheadAttention", "kdim", kdim)
        self.vdim = embed_dim if vdim is None else check_positive_integer("MultiheadAttention", "vdim", vdim)
        dtype = float_dtype("MultiheadAttention", dtype)
        self.dropout = F.check_probability(dropout)
        bias, add_bias_kv = as_flag("bias", bias), as_flag("add_bias_kv", add_bias_kv)
        self.add_zero_attn = as_flag("add_zero_attn", add_zero_attn)
        self.batch_first = as_flag("batch_first", batch_first)
        together = self.kdim == self.vdim == embed_dim
        for name, shape in (
            ("in_proj_weight", (3 * embed_dim, embed_dim) if together else None),
            ("q_proj_weight", None if together else (embed_dim, embed_dim)),
            ("k_proj_weight", None if together else (embed_dim, self.kdim)),
            ("v_proj_weight", None if together else (embed_dim, self.vdim)),
        ):
            weight = None if shape is None else Parameter(init.xavier_uniform_(ops.zeros(shape, dtype=dtype)))
            self.register_parameter(name, weight)
        self.register_parameter("in_proj_bias", Parameter(ops.zeros(3 * embed_dim, dtype=dtype)) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)
        for name in ("bias_k", "bias_v"):
            extra = Parameter(init.xavier_normal_(ops.zeros(1, 1, embed_dim, dtype=dtype))) if add_bias_kv else None
            self.register_parameter(name, extra)
        self._place(device)

    def forward(
        self,
        query: Input,
        key: Input,
        value: Input,
        key_padding_mask: Input | None = None,
        need_weights: bool = True,
        attn_mask: Input | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The result, of the query's shape, and the attention weights (N, L, S) if `need_weights`, else None.

        `key_padding_mask` (N, S) and `attn_mask` (L, S) or (N * num_heads, L, S) hold bools, true where a key is *not*
        attended to, or floats that are added to the scores. `is_causal` masks the keys behind each query as well. The
        weights are means over the heads, or (N, num_heads, L, S) without `average_attn_weights`. A query that attends
        to nothing gets weights of 0.
        """
        need_weights, is_causal = as_flag("need_weights", need_weights), as_flag("is_causal", is_causal)
        average_attn_weights = as_flag("average_attn_weights", average_attn_weights)
        q, k, v = self._project(*(ops.as_tensor(x) for x in (query, key, value)))
        single = q.ndim == 2
        if single:
            q, k, v = (x.unsqueeze(0) for x in (q, k, v))
        elif not self.batch_first:
            q, k, v = (x.transpose(0, 1) for x in (q, k, v))
        if k.shape[:2] != v.shape[:2] or q.shape[0] != k.shape[0]:
            raise ShapeError(
                "MultiheadAttention takes as many keys as values, and one batch, "
                f"got shapes {ops.as_tensor(query).shape}, {ops.as_tensor(key).shape} and {ops.as_tensor(value).shape}."
            )
        batch, queries, keys = q.shape[0], q.shape[1], k.shape[1]
        mask = self._mask(key_padding_mask, attn_mask, (batch, self.num_heads, queries, keys))
        k, v = (self._extended(x, bias) for x, bias in ((k, self.bias_k), (v, self.bias_v)))
        extra = k.shape[1] - keys
        if mask is not None and extra:
            mask = F.pad(ops.broadcast_to(mask, (*mask.shape[:-1], keys)), (0, extra))
        q, k, v = (self._heads(x) for x in (q, k, v))
        scores = ops.matmul(q * (1.0 / math.sqrt(self.embed_dim // self.num_heads)), k.mT)
        weights = attention_weights(scores, mask, is_causal)
        if self.training and self.dropout:
            weights = F.dropout(weights, self.dropout)
        joined = ops.matmul(weights, v).transpose(1, 2).reshape(batch, queries, self.embed_dim)
        result = self.out_proj(joined)
        if average_attn_weights and need_weights:
            weights = weights.mean(1)
        if single:
            return result.squeeze(0), weights.squeeze(0) if need_weights else None
        return result if self.batch_first else result.transpose(0, 1), weights if need_weights else None

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for name, x, width in (("query", query, self.embed_dim), ("key", key, self.kdim), ("value", value, self.vdim)):
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != width:
                raise ShapeError(f"MultiheadAttention takes a {name} of 2 or 3 axes ending in {width}, got {x.shape}.")
        width, bias = self.embed_dim, self.in_proj_bias
        if self.in_proj_weight is not None and key is query and value is query:  # one product instead of three
            joined = F.linear(query, self.in_proj_weight, bias)
            return joined[..., :width], joined[..., width : 2 * width], joined[..., 2 * width :]
        parts = [slice(i * width, (i + 1) * width) for i in range(3)]
        if self.in_proj_weight is not None:
            weights = [self.in_proj_weight[part] for part in parts]
        else:
            separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            weights = [weight for weight in separate if weight is not None]
        biases = [None if bias is None else bias[part] for part in parts]
        q, k, v = (F.linear(*each) for each in zip((query, key, value), weights, biases, strict=True))
        return q, k, v

    def _heads(self, x: Tensor) -> Tensor:
        """(N, L, E) as (N, heads, L, E / heads)."""
        batch, length, width = x.shape
        return x.reshape(batch, length, self.num_heads, width // self.num_heads).transpose(1, 2)

    def _extended(self, x: Tensor, bias: Parameter | None) -> Tensor:
        """Keys or values (N, S, E) and the positions that are added to them."""
        parts = [x]
        if bias is not None:
            parts.append(ops.broadcast_to(bias, (x.shape[0], 1, x.shape[2])))
        if self.add_zero_attn:
            parts.append(ops.zeros(x.shape[0], 1, x.shape[2], dtype=x.dtype))
        return ops.concatenate(parts, 1) if len(parts) > 1 else x

    def _mask(
        self, key_padding_mask: Input | None, attn_mask: Input | None, shape: tuple[int, int, int, int]
    ) -> Tensor | None:
        """Both masks as one that is added to scores of a shape (N, heads, L, S)."""
        batch, heads, queries, keys = shape
        mask = None
        if attn_mask is not None:
            mask = _additive(ops.as_tensor(attn_mask))
            if mask.shape == (batch * heads, queries, keys):
                mask = mask.reshape(shape)
            elif mask.shape != (queries, keys):
                raise ShapeError(
                    f"MultiheadAttention takes an attn_mask of shape {(queries, keys)} or "
                    f"{(batch * heads, queries, keys)}, got {mask.shape}."
                )
        if key_padding_mask is not None:
            padding = _additive(ops.as_tensor(key_padding_mask))
            if padding.shape not in ((batch, keys), (keys,)) or (padding.ndim == 1 and batch != 1):
                raise ShapeError(
                    f"MultiheadAttention takes a key_padding_mask of shape {(batch, keys)}, got {padding.shape}."
                )
            padding = padding.reshape(batch, 1, 1, keys)
            mask = padding if mask is None else mask + padding
        return mask

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}"


def _additive(mask: Tensor) -> Tensor:
    """A mask of bools as 0s and, where it is true, negative infinities."""
    return ops.where(mask, -math.inf, 0.0) if str(mask.dtype) == "bool" else mask
