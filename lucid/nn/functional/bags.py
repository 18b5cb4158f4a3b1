"""Sums, means and largest elements of the rows of a table that a bag of integers names."""

from __future__ import annotations

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.nn.functional.embedding import Input, check_padding_idx, embedding
from lucid.operations.arguments import as_choice, as_flag
from lucid.operations.bounds import check_holds
from lucid.operations.gathering import rows
from lucid.operations.windows import first_max
from lucid.savepoints import all_or_nothing
from lucid.tensor import Tensor

MODES = ("sum", "mean", "max")


@all_or_nothing
def embedding_bag(
    input: Input,
    weight: Tensor,
    offsets: Input | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Input | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, the mean or the largest elements of the rows of a weight (num, dim) that each bag of integers names.

    input: (B, N), bags of one length, or (L,), with bags one after the other that begin at `offsets` (B,), ascending
    from 0; with `include_last_offset` the last one of them is where the last bag ends. The result is (B, dim), 0 for a
    bag of nothing. Rows of `padding_idx`, which may count from the end, do not count. `per_sample_weights`, for the sum
    alone, are factors of the rows, in the shape of the input. The other arguments are those of `embedding`. Of equal
    largest elements the first has the gradient. Raises CheckError for what is out of range, before anything is written,
    and ShapeError, DTypeError and ArgumentError.
    """
    check_mode("embedding_bag", mode)
    include_last_offset = as_flag("include_last_offset", include_last_offset)
    index, weight = ops.as_tensor(input), ops.as_tensor(weight)
    found = embedding(index, weight, None, max_norm, norm_type, scale_grad_by_freq, sparse)
    if index.ndim not in (1, 2) or (index.ndim == 1) != (offsets is not None):
        raise ShapeError(
            "embedding_bag takes integers (B, N), or (L,) with offsets (B,), "
            f"got {index.shape} {'without' if offsets is None else 'with'} offsets."
        )
    padding = check_padding_idx("embedding_bag", padding_idx, weight.shape[0])
    if per_sample_weights is not None:
        if mode != "sum":
            raise ArgumentError(f'embedding_bag takes per_sample_weights with mode="sum", got {mode!r}.')
        factors = ops.as_tensor(per_sample_weights)
        if factors.shape != index.shape:
            raise ShapeError(
                f"embedding_bag takes per_sample_weights of the shape of its input, {index.shape}, got {factors.shape}."
            )
        found = found * factors.unsqueeze(-1)
    counted = ops.ones_like(index, dtype="bool") if padding is None else index != padding
    if offsets is None:
        return _of_rows(found, counted, mode)
    return _of_runs(found, counted, _starts(offsets, index.shape[0]), mode, include_last_offset)


def check_mode(owner: str, mode: str) -> str:
    """The argument, if bags know it; else ArgumentError."""
    return as_choice(f'{owner} takes mode="sum", "mean" or "max"', mode, MODES)


def _starts(offsets: Input, length: int) -> Tensor:
    starts = ops.as_tensor(offsets)
    if starts.ndim != 1 or not starts.size:
        raise ShapeError(f"embedding_bag takes offsets of one axis, at least one of them, got shape {starts.shape}.")
    if not starts.dtype.is_integer:
        raise DTypeError(f"embedding_bag takes offsets that are integers, got {starts.dtype}.")
    starts = starts.astype("int64")
    ascending = ops.concatenate([starts[:1] == 0, starts[1:] >= starts[:-1]])
    check_holds(
        ops.logical_and(ascending, starts <= length),
        f"embedding_bag takes offsets ascending from 0 to at most {length}",
    )
    return starts


def _of_rows(found: Tensor, counted: Tensor, mode: str) -> Tensor:
    """Bags of one length: found (B, N, dim), of which some count, (B, N)."""
    counts, inside = counted.sum(1).unsqueeze(-1), counted.unsqueeze(-1)
    if mode == "max" and found.shape[1]:
        return ops.where(counts > 0, first_max(ops.where(inside, found, -float("inf")), (1,)), 0.0)
    sums = ops.where(inside, found, 0.0).sum(1)
    return sums / ops.maximum(counts, 1) if mode == "mean" else sums


def _of_runs(found: Tensor, counted: Tensor, starts: Tensor, mode: str, last_is_end: bool) -> Tensor:
    """Bags one after the other: found (L, dim), of which some count, (L,)."""
    length, bags = found.shape[0], starts.shape[0]
    bag = ops.searchsorted(starts, ops.arange(length), right=True) - 1
    kept = bags - 1 if last_is_end else bags
    counts = ops.index_add(ops.zeros(bags, dtype="int64"), 0, bag, counted.astype("int64"))[:kept].unsqueeze(-1)
    if mode == "max":
        if not length:
            return ops.zeros((kept, found.shape[1]), dtype=found.dtype)
        largest = _running_max(ops.where(counted.unsqueeze(-1), found, -float("inf")), bag)
        ends = ops.concatenate([starts[1:], ops.full((1,), length, "int64")])[:kept]
        return ops.where(counts > 0, rows(largest, ops.maximum(ends - 1, 0), 0), 0.0)
    nothing = ops.zeros((bags, found.shape[1]), dtype=found.dtype)
    sums = ops.index_add(nothing, 0, bag, ops.where(counted.unsqueeze(-1), found, 0.0))[:kept]
    return sums / ops.maximum(counts, 1) if mode == "mean" else sums


def _running_max(x: Tensor, bag: Tensor) -> Tensor:
    """The largest of the rows of x (L, dim) from the first one of the same bag on, in log2(L) doublings."""
    step = 1
    while step < x.shape[0]:
        same = (bag[step:] == bag[:-step]).unsqueeze(-1)
        before, here = x[:-step], x[step:]
        stays = ops.logical_and(same, before >= here)  # of equal ones, the first
        x = ops.concatenate([x[:step], ops.where(stays, before, here)])
        step *= 2
    return x
