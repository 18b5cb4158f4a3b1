"""Guards: what a trace has read, as conditions that a later call checks before it reuses the program.

A condition is Python text over bound objects and the leaves of the call. All conditions of a program become one
generated function. Those on attributes of modules and optimizers run only after the global epoch has moved, since
every write to such an attribute bumps it; the others run at each call.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from lucid.core import TensorCore
from lucid.descriptions import Content, describe, identities, is_container, is_mutable
from lucid.modes import epoch as global_epoch
from lucid.observed import MISSING, Observed


@dataclass(frozen=True)
class Condition:
    """A guard: an expression that must be true, and, for people, what it is about: the value of another expression,
    and what that was while tracing."""

    text: str
    subject: str
    expression: str
    traced: object = True


class _Other:
    """What has been changed in place since, for people."""

    def __repr__(self) -> str:
        return "something else"


class GuardRecorder:
    """Collects the guards of one trace."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {"describe": describe, "nan": math.nan, "inf": math.inf, "MISSING": MISSING}
        self.always: dict[str, Condition] = {}
        self.after_epoch: dict[str, Condition] = {}
        self._names: dict[int, str] = {}
        self._titles: dict[str, str] = {}  # what bound objects are called in texts for people
        self._structural: dict[str, tuple[object, int]] = {}  # what each was, and in which epoch, when last guarded

    def bind(self, thing: object) -> str:
        """The name under which conditions see an object, which is kept alive."""
        if id(thing) not in self._names:
            name = f"c{len(self._names)}"
            self._names[id(thing)] = name
            self.namespace[name] = thing
        return self._names[id(thing)]

    def entitle(self, thing: object, title: str) -> None:
        """Say what an object is called where an expression over it is told."""
        self._titles[self.bind(thing)] = title

    def binds(self, thing: object) -> bool:
        """Whether a condition is about an object, by itself or inside a container."""
        return id(thing) in self._names

    def require(self, text: str, subject: str = "") -> None:
        """Guard a condition on the call itself."""
        self.always.setdefault(text, Condition(text, subject or text, text))

    def guard(self, expression: str, value: object, subject: str = "", epoch: bool = False) -> None:
        """Guard that an expression still gives a value: plain values and containers by content, all else by
        identity. With `epoch`, only changes that bump the epoch can make a difference."""
        if value is None or value is True or value is False or value is Ellipsis:
            text = f"{expression} is {value!r}"
        elif isinstance(value, complex) or (isinstance(value, float) and (value == 0.0 or not math.isfinite(value))):
            text = f"describe({expression}) == {self.bind(describe(value))}"
        elif type(value) in (int, float, str, bytes):
            text = f"type(v := {expression}) is {type(value).__name__} and v == {value!r}"
        elif is_container(value):
            text = self._content(expression, value)
        else:
            text = f"{expression} is {self.bind(value)}"
        target = self.after_epoch if epoch else self.always
        if type(value) in (dict, list):
            value = copy.copy(value)  # what it held: the container itself may change
        target.setdefault(text, Condition(text, subject or expression, expression, value))

    def requires_grad(self, name: str | None, tensor: TensorCore) -> None:
        """Guard the flag of a captured tensor."""
        flag = f"{self.bind(tensor)}._requires_grad"
        self.guard(flag, tensor._requires_grad, f"requires_grad of {name}", epoch=True)

    def content(self, expression: str, value: object) -> None:
        """Guard what the object that an expression gives holds, where another guard says which object it is."""
        text = self._content(expression, value)
        self.always.setdefault(text, Condition(text, f"what {expression} holds", expression, _Other()))

    def _content(self, expression: str, value: object) -> str:
        for thing in identities(value):  # an identity stays unique while its object lives
            self.bind(thing)
        return f"{self.bind(Content(value))}.is_in({expression})"

    def attribute(self, owner: Observed, name: str, value: object) -> None:
        """Guard an attribute of a module or optimizer that the trace has read."""
        kind = type(owner)  # attributes of the class are looked up there: a read of the owner would be recorded
        subject = f"{kind.__name__}.{name}"
        bound = self.bind(owner)
        if isinstance(value, MethodType):
            held = owner.__dict__.get(name, MISSING)
            self.guard(f"{bound}.__dict__.get({name!r}, MISSING)", held, subject, epoch=True)
            function = getattr(kind, name, None)
            if isinstance(function, FunctionType) and not kind.__module__.startswith("lucid."):
                self.guard(f"{self.bind(kind)}.{name}", function, subject)
        elif value is MISSING:
            self.guard(f"({name!r} in {bound}.__dict__)", False, subject, epoch=True)
        elif name in kind.structural:
            expression = f"{bound}.{name}"
            # A step reads the state of an optimizer once for each parameter: its content counts as long as its epoch.
            known = self._structural.get(expression)
            if known is None or known[0] is not value or known[1] != global_epoch.count:
                self._structural[expression] = value, global_epoch.count
                self.guard(expression, value, kind.structural[name].format(kind.__name__), epoch=True)
        elif name in owner.__dict__:
            self.guard(f"{bound}.__dict__.get({name!r}, MISSING)", value, subject, epoch=not is_mutable(value))
        elif isinstance(getattr(kind, name, None), property):
            if not kind.__module__.startswith("lucid."):
                self.guard(f"{self.bind(kind)}.{name}", getattr(kind, name), subject)
        else:
            defined_by = next((base for base in kind.__mro__ if name in base.__dict__), kind)
            if defined_by.__module__.startswith("lucid.") and not is_mutable(value):
                # What Lucid's own classes say stays; an attribute of the owner's own, written later, would hide it.
                self.guard(f"{bound}.__dict__.get({name!r}, MISSING)", MISSING, subject, epoch=True)
            else:
                self.guard(f"{bound}.{name}", value, subject)

    def build(self, scalars: Sequence[str], scalar_conditions: Sequence[str]) -> Guards:
        """The generated functions of these guards. `scalars` are the expressions of the program's float inputs."""
        return Guards(
            dict(self.namespace),
            tuple(self.always.values()),
            tuple(self.after_epoch.values()),
            tuple(map(_on_scalars, scalar_conditions)),
            tuple(scalars),
            dict(self._titles),
        )


