"""The signature of a call: what of its arguments a program is specialized on."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lucid.codegen.cuda.device import gpu, is_on_gpu
from lucid.conversion import is_foreign_array, to_array
from lucid.core import tensor_over
from lucid.descriptions import describe, identities, is_value
from lucid.errors import ArgumentError, leaked
from lucid.ir.types import TensorType, as_dtype
from lucid.modes import modes
from lucid.nn.module import Module
from lucid.pytree import Spec, flatten, leaf_names
from lucid.tensor import Tensor


def flatten_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Spec]:
    leaves, spec = flatten((args, kwargs))
    return [_native_array(leaf) for leaf in leaves], spec


def _native_array(leaf: Any) -> Any:
    """The NumPy array over an array of another library, such as a PyTorch tensor, or over a buffer of Python's, or the
    Tensor over one on a GPU; all else as it is."""
    if not is_foreign_array(leaf):
        return leaf
    if is_on_gpu(leaf):
        return tensor_over(gpu().foreign(leaf))
    return to_array(leaf)


def leaf_key(leaf: Any) -> Any:
    """What a program is specialized on in one leaf of a call: the type of an array, the kind of a float, and the
    value of everything else."""
    if isinstance(leaf, Tensor):
        array = leaf._array
        if array is None:
            raise leaked()
        return array.shape, array.dtype, leaf._requires_grad, leaf._history is None
    if isinstance(leaf, np.ndarray):
        return leaf.shape, leaf.dtype
    if isinstance(leaf, float):
        return float
    if isinstance(leaf, np.floating):  # like an array without axes; np.float64 is a float
        return (), leaf.dtype
    if isinstance(leaf, complex | np.complexfloating):
        return type(leaf), repr(leaf)
    if isinstance(leaf, int | str | bytes | np.generic | None):
        return type(leaf), leaf
    if isinstance(leaf, set | frozenset) and all(isinstance(item, int | float | str | bytes | None) for item in leaf):
        return describe(leaf)
    if isinstance(leaf, dict | list | set | deque):  # its elements could change unnoticed
        raise ArgumentError(
            f"a compiled function takes dicts, lists, tuples, and sets of numbers or strings, got {leaf!r}.",
            hint="convert the argument, for instance with dict(x).",
        )
    return _Alike(leaf) if is_value(leaf) else Same(leaf)


class Key(NamedTuple):
    """What a program is specialized on: the structure of the arguments, a key for each leaf, which of them are one and
    the same, and whether gradients are recorded."""

    spec: Spec
    leaves: tuple[Any, ...]
    aliases: tuple[int, ...] | None
    records_gradients: bool


def key_of(leaves: Sequence[Any], spec: Spec) -> Key:
    """The key of a call."""
    return Key(spec, tuple([leaf_key(leaf) for leaf in leaves]), aliases(leaves), modes.grad_enabled)


def key_text(key: Any) -> str:
    """The key of a leaf, for people."""
    match key:
        case (tuple() as shape, np.dtype() as dtype, *flags):
            type, (requires_grad, is_leaf) = TensorType(as_dtype(dtype), shape), flags or (False, True)
            if not requires_grad:
                return str(type)
            return f"{type} that requires a gradient" if is_leaf else f"{type} that is computed and requires a gradient"
        case _Alike():
            return repr(key.thing)  # as it was: nothing in it changes
        case Same():
            return f"{key.thing!r}, an object"
        case (_, value):
            return repr(value)
    return "a float" if key is float else repr(key)


def array_kind(key: Any) -> str:
    """Which of the kinds that share a type the key is of, for people."""
    return "a tensor" if len(key) > 2 else "an array"


class Same:
    """A key that equals that of the same object only, and keeps it alive."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


class _Alike(Same):
    """A key that equals that of any frozen dataclass with the same parts."""

    __slots__ = ("description", "held")

    def __init__(self, thing: object) -> None:
        super().__init__(thing)
        self.description = describe(thing)
        self.held = tuple(identities(thing))  # an identity stays unique while its object lives

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Alike) and other.description == self.description

    def __hash__(self) -> int:
        return hash(self.description)


def aliases(leaves: Sequence[Any]) -> tuple[int, ...] | None:
    """Which tensors, arrays and sets of a call are one and the same, or None where all differ."""
    ids = [id(leaf) for leaf in leaves if isinstance(leaf, Tensor | np.ndarray | set)]
    if len(ids) < 2 or len(set(ids)) == len(ids):
        return None
    return tuple(ids.index(i) for i in ids)


def argument_names(function: Callable[..., Any], spec: Spec) -> list[str]:
    """A name for each leaf of a call, from the parameters of the function."""
    _, _, ((_, _, positional), (_, keywords, named)) = spec
    target = function.forward if isinstance(function, Module) else function
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "args")
    names: list[str] = []
    for number, item in enumerate(positional):
        prefix = plain[number] if number < len(plain) else f"{rest}.{number - len(plain)}"
        names.extend(leaf_names(item, prefix))
    for keyword, item in zip(keywords, named, strict=True):
        names.extend(leaf_names(item, keyword))
    return names


def signature(leaves: Sequence[Any], spec: Spec) -> str:
    """What the leaves of a call were specialized on, for people: `f32[64, 784], i64[64]`."""
    parts = []
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            parts.append(str(leaf.type))
        elif isinstance(leaf, np.ndarray):
            parts.append(f"{as_dtype(leaf.dtype).short}[{', '.join(map(str, leaf.shape))}]")
        else:
            parts.append("float" if isinstance(leaf, float) else repr(leaf))
    mode = "" if modes.grad_enabled else "; no_grad"
    return ", ".join(parts) + mode
