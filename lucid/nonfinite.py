"""Where NaN and infinity come from.

A value is followed back to the op that made it so: the first on the way whose operands are still well. What is
infinite where it may be, such as a mask of attention, is on no such way unless a result is.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lucid.errors import NonFiniteError
from lucid.ir.graph import Graph, Location, Node, Value
from lucid.ir.interpret import environment_of, run
from lucid.ir.ops.base import Array, Elementwise, Op
from lucid.ir.ops.loop import Scan
from lucid.ir.passes.differentiate import differentiate

HINT = "print values on the way with lucid.debug.print, or read all of them: program.values(...)"
NAN, INFINITY = "nan", "inf"


def kind_of(array: Array) -> str | None:
    """What is wrong with an array: it has NaN, or infinity and no NaN."""
    if array.dtype.kind != "f" or bool(np.isfinite(array).all()):
        return None
    return NAN if bool(np.isnan(array).any()) else INFINITY


def _has(array: Array, kind: str) -> bool:
    """Whether an array has what makes a result of this kind no wonder."""
    found = kind_of(array)
    return found == NAN if kind == NAN else found is not None


@dataclass(frozen=True)
class Origin:
    """What first gave NaN or infinity: an op, with its operands and its result; or an input, the result of no op."""

    op: Op | None
    operands: tuple[Array, ...]
    result: Array
    location: Location | None
    backward: int = 0
    run: int | None = None  # of the loop that it is in
    name: str = ""  # of an input
    cause: Origin | None = None  # of infinity among the operands, where the result is NaN

    def error(self, subject: str | None = None) -> NonFiniteError:
        """The error that says so; `subject` is what has become NaN or infinite by it."""
        sentence = f"{self._said()}."
        if self.cause is not None:
            place = f" ({self.cause.location})" if self.cause.location is not None else ""
            sentence += f" Before, {self.cause._said()}{place}."
        if subject is not None:
            sentence = f"{subject} becomes {kind_of(self.result)}: {sentence}"
        where = self.location
        line = (where.file, where.line) if where is not None and where.file else None
        return NonFiniteError(sentence, where=line, hint=HINT)

    def _said(self) -> str:
        """What gives how many of which numbers, from what."""
        bad = ~np.isfinite(self.result) if kind_of(self.result) == INFINITY else np.isnan(self.result)
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        found = f"gives {self.result[index]}"
        if bad.ndim:
            found += f" in {int(bad.sum())} of {bad.size} elements, the first at {index}"
        return f"{self._what()} {found}{self._from(index)}"

    def _what(self) -> str:
        if self.op is None:
            return f"%{self.name}, which is an input,"
        parts = [f"`{self.op.name}`"]
        if self.backward:
            parts.append("in the backward")
        if self.location is not None and self.location.module:
            parts.append(f"of {self.location.module}" if self.backward else f"in {self.location.module}")
        if self.run is not None:
            parts.append(f"in run {self.run} of a scan")
        return " ".join(parts)

    def _from(self, index: tuple[int, ...]) -> str:
        """What the op was given there."""
        if not self.operands:
            return ""
        if isinstance(self.op, Elementwise):
            values = " and ".join(str(operand[index]) for operand in self.operands)
            return f", from {values}"
        floats = [operand for operand in self.operands if operand.dtype.kind == "f" and operand.size]
        ranges = " and ".join(f"[{operand.min():.3g}, {operand.max():.3g}]" for operand in floats)
        return f", from elements in {ranges}" if ranges else ""


def expect_finite(
    op: Op, operands: Sequence[Array], results: Sequence[Array], location: Location, backward: int = 0
) -> None:
    """Raise NonFiniteError where an op has given NaN that none of its operands had, or infinity from finite ones."""
    for result in results:
        kind = kind_of(result)
        if kind is not None and not any(_has(operand, kind) for operand in operands):
            raise Origin(op, tuple(operands), result, location, backward).error()


def expect_all_finite(nodes: Sequence[Node], environment: Mapping[Value, Array]) -> None:
    """Raise as `expect_finite` does for the first of some nodes that have run."""
    for node in nodes:
        operands, results = ([environment[value] for value in values] for values in (node.inputs, node.outputs))
        expect_finite(node.op, operands, results, node.location or Location(), node.backward)


def origin(graph: Graph, environment: Mapping[Value, Array], value: Value, number: int | None = None) -> Origin:
    """Where a value that is not finite comes from, in a graph without grad ops whose values are known. `number` is that
    of the run of the loop whose body the graph is."""
    producers = graph.producers()
    kind = kind_of(environment[value])
    assert kind is not None
    while value in producers:
        node = producers[value]
        operands = tuple(environment[operand] for operand in node.inputs)
        source = next((operand for operand in node.inputs if _has(environment[operand], kind)), None)
        if source is None:
            if isinstance(node.op, Scan) and (inner := _in_loop(node.op, operands)) is not None:
                return inner
            infinite = next((operand for operand in node.inputs if kind_of(environment[operand]) is not None), None)
            cause = origin(graph, environment, infinite, number) if infinite is not None else None
            return Origin(node.op, operands, environment[value], node.location, node.backward, number, cause=cause)
        value = source
    return Origin(None, (), environment[value], None, name=value.name or "?")


def _in_loop(scan: Scan, operands: Sequence[Array]) -> Origin | None:
    """What in the body of a loop first gives NaN or infinity, and in which run."""
    body, carries, stop = scan.body, scan.carries, scan.carries + scan.sequences
    current = list(operands[:carries])
    for number, place in enumerate(scan.places()):
        elements = [x[place, ...] for x in operands[carries:stop]]
        environment = dict(zip(body.arguments, (*current, *elements, *operands[stop:]), strict=True))
        run(body.nodes, environment)
        for value in body.outputs:
            if kind_of(environment[value]) is not None:
                return origin(body, environment, value, number)
        current = [environment[value] for value in body.outputs[:carries]]
    return None


class Watch:
    """A call of a graph that is to give finite results. It keeps what the call was given, to run it again in the
    interpreter if it must, and to put states back."""

    def __init__(self, graph: Graph, inputs: Sequence[Array]) -> None:
        by_value = dict(zip(graph.inputs, inputs, strict=True))
        self.graph = graph
        self.states = [by_value[state] for state, _ in graph.updates]
        self.before = [array.copy() for array in self.states]
        self.inputs = [x.copy() if any(np.may_share_memory(x, y) for y in self.states) else x for x in inputs]

    def restore(self) -> None:
        """Give states the elements that they had before the call."""
        for state, array in zip(self.states, self.before, strict=True):
            np.copyto(state, array)

    def expect_finite(self, outputs: Sequence[Array]) -> None:
        """Put states back and raise, where `problem` finds something."""
        problem = self.problem(outputs)
        if problem is not None:
            self.restore()
            raise problem

    def problem(self, outputs: Sequence[Array], place: str = "") -> NonFiniteError | None:
        """The error of a call that has given these, the first of its outputs, and has updated states; None where all
        are finite. `place` follows the name of what is not."""
        results = ["the result"] if len(outputs) == 1 else map("result {}".format, itertools.count())
        names = [
            value.name or result for value, result in zip(self.graph.outputs[: len(outputs)], results, strict=False)
        ]
        names += [state.name or "a state" for state, _ in self.graph.updates]
        names = [f"{name}{place}" for name in names]
        found = (*outputs, *self.states)
        bad = [number for number, array in enumerate(found) if kind_of(array) is not None]
        if not bad:
            return None
        written = differentiate(self.graph)
        with np.errstate(all="ignore"):
            environment = environment_of(written, self.inputs)
            for number, value in enumerate((*written.outputs[: len(outputs)], *(new for _, new in written.updates))):
                if number in bad and kind_of(environment[value]) is not None:
                    return origin(written, environment, value).error(names[number])
        kind = kind_of(found[bad[0]])
        return NonFiniteError(
            f"{names[bad[0]]} becomes {kind} in compiled code, where the interpreter finds finite values.",
            hint="`lucid check` on the IR of the program names the first step at fault.",
        )
