"""Ops that users declare, checked when they are."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from typing import TypeVar, dataclass_transform

from lucid.errors import ArgumentError
from lucid.ir.ops.base import USER_REGISTRY, Elementwise, Movement, Op, Reduction, op, snake_case
from lucid.ir.ops.random import Random
from lucid.ir.types import DType, TensorType
from lucid.ir.verify import attribute_types, belongs_to

T = TypeVar("T", bound=Op)

_FAMILIES = (Elementwise, Reduction, Movement, Random)
_PRINTED = (int, float, bool, str, type(None), DType, TensorType)  # what IR text has words for, and tuples of them


@dataclass_transform(frozen_default=True)
def declare(namespace: str) -> Callable[[type[T]], type[T]]:
    """Declare an op of your own: make the class a frozen dataclass and enter it under `namespace.class_name`.

    The class derives from a family (Unary, Binary, Comparison, Logical or Elementwise, Reduction, Movement, Random) and
    defines what that leaves open; its docstring says what it computes. A class that is declared again by the same code,
    as a notebook does when a cell runs again, takes the place of the one before. Raises ArgumentError where something
    is missing, or where the name is taken.
    """
    if not isinstance(namespace, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", namespace):
        raise ArgumentError(
            f"an op is declared in a namespace of lower-case letters, digits and _, got {namespace!r}.",
            hint='write @lucid.extend.op("mylib")',
        )

    def declared(cls: type[T]) -> type[T]:
        name = f"{namespace}.{snake_case(cls.__name__)}" if isinstance(cls, type) else repr(cls)
        if not isinstance(cls, type) or not issubclass(cls, _FAMILIES):
            raise ArgumentError(
                f"{name} is declared as an op and derives from no family of ops.",
                hint="derive it from lucid.extend.Unary, Binary, Elementwise, Reduction, Movement or Random.",
            )
        if not (cls.__dict__.get("__doc__") or "").strip():
            raise ArgumentError(f"the op {name} has no docstring.", hint="say in a line what it computes.")
        missing = [method for method in dir(cls) if getattr(getattr(cls, method), "__isabstractmethod__", False)]
        if missing:
            raise ArgumentError(f"the op {name} does not define {' and '.join(missing)}.")
        before = USER_REGISTRY.get(name)
        if before is not None and _place(before) != _place(cls):
            raise ArgumentError(
                f"the op {name} is declared twice, by {_place(before)} and by {_place(cls)}.",
                hint="give one of them another name or namespace.",
            )
        if issubclass(cls, Elementwise) and not any(
            "ulp" in base.__dict__ for base in cls.__mro__[:-1] if _is_own(base)
        ):
            cls.ulp = float("inf")  # not known, so never taken for correctly rounded
        cls.name = name
        USER_REGISTRY.pop(name, None)
        try:
            result = op(cls)
            _expect_attributes_that_print(result)
        except BaseException:
            USER_REGISTRY.pop(name, None)
            if before is not None:
                USER_REGISTRY[name] = before
            raise
        return result

    return declared


def _is_own(base: type) -> bool:
    return not base.__module__.startswith("lucid.ir.ops.")


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _expect_attributes_that_print(cls: type[Op]) -> None:
    """Raise unless IR text has words for the attributes of an op."""
    try:
        types = attribute_types(cls)
    except NameError as error:
        raise ArgumentError(f"the attributes of {cls.name} have types that are not known here: {error}.") from None
    for attribute, declared in types.items():
        if not _prints(declared):
            raise ArgumentError(
                f"the attribute {attribute} of {cls.name} has the type {declared}, which IR text has no words for.",
                hint="attributes are int, float, bool, str, dtypes, tensor types, and tuples of them.",
            )


def _prints(declared: object) -> bool:
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin in (tuple, types.UnionType, typing.Union):
        return all(argument is ... or _prints(argument) for argument in arguments)
    return origin is typing.Literal or declared in _PRINTED


def is_declared_by_user(op_class: type[Op]) -> bool:
    """Whether an op is a user's: their names have a namespace."""
    return "." in op_class.name


def check_attributes(op: Op) -> None:
    """Raise ArgumentError unless each attribute of an op has exactly its declared type."""
    for name, declared in attribute_types(type(op)).items():
        value = getattr(op, name)
        if not belongs_to(value, declared):
            wanted = getattr(declared, "__name__", None) if isinstance(declared, type) else None
            raise ArgumentError(f"{op.name} takes {name} as {wanted or declared}, got {value!r}.")
