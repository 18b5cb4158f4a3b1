"""The signatures of Lucid and of PyTorch, and how they differ.

PyTorch's functions in C have no signature in Python: theirs are those of the stubs that it ships, in which one name has
several signatures. A call fits where it fits one of them, and so does a signature of Lucid.
"""

from __future__ import annotations

import ast
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.parity.compare import torch

REQUIRED = inspect.Parameter.empty
UNKNOWN = object()  # a default that a stub leaves out


@dataclass(frozen=True)
class Argument:
    """An argument of a function: `kind` is "positional", "keyword" (which has to be named), "*" or "**"."""

    name: str
    kind: str
    default: Any = REQUIRED


Signature = tuple[Argument, ...]

KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def of(function: Callable[..., Any]) -> Signature:
    """The signature of a Python function, without the object of a method."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(Argument(p.name, KINDS[p.kind], p.default) for p in parameters if p.name not in ("self", "cls"))


def theirs(owner: Any, name: str) -> list[Signature]:
    """The signatures of an attribute of `torch`, `torch.Tensor`, `torch.nn.functional` or a class of PyTorch."""
    function = getattr(owner, name)
    if isinstance(function, type):
        return constructors(function)
    stubbed = (_methods() if owner is torch.Tensor else _functions()).get(name)
    try:
        found = of(function)
    except (ValueError, TypeError):
        if stubbed is None:
            raise LookupError(f"PyTorch does not say what {name} takes") from None
        return stubbed
    if [argument.kind for argument in found] == [
        "*",
        "**",
    ]:  # a function that chooses between two of the same arguments
        return [of(getattr(owner, f"{name}_with_indices"))]
    return [found, *stubbed] if stubbed and owner is torch.Tensor else [found]


def constructors(kind: type) -> list[Signature]:
    """The signatures of a class."""
    every = [of(each) for each in typing.get_overloads(kind.__init__) or [kind.__init__]]
    found = [each for each in every if [argument.kind for argument in each] != ["*", "**"]]
    return found or [_documented(kind)]


def _documented(kind: type) -> Signature:
    """The signature of a recurrent layer, whose docstring begins with it, or of a module that takes nothing."""
    text = re.match(r"__init__\((.*?)\)", kind.__doc__ or "", re.DOTALL)
    return _parsed(f"def __init__({'' if text is None else text[1]}): ...")


def _parsed(source: str) -> Signature:
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef)
    return _of_node(node)


@cache
def _functions() -> dict[str, list[Signature]]:
    """The functions of the stubs, by name."""
    found: dict[str, list[Signature]] = {}
    for stub in ("_C/_VariableFunctions.pyi", "_C/_nn.pyi"):
        _collect(ast.parse((Path(torch.__file__).parent / stub).read_text()).body, found)
    return found


@cache
def _methods() -> dict[str, list[Signature]]:
    """The methods of tensors in the stubs, by name."""
    module = ast.parse((Path(torch.__file__).parent / "_C/__init__.pyi").read_text())
    classes = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name == "TensorBase"]
    found: dict[str, list[Signature]] = {}
    _collect(classes[0].body, found)
    return found


def _collect(body: Iterable[ast.stmt], into: dict[str, list[Signature]]) -> None:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            into.setdefault(node.name, []).append(_of_node(node))


def _of_node(node: ast.FunctionDef) -> Signature:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [REQUIRED] * (len(positional) - len(given.defaults)) + [_value(each) for each in given.defaults]
    found = [Argument(a.arg, "positional", d) for a, d in zip(positional, defaults, strict=True) if a.arg != "self"]
    if given.vararg is not None:
        found.append(Argument(given.vararg.arg, "*"))
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append(Argument(argument.arg, "keyword", REQUIRED if default is None else _value(default)))
    return tuple(found)


def _value(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return UNKNOWN
    return UNKNOWN if value is Ellipsis else value


def differences(
    ours: Signature, every: Sequence[Signature], left_out: Mapping[str, str], spelled: Mapping[str, Iterable[str]]
) -> set[str]:
    """How a signature differs from that of several to which it is nearest.

    Arguments that are `left_out`, but for what `ours` takes, do not count; neither does a name that is `spelled`
    otherwise.
    """
    kept = [a for a in ours if a.kind != "**"]  # other names of the same arguments
    missing = left_out.keys() - {argument.name for argument in kept}
    found = [_differences(kept, [a for a in each if a.name not in missing], spelled) for each in every]
    known = {f"{argument.name} is our own" for each in every for argument in each}
    return min(found, key=len) - known


def _differences(ours: list[Argument], theirs: list[Argument], spelled: Mapping[str, Iterable[str]]) -> set[str]:
    found = set()
    fixed = [argument for argument in ours if argument.kind in ("positional", "*")]
    expected = [argument for argument in theirs if argument.kind in ("positional", "*")]
    for own, other in zip(fixed, expected, strict=False):
        found |= _of_pair(own, other, spelled)
    named = {argument.name: argument for argument in ours if argument.kind == "keyword"}
    missing = {argument.name: argument for argument in theirs if argument.kind == "keyword"}
    for other in expected[len(fixed) :]:
        if other.name in named:
            found.add(f"{other.name} has to be named")
            found |= _of_default(named.pop(other.name), other)
        else:
            found.add(f"no {other.name}")
    for own in fixed[len(expected) :]:
        if own.name in missing:  # it may be given by position as well
            found |= _of_default(own, missing.pop(own.name))
        else:
            found.add(f"{own.name} is our own")
    for name in named.keys() & missing.keys():
        found |= _of_default(named[name], missing[name])
    found |= {f"no {name}" for name in missing.keys() - named.keys()}
    found |= {f"{name} is our own" for name in named.keys() - missing.keys()}
    return found


def _of_pair(own: Argument, other: Argument, spelled: Mapping[str, Iterable[str]]) -> set[str]:
    found = _of_default(own, other)
    if own.name != other.name and other.name not in spelled.get(own.name, ()):
        found.add(f"{other.name} is called {own.name}")
    return found


def _of_default(own: Argument, other: Argument) -> set[str]:
    if UNKNOWN in (own.default, other.default) or other.default is REQUIRED:
        return set()
    if own.default is REQUIRED:
        return {f"{own.name} is required"}
    return set() if _meaning(own.default) == _meaning(other.default) else {f"{own.name} is {own.default!r} by default"}


def _meaning(default: Any) -> Any:
    """A default, in one form for what means the same: a function by its name, nothing as None."""
    if callable(default):
        return default.__name__
    return None if default == () else default
