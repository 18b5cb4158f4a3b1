"""The values on the way: everything that a step computes for some arguments, by name, module or line.

They are computed by the interpreter, op by op, from the differentiated graph: what compiled code computes, up to the
rounding of sums and functions of floats. Nothing is updated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from lucid.errors import ArgumentError, MissingKeyError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.interpret import environment_of
from lucid.ir.ops.base import Array
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.text_print import value_names
from lucid.tables import table


class Values(Mapping[str, Array]):
    """Arrays by the names that they have in `program.ir("differentiated")`. Its text is a table."""

    def __init__(self, graph: Graph, inputs: Sequence[Array]) -> None:
        """The values of a graph for the arrays of its inputs."""
        graph = differentiate(graph)
        with np.errstate(all="ignore"):
            environment = environment_of(graph, [array.copy() for array in inputs])
        self._makers = graph.producers()
        self._values = {name: value for value, name in value_names(graph).items()}
        self._arrays = environment

    def __getitem__(self, name: str) -> Array:
        if name not in self:
            raise MissingKeyError(
                f"there is no value {name!r}.",
                hint='program.ir("differentiated") shows all names; .of(module) and .at(line) find values by place.',
            )
        return self._arrays[self._values[name.removeprefix("%")]]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.removeprefix("%") in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def of(self, module: str) -> dict[str, Array]:
        """What a module computes, the modules inside it included: named by its path, such as `encoder.0`, or by its
        class, such as `Linear`. Raises ArgumentError where no module is named so."""
        found = self._where(lambda node: _is_of(node, module))
        if not found:
            modules = {node.location.module for node in self._makers.values() if node.location and node.location.module}
            raise ArgumentError(f"there is no module {module!r}; expected one of {', '.join(sorted(modules))}.")
        return found

    def at(self, line: int | str) -> dict[str, Array]:
        """What comes from a line of the user's, `12` or `"train.py:12"`. Raises ArgumentError where nothing does."""
        file, _, number = str(line).rpartition(":")
        found = self._where(lambda node: _is_at(node, file, number))
        if not found:
            raise ArgumentError(f"no value comes from line {line}.", hint="print the values: each has its line.")
        return found

    def _where(self, holds: Callable[[Node], bool]) -> dict[str, Array]:
        return {
            name: self._arrays[value]
            for name, value in self._values.items()
            if value in self._makers and holds(self._makers[value])
        }

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("value", "type", "least", "mean", "most", "not finite", "op", "where")]
        rows += [self._row(name, value) for name, value in self._values.items()]
        return "\n".join(table(rows))

    def _row(self, name: str, value: Value) -> tuple[str, ...]:
        array, node = self._arrays[value], self._makers.get(value)
        finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
        numbers = ("", "", "")
        if finite.size:
            with np.errstate(over="ignore"):  # where the sum is beyond the largest float64, the mean is inf
                mean = finite.mean(dtype=np.float64)
            numbers = (f"{finite.min():.4g}", f"{mean:.4g}", f"{finite.max():.4g}")
        bad = str(array.size - finite.size) if array.size > finite.size else ""
        where = str(node.location) if node is not None and node.location is not None else ""
        return f"%{name}", str(value.type), *numbers, bad, node.op.name if node is not None else "", where


def _is_of(node: Node, module: str) -> bool:
    path, _, kind = (node.location.module if node.location else "").rpartition(": ")
    return path == module or path.startswith(f"{module}.") or kind == module


def _is_at(node: Node, file: str, number: str) -> bool:
    where = node.location
    return where is not None and str(where.line) == number and (not file or Path(where.file).name == Path(file).name)
