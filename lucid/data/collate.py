"""Collate: from samples to a batch. Convert: a sample that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lucid.conversion import to_array
from lucid.errors import ArgumentError, ArgumentTypeError
from lucid.tensor import Tensor

HINT = "pass a collate_fn that makes a batch of them."


def collate(samples: Sequence[Any]) -> Any:
    """A batch of the structure that the samples share: tuples, lists and dicts of stacked NumPy arrays.

    Arrays and tensors of one shape and dtype are stacked along a new leading axis; Python numbers become an array as
    they become a Tensor (floats float32, ints int64); strings stay a list. Raises ArgumentError for samples that
    differ in structure, shape or dtype.

    >>> collate([(np.zeros(2, "float32"), 0), (np.ones(2, "float32"), 1)])
    (array([[0., 0.],
           [1., 1.]], dtype=float32), array([0, 1]))
    """
    if not isinstance(samples, Sequence):
        raise ArgumentTypeError(f"collate takes a list of samples, got {type(samples).__name__}.")
    if not samples:
        raise ArgumentError("collate takes at least one sample.")
    return _collate(samples, "samples")


def _collate(items: Sequence[Any], where: str) -> Any:
    first = items[0]
    if isinstance(first, Mapping):
        _require_equal([tuple(item) if isinstance(item, Mapping) else type(item) for item in items], where, "keys")
        return {key: _collate([item[key] for item in items], f"{where}[{key!r}]") for key in first}
    if isinstance(first, tuple | list):
        _require_equal([len(x) if isinstance(x, tuple | list) else type(x) for x in items], where, "length")
        columns = [_collate([item[i] for item in items], f"{where}[{i}]") for i in range(len(first))]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    if isinstance(first, str | bytes):
        return list(items)
    if isinstance(first, bool | int | float) and not isinstance(first, np.generic):
        return to_array(list(items))
    if isinstance(first, Tensor) or hasattr(first, "__array__"):
        arrays = [to_array(item) for item in items]
        _require_equal([array.shape for array in arrays], where, "shape")
        _require_equal([str(array.dtype) for array in arrays], where, "dtype")
        return np.stack(arrays)
    raise ArgumentError(f"no array can be made of {where}, which are of type {type(first).__name__}.", hint=HINT)


def convert(sample: Any) -> Any:
    """A sample with NumPy arrays in the place of arrays and tensors of whatever kind, in tuples, lists and dicts too.

    All else is left as it is, Python's numbers among it.
    """
    if isinstance(sample, Mapping):
        return {key: convert(item) for key, item in sample.items()}
    if isinstance(sample, tuple | list):
        items = [convert(item) for item in sample]
        return type(sample)(*items) if hasattr(sample, "_fields") else type(sample)(items)
    return to_array(sample) if isinstance(sample, Tensor) or hasattr(sample, "__array__") else sample


def _require_equal(properties: Sequence[Any], where: str, what: str) -> None:
    """Raise ArgumentError unless all samples of a batch have the same property."""
    for other in properties:
        if other != properties[0]:
            raise ArgumentError(f"{where} of one batch differ in {what}: {properties[0]} and {other}.", hint=HINT)
