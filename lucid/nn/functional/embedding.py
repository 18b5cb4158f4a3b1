"""Rows of a table for integers, and vectors of one 1."""

from __future__ import annotations

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError, TraceError
from lucid.modes import current_tracer, no_grad
from lucid.operations.arguments import as_flag, as_integer
from lucid.operations.gathering import rows
from lucid.savepoints import all_or_nothing
from lucid.tensor import Array, Tensor

Input = Tensor | Array


@all_or_nothing
def embedding(
    input: Input,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Row x[i] of the weight for each element of x, integers of any shape from 0 to the number of rows - 1.

    weight: (num, dim); the result is (*x.shape, dim). Rows of `padding_idx`, which may count from the end, give the
    weight no gradient; other gradients are added up in the order of x, and divided by how often a row is read with
    `scale_grad_by_freq`. With `max_norm`, rows that are read and whose norm of the order `norm_type` is larger are
    scaled down to it before, in the weight itself, which is a leaf then. Gradients are dense: `sparse` raises
    ArgumentError. Raises CheckError for an element of x out of range, before anything is written, and DTypeError and
    ShapeError.
    """
    index, weight = ops.as_tensor(input), ops.as_tensor(weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding takes a weight of shape (num, dim), got {weight.shape}.")
    if not index.dtype.is_integer:
        raise DTypeError(f"embedding takes integers, got {index.dtype}.", hint='cast them: x.astype("int64")')
    check_dense("embedding", sparse)
    padding = check_padding_idx("embedding", padding_idx, weight.shape[0])
    ops.check_index(index, weight.shape[0], "index")
    if max_norm is not None:
        _limit_norms(weight, _readings(index, weight.shape[0]) > 0, max_norm, norm_type)
    found = rows(weight, index, 0)
    if as_flag("scale_grad_by_freq", scale_grad_by_freq):
        share = 1.0 / rows(_readings(index, weight.shape[0]), index, 0).astype(weight.dtype).unsqueeze(-1)
        found = found.detach() + (found - found.detach()) * share  # the same values, with a part of the gradient
    return found if padding is None else ops.where((index == padding).unsqueeze(-1), found.detach(), found)


def _readings(index: Tensor, count: int) -> Tensor:
    """How often each of so many rows is read, as int64."""
    ones = ops.ones(index.size, dtype="int64")
    return ops.scatter_add(ops.zeros(count, dtype="int64"), 0, index.reshape(index.size), ones)


def _limit_norms(weight: Tensor, read: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale rows that are read and have larger norms down, in place, as `torch.renorm` does."""
    with no_grad():
        norms = ops.norm(weight, norm_type, 1)
        too_large = ops.logical_and(read, norms > max_norm)
        factors = ops.where(too_large, max_norm / (norms + 1e-7), 1.0)
        weight.copy_(weight * factors.unsqueeze(-1))


def check_dense(owner: str, sparse: bool) -> None:
    """Raise ArgumentError for a table whose gradients shall be sparse."""
    if as_flag("sparse", sparse):
        raise ArgumentError(
            f"{owner} takes sparse=False only.", hint="gradients have the shape of the table, with 0 in rows not read."
        )


def check_padding_idx(owner: str, padding_idx: int | None, count: int) -> int | None:
    """The row that a padding index means, if there is one; else ArgumentError."""
    if padding_idx is None:
        return None
    padding_idx = as_integer(f"{owner} takes an integer as padding_idx", padding_idx)
    if not -count <= padding_idx < count:
        raise ArgumentError(f"{owner} takes a padding_idx from {-count} to {count - 1}, got {padding_idx!r}.")
    return padding_idx % count


def one_hot(tensor: Input, num_classes: int = -1) -> Tensor:
    """int64 vectors with a 1 at each element of x, integers from 0 to num_classes - 1: (*x.shape, num_classes).

    The default of -1 stands for the largest element + 1, in eager code: a compiled function would have a shape that
    depends on data, and raises TraceError. Raises CheckError for an element out of range, before anything is written.
    """
    index = ops.as_tensor(tensor)
    if not index.dtype.is_integer:
        raise DTypeError(f"one_hot takes integers, got {index.dtype}.")
    num_classes = as_integer("one_hot takes a number of classes", num_classes)
    if num_classes == -1:
        num_classes = _number_of_classes(index)
    if num_classes < 1:
        raise ArgumentError(f"one_hot takes the number of classes, from 1 on, got num_classes={num_classes!r}.")
    ops.check_index(index, num_classes, "class")
    return (index.astype("int64").unsqueeze(-1) == ops.arange(num_classes)).astype("int64")


def _number_of_classes(index: Tensor) -> int:
    """How many classes there are, as far as the largest one tells."""
    if current_tracer() is not None:
        raise TraceError(
            "one_hot takes its number of classes from the data, which is only known when the compiled step runs.",
            hint="give num_classes.",
        )
    if not index.size:
        raise ArgumentError("one_hot takes its number of classes from the data, got none.", hint="give num_classes.")
    return max(int(index.max()) + 1, 1)
