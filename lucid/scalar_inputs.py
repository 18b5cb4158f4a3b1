"""The scalar inputs of a trace: floats of the call and hyperparameters of optimizers, and the guards on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lucid.errors import LucidError
from lucid.ir.graph import Value
from lucid.ir.ops.structure import Const, normalized
from lucid.ir.types import TensorType, float64
from lucid.scalars import Scalar

if TYPE_CHECKING:
    from lucid.recorder import Recorder


class CheckedGroup:
    """The hyperparameters that were found to be in their ranges when a group of an optimizer was last checked.

    Between two steps, anything may be written into a group; what has not changed is not checked again.
    """

    def __init__(self, group: dict[str, Any], keys: list[str], check: Callable[[dict[str, Any]], None]) -> None:
        self._group, self._keys, self._check = group, keys, check
        self.values: list[object] = []
        self.note()

    def note(self) -> None:
        """Note the values that there are, but for lists, whose items may change."""
        values = [self._group[key] for key in self._keys]
        self.values[:] = [object() if isinstance(value, list) else value for value in values]

    def holds(self) -> bool:
        """Whether the values that there are now are in their ranges."""
        try:
            self._check({**self._group})
        except LucidError:
            return False
        self.note()
        return True


class ScalarInputs:
    """What a trace reads again at each call, by the Python expression that gives it, as a float64 input."""

    def __init__(self, tracer: Recorder) -> None:
        self.inputs: dict[str, Scalar] = {}
        self.conditions: list[str] = []  # on the values of the inputs: guards
        self._tracer = tracer
        self._hyperparameters: set[tuple[int, str]] = set()  # groups, by identity, and keys

    def input(self, name: str, value: float, source: str) -> Scalar:
        """A float64 argument that the expression `source` gives at each call."""
        if source not in self.inputs:
            symbol = self._tracer.input_value(TensorType(float64, ()), name)
            self.inputs[source] = Scalar(self._tracer, symbol, float(value), source)
        return self.inputs[source]

    def symbol(self, number: object) -> Value:
        """The graph value of a Scalar or of a Python number."""
        if isinstance(number, Scalar):
            return number.symbol
        type = TensorType(float64, ())
        return self._tracer.add(Const(normalized(float(number), type), type))[0]  # type: ignore[arg-type]  # a number

    def hyperparameter(self, group: dict[str, Any], key: str) -> Any:
        """group[key], or each element of it, as a Scalar that is read again at each call."""
        value = group[key]
        self._hyperparameters.add((id(group), key))
        source = f"{self._tracer.guards.bind(group)}[{key!r}]"
        if isinstance(value, tuple | list):
            self._tracer.guards.require(f"len({source}) == {len(value)}")
            return tuple(self.input(f"{key}.{i}", float(x), f"{source}[{i}]") for i, x in enumerate(value))
        return self.input(key, float(value), source)

    def guard_item(self, group: dict[str, Any], key: str) -> None:
        """Guard group[key] by its value."""
        self._tracer.guards.guard(f"{self._tracer.guards.bind(group)}[{key!r}]", group[key])

    def guard_group(self, group: dict[str, Any], title: str, check: Callable[[dict[str, Any]], None]) -> None:
        """Guard that what is a `hyperparameter` in a group passes the check of its optimizer, which the trace then
        raises where it does not; and all else by its value, for an optimizer may have read it directly."""
        self._tracer.guards.entitle(group, title)
        read = [key for key in group if (id(group), key) in self._hyperparameters]
        if read:
            guards, checked = self._tracer.guards, CheckedGroup(group, read, check)
            known = guards.bind(checked.values)
            same = [f"{guards.bind(group)}[{key!r}] is {known}[{number}]" for number, key in enumerate(read)]
            guards.require(f"({' and '.join(same)}) or {guards.bind(checked)}.holds()", f"what {title} holds")
        for key in group:
            if key != "params" and (id(group), key) not in self._hyperparameters:
                self.guard_item(group, key)

    def guard(self, condition: str) -> None:
        """Guard a condition on the values of scalars."""
        if condition not in self.conditions:
            self.conditions.append(condition)
