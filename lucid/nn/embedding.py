"""Embeddings: tables of vectors."""

from __future__ import annotations

import lucid.nn.functional as F
import lucid.operations as ops
from lucid.errors import ShapeError
from lucid.nn.arguments import check_size
from lucid.nn.functional.bags import check_mode
from lucid.nn.functional.embedding import check_dense, check_padding_idx
from lucid.nn.module import Module
from lucid.nn.parameter import Parameter
from lucid.operations.arguments import as_flag, check_number, float_dtype
from lucid.sampling import normal
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor


class Embedding(Module):
    """Row x[i] of a table for each integer of x: maps (...) to (..., embedding_dim).

    `weight` of shape (num_embeddings, embedding_dim) starts normal, with mean 0 and standard deviation 1; the row of
    `padding_idx` starts as zeros and gets no gradient. What the other arguments do, `F.embedding` says. `_weight` is a
    table to start from.
    """

    weight: Parameter

    @all_or_nothing
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | Array | None = None,
        _freeze: bool = False,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = check_size("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = check_size("Embedding", "embedding_dim", embedding_dim)
        check_dense("Embedding", sparse)
        self.max_norm = None if max_norm is None else check_number("Embedding takes a number as max_norm", max_norm)
        self.norm_type = check_number("Embedding takes a number as norm_type", norm_type)
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = check_padding_idx("Embedding", padding_idx, num_embeddings)
        table = _table("Embedding", num_embeddings, embedding_dim, self.padding_idx, dtype, _weight)
        self.weight = Parameter(table, requires_grad=not as_flag("_freeze", _freeze))
        self._place(device)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor | Array,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """An Embedding with a copy of a table of shape (num, dim), which requires no gradient where `freeze` is set."""
        table = _of_two_axes(embeddings)
        count, width = table.shape
        return cls(count, width, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, table, freeze)

    def forward(self, input: Tensor | Array) -> Tensor:
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}{_settings(self)}"


class EmbeddingBag(Module):
    """The sum, the mean or the largest elements of the rows of a table that each bag of integers names.

    Inputs and results are those of `F.embedding_bag`, whose arguments the others are; `weight` is as in `Embedding`.
    """

    weight: Parameter

    @all_or_nothing
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | Array | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: str | None = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = check_size("EmbeddingBag", "num_embeddings", num_embeddings)
        self.embedding_dim = check_size("EmbeddingBag", "embedding_dim", embedding_dim)
        check_dense("EmbeddingBag", sparse)
        self.max_norm = None if max_norm is None else check_number("EmbeddingBag takes a number as max_norm", max_norm)
        self.norm_type = check_number("EmbeddingBag takes a number as norm_type", norm_type)
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = check_mode("EmbeddingBag", mode)
        self.include_last_offset = include_last_offset
        self.padding_idx = check_padding_idx("EmbeddingBag", padding_idx, num_embeddings)
        self.weight = Parameter(_table("EmbeddingBag", num_embeddings, embedding_dim, self.padding_idx, dtype, _weight))
        self._place(device)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor | Array,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """An EmbeddingBag with a copy of a table (num, dim), which requires no gradient where `freeze` is set."""
        table = _of_two_axes(embeddings)
        count, width = table.shape
        how = max_norm, norm_type, scale_grad_by_freq, mode, sparse
        made = cls(count, width, *how, table, include_last_offset, padding_idx)
        made.weight.requires_grad_(not as_flag("freeze", freeze))
        return made

    def forward(
        self,
        input: Tensor | Array,
        offsets: Tensor | Array | None = None,
        per_sample_weights: Tensor | Array | None = None,
    ) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}{_settings(self)}, mode={self.mode!r}"


def _settings(table: Embedding | EmbeddingBag) -> str:
    """The settings of a table that differ from the defaults, for its repr."""
    defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False}
    given = {name: value for name in defaults if (value := getattr(table, name)) != defaults[name]}
    return "".join(f", {name}={value}" for name, value in given.items())


def _table(
    owner: str, count: int, width: int, padding_idx: int | None, dtype: object, given: Tensor | Array | None
) -> Tensor:
    """A table to start from: the one that is given, or a normal one with zeros in the row of padding."""
    if given is None:
        table = normal(0.0, 1.0, (count, width), float_dtype(owner, dtype))
        if padding_idx is not None:
            table[padding_idx] = 0.0
        return table
    table = ops.as_tensor(given)
    if table.shape != (count, width):
        raise ShapeError(f"{owner}({count}, {width}) takes a _weight of shape {(count, width)}, got {table.shape}.")
    return table


def _of_two_axes(embeddings: Tensor | Array) -> Tensor:
    table = ops.as_tensor(embeddings)
    if table.ndim != 2:
        raise ShapeError(f"from_pretrained takes a table of shape (num, dim), got {table.shape}.")
    return table