def _on_scalars(text: str) -> Condition:
    """The guard on a decision that was taken on scalars, such as `(leaves[1] > 0.0) == True`."""
    decision, sign, outcome = text.rpartition(" == ")
    if sign and outcome in ("True", "False"):
        return Condition(text, decision, decision, outcome == "True")
    return Condition(text, text, text)


_ITEM = re.compile(r"c\d+\['\w+'\]")  # of a group of an optimizer, which more than one guard and input may read


# What an expression raises that gives nothing now: something on its way is gone, or the floats are outside its domain.
_GONE = (AttributeError, KeyError, IndexError, NameError, ValueError, ArithmeticError)


class Guards:
    """The guards of a program: `holds` before each call, `holds_after_epoch` once the epoch has moved."""

    def __init__(
        self,
        namespace: dict[str, Any],
        always: tuple[Condition, ...],
        after_epoch: tuple[Condition, ...],
        scalar_conditions: tuple[Condition, ...],
        scalars: tuple[str, ...],
        titles: dict[str, str],
    ) -> None:
        self.namespace = namespace
        self.always = always + scalar_conditions
        self.after_epoch = after_epoch
        self.holds = self._function(self.always)
        self.holds_after_epoch = self._function(after_epoch)
        self.scalars = scalars  # expressions over the namespace and `leaves`
        self._titles = titles
        items = [source for source in dict.fromkeys(scalars) if _ITEM.fullmatch(source)]
        self._variables = {source: f"s{number}" for number, source in enumerate(items)}

    def evaluator(self, expression: str) -> Callable[[Sequence[Any]], Any]:
        """A function of the leaves of a call that evaluates an expression over bound objects."""
        function: Callable[[Sequence[Any]], Any] = eval(f"lambda leaves: {expression}", self.namespace)
        return function

    def lines(self, otherwise: str) -> list[str]:
        """Lines that return `otherwise` from a function of `leaves` unless the guards of each call hold. They read each
        hyperparameter once: see `in_variables`."""
        reads = [f"{name} = {source}" for source, name in self._variables.items()]
        return _lines([self.in_variables(condition.text) for condition in self.always], otherwise, reads)

    def in_variables(self, text: str) -> str:
        """A text with the variables that `lines` has set in the place of what they were read from."""
        for source, name in self._variables.items():
            text = text.replace(source, name)
        return text

    def _function(self, conditions: Sequence[Condition]) -> Callable[[Sequence[Any]], bool]:
        lines = _lines([condition.text for condition in conditions], "False")
        return define("holds(leaves)", [*lines, "return True"], dict(self.namespace))

    def broken(self, leaves: Sequence[Any]) -> list[Condition]:
        """The conditions that do not hold now."""
        found = []
        for condition in (*self.always, *self.after_epoch):
            if not self._function([condition])(leaves):
                found.append(condition)
        return found

    def subject(self, condition: Condition, names: Sequence[str]) -> str:
        """What a condition is about, as the user writes it, given the names of the leaves of a call."""
        text = re.sub(r"leaves\[(\d+)\]", lambda leaf: names[int(leaf[1])], condition.subject)
        return re.sub(r"\bc\d+\b", lambda bound: self._titles.get(bound[0], bound[0]), text)

    def current(self, condition: Condition, leaves: Sequence[Any]) -> object:
        """What the guarded expression of a condition gives now; MISSING where it gives nothing."""
        try:
            return self.evaluator(condition.expression)(leaves)
        except _GONE:
            return MISSING


def _lines(conditions: Sequence[str], otherwise: str, before: Sequence[str] = ()) -> list[str]:
    """Lines that return `otherwise` unless all conditions hold, behind others that may find something missing."""
    lines = [*before, *(f"if not ({condition}): return {otherwise}" for condition in conditions)]
    if not lines:
        return []
    missing = f"except ({', '.join(error.__name__ for error in _GONE)}): return {otherwise}"
    return ["try:", *(f"    {line}" for line in lines), missing]


def define(signature: str, lines: Sequence[str], scope: dict[str, Any]) -> Callable[..., Any]:
    """A function from its lines, which are our own text."""
    text = "\n".join([f"def {signature}:", *(f"    {line}" for line in lines)])
    exec(compile(text, "<lucid>", "exec"), scope)
    function: Callable[..., Any] = scope[signature.partition("(")[0]]
    return function
