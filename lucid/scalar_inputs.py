"""The scalar inputs of a trace: floats of the call and hyperparameters of optimizers, and the guards on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lucid.ir.graph import Value
from lucid.ir.ops.structure import Const, normalized
from lucid.ir.types import TensorType, float64
from lucid.observed import as_float
from lucid.scalars import Scalar

if TYPE_CHECKING:
    from lucid.tracing import Tracer


class ScalarInputs:
    """What a trace reads again at each call, by the Python expression that gives it, as a float64 input."""

    def __init__(self, tracer: Tracer) -> None:
        self.inputs: dict[str, Scalar] = {}
        self.conditions: list[str] = []  # on the values of the inputs: guards
        self._tracer = tracer
        self._hyperparameters: set[tuple[int, str]] = set()  # groups, by identity, and keys

    def input(self, name: str, value: float, source: str) -> Scalar:
        """A float64 argument that the expression `source` gives at each call."""
        if source not in self.inputs:
            symbol = self._tracer.input_value(TensorType(float64, ()), name)
            self.inputs[source] = Scalar(self._tracer, symbol, value, source)
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
            return tuple(self.input(f"{key}.{i}", as_float(key, x), f"{source}[{i}]") for i, x in enumerate(value))
        return self.input(key, as_float(key, value), source)

    def guard_item(self, group: dict[str, Any], key: str) -> None:
        """Guard group[key] by its value."""
        self._tracer.guards.guard(f"{self._tracer.guards.bind(group)}[{key!r}]", group[key])

    def guard_other_items(self, group: dict[str, Any]) -> None:
        """Guard what is no `hyperparameter` in a group, which an optimizer may have read directly."""
        for key in group:
            if key != "params" and (id(group), key) not in self._hyperparameters:
                self.guard_item(group, key)

    def guard(self, condition: str) -> None:
        """Guard a condition on the values of scalars."""
        if condition not in self.conditions:
            self.conditions.append(condition)
