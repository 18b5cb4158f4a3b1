"""NumPy's other functions, called on Tensors: `np.mean(tensor, 0)` is `lucid.mean(tensor, 0)`, in a trace too.

Those that only look at elements, such as `np.array_equal`, work on the arrays. What has neither a counterpart nor only
looks is refused: its result would be an array, and the gradient cut in silence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import lucid.operations as ops
from lucid.errors import ArgumentError
from lucid.ir.types import bool_

# By NumPy's function, Lucid's under NumPy's names of arguments: what is not a parameter here has no counterpart.
COUNTERPARTS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.all: lambda a, axis=None, *, keepdims=False: ops.all(ops.as_tensor(a).astype(bool_), axis, keepdims),
    np.any: lambda a, axis=None, *, keepdims=False: ops.any(ops.as_tensor(a).astype(bool_), axis, keepdims),
    np.argmax: lambda a, axis=None, *, keepdims=False: ops.argmax(a, axis, keepdims),
    np.argmin: lambda a, axis=None, *, keepdims=False: ops.argmin(a, axis, keepdims),
    np.argsort: lambda a, axis=-1: ops.argsort(a, axis),
    np.broadcast_to: lambda array, shape: ops.broadcast_to(array, shape),
    np.clip: lambda a, a_min=None, a_max=None: ops.clip(a, a_min, a_max),
    np.concatenate: lambda arrays, axis=0: ops.concatenate(arrays, axis),
    np.cumsum: lambda a, axis=None: ops.cumsum(a, axis),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: ops.diagonal(a, offset, axis1, axis2),
    np.expand_dims: lambda a, axis: ops.expand_dims(a, axis),
    np.flip: lambda m, axis=None: ops.flip(m, axis),
    np.full_like: lambda a, fill_value, dtype=None: ops.full_like(a, fill_value, dtype),
    np.max: lambda a, axis=None, *, keepdims=False: ops.max(a, axis, keepdims),
    np.mean: lambda a, axis=None, *, keepdims=False: ops.mean(a, axis, keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: ops.min(a, axis, keepdims),
    np.moveaxis: lambda a, source, destination: ops.moveaxis(a, source, destination),
    np.ones_like: lambda a, dtype=None: ops.ones_like(a, dtype),
    np.prod: lambda a, axis=None, *, keepdims=False: ops.prod(a, axis, keepdims),
    np.ravel: lambda a: ops.reshape(a, (-1,)),
    np.reshape: lambda a, shape: ops.reshape(a, ops.integers((shape,))),
    np.roll: lambda a, shift, axis=None: ops.roll(a, shift, axis),
    np.round: lambda a: ops.round(a),
    np.squeeze: lambda a, axis=None: ops.squeeze(a, axis),
    np.stack: lambda arrays, axis=0: ops.stack(arrays, axis),
    np.std: lambda a, axis=None, *, ddof=0, keepdims=False: ops.std(a, axis, keepdims=keepdims, correction=ddof),
    np.sum: lambda a, axis=None, *, keepdims=False: ops.sum(a, axis, keepdims),
    np.swapaxes: lambda a, axis1, axis2: ops.transpose(a, axis1, axis2),
    np.take: lambda a, indices, axis=None: ops.take(a, indices, axis),
    np.take_along_axis: lambda arr, indices, axis=-1: ops.take_along_axis(arr, indices, axis),
    np.transpose: lambda a, axes=None: ops.permute(a, range(np.ndim(a))[::-1] if axes is None else axes),
    np.tril: lambda m, k=0: ops.tril(m, k),
    np.triu: lambda m, k=0: ops.triu(m, k),
    np.var: lambda a, axis=None, *, ddof=0, keepdims=False: ops.var(a, axis, keepdims=keepdims, correction=ddof),
    np.where: lambda condition, x, y: ops.where(condition, x, y),
    np.zeros_like: lambda a, dtype=None: ops.zeros_like(a, dtype),
}

# What only looks at a Tensor, or takes its elements out where that is what it is called for.
READING: frozenset[Callable[..., Any]] = frozenset(
    {
        np.allclose,
        np.array2string,
        np.array_equal,
        np.array_equiv,
        np.array_repr,
        np.array_str,
        np.copyto,
        np.iscomplexobj,
        np.isclose,
        np.isrealobj,
        np.may_share_memory,
        np.ndim,
        np.result_type,
        np.save,
        np.savetxt,
        np.savez,
        np.savez_compressed,
        np.shape,
        np.shares_memory,
        np.size,
    }
)


def apply(function: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """What `Tensor.__array_function__` is asked for. Raises ArgumentError where Lucid has no counterpart."""
    if function in READING:
        return function._implementation(*arguments, **options)  # type: ignore[attr-defined]  # what NumPy would run
    counterpart = COUNTERPARTS.get(function)
    name = function.__name__
    full_name = f"{function.__module__.replace('numpy', 'np', 1)}.{name}"
    if counterpart is None:
        raise ArgumentError(f"{full_name} has no counterpart for Tensors.", hint=_hint(name))
    signature = inspect.signature(counterpart)
    given = {option: value for option, value in options.items() if value is not None or option in signature.parameters}
    try:
        bound = signature.bind(*arguments, **given)
    except TypeError:
        others = "".join(f" {option}=" for option in given if option not in signature.parameters)
        raise ArgumentError(
            f"{full_name} with{others or ' these arguments'} has no counterpart for Tensors.", hint=_hint(name)
        ) from None
    return counterpart(*bound.args, **bound.kwargs)


def _hint(name: str) -> str:
    own = f"see lucid.{name}, or " if name in ops.__all__ else ""
    return f"{own}convert the Tensor first, outside a trace: t.numpy()."
