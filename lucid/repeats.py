"""What `repeat` makes of its arguments: how many calls there are, and what the first one is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError
from lucid.signature import flatten_call
from lucid.tensor import Tensor


def expect_no_list(arguments: Sequence[Any]) -> None:
    """Raise for a list that holds arrays: it is taken for batches, which are to be one array."""
    for argument in arguments:
        leaves = flatten_call((argument,), {})[0] if isinstance(argument, list) else []
        if any(isinstance(leaf, np.ndarray | Tensor) for leaf in leaves):
            raise ArgumentTypeError(
                f"repeat takes arrays with a leading axis, got a list of {len(argument)} that holds arrays.",
                hint="numpy.stack(batches) or lucid.stack(batches) makes one array of a list of batches; "
                "several arrays for one argument of the step are a tuple or a dict.",
            )


def leading_extent(leaves: Sequence[Any]) -> int:
    """The extent of the leading axis of all arrays among the leaves of a call."""
    shapes = [leaf.shape for leaf in leaves if isinstance(leaf, np.ndarray | Tensor)]
    extents = {shape[:1] for shape in shapes}
    if len(extents) != 1 or not extents <= {shape[:1] for shape in shapes if shape and shape[0] > 0}:
        found = f"shapes {', '.join(map(str, shapes))}" if shapes else "no array"
        hint = "the leading axis counts the calls: step.repeat(xs) calls step(x) for each x of xs."
        if not shapes and len(leaves) > 1:
            hint = "numbers in lists are arguments of their own: write step.repeat(numpy.array(xs))."
        raise ShapeError(f"repeat takes arrays that share a leading axis with elements, got {found}.", hint=hint)
    return int(shapes[0][0])


def first_element(leaf: Any) -> Any:
    """What the first call of `repeat` is given for a leaf."""
    if isinstance(leaf, np.ndarray):
        return np.asarray(leaf[0])
    if isinstance(leaf, Tensor):
        if leaf.requires_grad:
            raise ArgumentError("repeat takes tensors that require no gradient.", hint="pass x.detach()")
        return Tensor(leaf.numpy()[0])
    return leaf
