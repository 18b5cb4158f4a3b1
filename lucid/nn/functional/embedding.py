"""Rows of a table for integers, and vectors of one 1."""

from __future__ import annotations

import lucid.operations as ops
from lucid.errors import ArgumentError, DTypeError, ShapeError
from lucid.operations.gathering import rows
from lucid.tensor import Array, Tensor

Input = Tensor | Array


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
    weight no gradient; other gradients are added up in the order of x. The arguments behind it have PyTorch's defaults
    and take no other values: ArgumentError. Raises CheckError for an element of x out of range, before anything is
    written, and DTypeError and ShapeError.
    """
    index, weight = ops.as_tensor(input), ops.as_tensor(weight)
    if weight.ndim != 2:
        raise ShapeError(f"embedding takes a weight of shape (num, dim), got {weight.shape}.")
    if not index.dtype.is_integer:
        raise DTypeError(f"embedding takes integers, got {index.dtype}.", hint='cast them: x.astype("int64")')
    check_plain_embedding("embedding", max_norm, scale_grad_by_freq, sparse)
    padding = check_padding_idx("embedding", padding_idx, weight.shape[0])
    ops.check_index(index, weight.shape[0], "index")
    found = rows(weight, index, 0)
    return found if padding is None else ops.where((index == padding).unsqueeze(-1), found.detach(), found)


def check_plain_embedding(owner: str, max_norm: float | None, scale_grad_by_freq: bool, sparse: bool) -> None:
    """Raise ArgumentError unless the arguments of an embedding that Lucid does not have are at their defaults."""
    if max_norm is not None:
        raise ArgumentError(
            f"{owner} takes max_norm=None only, got {max_norm!r}.",
            hint="reading a table does not change it here: scale its rows after optimizer.step()",
        )
    if scale_grad_by_freq or sparse:
        name = "scale_grad_by_freq" if scale_grad_by_freq else "sparse"
        raise ArgumentError(f"{owner} takes {name}=False only.")


def check_padding_idx(owner: str, padding_idx: int | None, count: int) -> int | None:
    """The row that a padding index means, if there is one; else ArgumentError."""
    if padding_idx is None:
        return None
    if not -count <= padding_idx < count:
        raise ArgumentError(f"{owner} takes a padding_idx from {-count} to {count - 1}, got {padding_idx!r}.")
    return padding_idx % count


def one_hot(tensor: Input, num_classes: int = -1) -> Tensor:
    """int64 vectors with a 1 at each element of x, integers from 0 to num_classes - 1: (*x.shape, num_classes).

    PyTorch's default of -1, the largest element + 1, would be a shape that depends on data: ArgumentError. Raises
    CheckError for an element out of range, before anything is written.
    """
    index = ops.as_tensor(tensor)
    if not index.dtype.is_integer:
        raise DTypeError(f"one_hot takes integers, got {index.dtype}.")
    if num_classes < 1:
        raise ArgumentError(f"one_hot takes the number of classes, from 1 on, got num_classes={num_classes!r}.")
    ops.check_index(index, num_classes, "class")
    return (index.astype("int64").unsqueeze(-1) == ops.arange(num_classes)).astype("int64")
