"""Transformer encoders and decoders."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError
from lucid.nn import init
from lucid.nn.arguments import check_positive_integer
from lucid.nn.attention import MultiheadAttention
from lucid.nn.container import ModuleList
from lucid.nn.dropout import Dropout
from lucid.nn.linear import Linear
from lucid.nn.module import Module
from lucid.nn.normalization import LayerNorm
from lucid.operations.arguments import as_flag, as_integer, as_shape
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor

Input = Tensor | Array
Activation = str | Callable[[Tensor], Tensor]


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if isinstance(activation, str):
        if activation == "relu":
            return F.relu
        if activation == "gelu":
            return F.gelu
        raise ArgumentError(f'a transformer layer takes activation="relu", "gelu" or a function, got {activation!r}.')
    if not callable(activation):
        raise ArgumentTypeError(f"a transformer layer takes a function as activation, got {activation!r}.")
    return activation


class TransformerEncoderLayer(Module):
    """Self-attention and a two-layer network, each with dropout, a residual connection and a LayerNorm.

    The LayerNorm comes after the residual sum, or at the start of the branch with `norm_first`. Inputs have shape
    (L, N, d_model), (N, L, d_model) with `batch_first`, or (L, d_model). Masks are those of MultiheadAttention.
    Vaswani et al., arXiv:1706.03762, section 3.1; Xiong et al., arXiv:2002.04745, for `norm_first`.
    """

    @all_or_nothing
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = as_flag("norm_first", norm_first)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)
        self._place(device)

    def forward(
        self,
        src: Input,
        src_mask: Input | None = None,
        src_key_padding_mask: Input | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        x = ops.as_tensor(src)
        if self.norm_first:
            x = x + self._attend(self.norm1(x), src_mask, src_key_padding_mask, is_causal)
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + self._attend(x, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(x + self._feed(x))  # type: ignore[no-any-return]  # calls of modules have no type

    def _attend(self, x: Tensor, mask: Input | None, padding: Input | None, is_causal: bool) -> Tensor:
        attended, _ = self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)
        return self.dropout1(attended)  # type: ignore[no-any-return]

    def _feed(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.linear1(x)))
        return self.dropout2(self.linear2(hidden))  # type: ignore[no-any-return]


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's output and a two-layer network, each as in the encoder's layer."""

    @all_or_nothing
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, dtype=dtype)
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        self.norm_first = as_flag("norm_first", norm_first)
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)
        self._place(device)

    def forward(
        self,
        tgt: Input,
        memory: Input,
        tgt_mask: Input | None = None,
        memory_mask: Input | None = None,
        tgt_key_padding_mask: Input | None = None,
        memory_key_padding_mask: Input | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = ops.as_tensor(tgt)
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        if self.norm_first:
            x = x + self._attend(self.norm1(x), *own)
            x = x + self._look_up(self.norm2(x), *other)
            return x + self._feed(self.norm3(x))
        x = self.norm1(x + self._attend(x, *own))
        x = self.norm2(x + self._look_up(x, *other))
        return self.norm3(x + self._feed(x))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor, mask: Input | None, padding: Input | None, is_causal: bool) -> Tensor:
        attended, _ = self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)
        return self.dropout1(attended)  # type: ignore[no-any-return]

    def _look_up(self, x: Tensor, memory: Input, mask: Input | None, padding: Input | None, is_causal: bool) -> Tensor:
        found, _ = self.multihead_attn(x, memory, memory, padding, False, mask, is_causal=is_causal)
        return self.dropout2(found)  # type: ignore[no-any-return]

    def _feed(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.activation(self.linear1(x)))
        return self.dropout3(self.linear2(hidden))  # type: ignore[no-any-return]


class TransformerEncoder(Module):
    """`num_layers` copies of an encoder layer, one after the other, and a norm behind them if given.

    The copies start with the same weights, as in PyTorch. There are no nested tensors, so that the last two arguments
    have no effect.
    """

    norm: Module | None

    @all_or_nothing
    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.num_layers = check_positive_integer("TransformerEncoder", "num_layers", num_layers)
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.add_module("norm", norm)

    def forward(
        self,
        src: Input,
        mask: Input | None = None,
        src_key_padding_mask: Input | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        x, is_causal = ops.as_tensor(src), as_flag("is_causal", is_causal)
        for layer in self.layers:
            x = layer(x, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=is_causal)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """`num_layers` copies of a decoder layer, one after the other, and a norm behind them if given.

    The copies start with the same weights, as in PyTorch.
    """

    norm: Module | None

    @all_or_nothing
    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.num_layers = check_positive_integer("TransformerDecoder", "num_layers", num_layers)
        self.layers = ModuleList(copy.deepcopy(decoder_layer) for _ in range(num_layers))
        self.add_module("norm", norm)

    def forward(
        self,
        tgt: Input,
        memory: Input,
        tgt_mask: Input | None = None,
        memory_mask: Input | None = None,
        tgt_key_padding_mask: Input | None = None,
        memory_key_padding_mask: Input | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = ops.as_tensor(tgt)
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=as_flag("tgt_is_causal", tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder of a sequence, and a decoder that looks at what it gives, each a stack of layers and a LayerNorm.

    src: (S, N, d_model), tgt: (T, N, d_model), or with N first with `batch_first`, or both without N; the result is
    like tgt. Masks are those of MultiheadAttention. Modules may stand in for the encoder and the decoder. Weights with
    more than one axis start by `lucid.nn.init.xavier_uniform_`. Vaswani et al., arXiv:1706.03762, figure 1.
    """

    @all_or_nothing
    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        norms = [LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype) for _ in range(2)]
        for custom in (custom_encoder, custom_decoder):
            if custom is not None and not isinstance(custom, Module):
                raise ArgumentTypeError(
                    f"Transformer takes modules as custom_encoder and custom_decoder, got {type(custom).__name__}."
                )
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*layer, dtype=dtype), num_encoder_layers, norms[0]
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*layer, dtype=dtype), num_decoder_layers, norms[1]
        )
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
        self._place(device)

    def forward(
        self,
        src: Input,
        tgt: Input,
        src_mask: Input | None = None,
        tgt_mask: Input | None = None,
        memory_mask: Input | None = None,
        src_key_padding_mask: Input | None = None,
        tgt_key_padding_mask: Input | None = None,
        memory_key_padding_mask: Input | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        for name, sequence in (("src", src), ("tgt", tgt)):
            shape = ops.as_tensor(sequence).shape
            if not shape or shape[-1] != self.d_model:
                raise ShapeError(f"Transformer takes a {name} of shape (..., {self.d_model}), got {shape}.")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(  # type: ignore[no-any-return]  # calls of modules have no type
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: str | None = None, dtype: object = None) -> Tensor:
        """The causal mask of a sequence: see `lucid.nn.generate_square_subsequent_mask`."""
        return generate_square_subsequent_mask(sz).to(device, dtype)


def generate_square_subsequent_mask(size: int) -> Tensor:
    """The causal mask of a sequence, (size, size): 0 up to the diagonal, negative infinity above it."""
    (extent,) = as_shape(as_integer("generate_square_subsequent_mask takes an integer as size", size))
    positions = ops.arange(extent)
    return ops.where(positions <= positions.unsqueeze(-1), 0.0, -math.inf)
