"""The verifier. It runs after every pass, so that a broken graph is found where it is made.

A graph is valid when

1. every op has been declared, and its attributes are of the types that its fields declare;
2. every value is defined once, as an argument, a state or a result, and before its uses;
3. the results of a node have the types that its op infers, and a node without results has an effect;
4. every type has at most 32 axes, no negative extent, and a size in bytes below 2^63;
5. outputs and new states are defined; an update writes a state of the graph, once, with a value of its type;
6. a planned value is in the arena, at an offset >= 0, or in the storage of another value with as many bytes;
   following such aliases leads to no circle;
7. `grad` stands at the top level only;
8. a region is valid by itself: it sees none of the values around it, and its arguments are as the type rule of its
   op demands. It has no states, hence no updates, and an effect in it is an effect of its op;
9. the number of the backward sweep that made a node is not negative;
10. in a planned graph, no node up to the last one with an effect, a `check` or a loop with one, computes into the
    storage of a state: a call that fails there has changed nothing.

Not held here: that values that live at the same time do not overlap in the arena. The memory plan sees to that.
"""

from __future__ import annotations

import functools
import types
import typing
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from lucid.errors import LucidError, VerificationError
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import DECLARED, Op
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.structure import Grad
from lucid.ir.text_print import print_with_note
from lucid.ir.types import TensorType

MAX_RANK = 32  # NumPy's limit

_attribute_types: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()


def verify(graph: Graph, sound: set[Node] | None = None) -> None:
    """Raise a VerificationError, with the text of the graph and a note at the fault, unless the graph is valid.

    `sound` are nodes in which an earlier call found no fault. A node never changes, so only its place in the graph is
    looked at again. The nodes of this graph are added.
    """
    _Verifier(graph, set() if sound is None else sound).graph(graph, inside=None)


@functools.lru_cache(4096)
def type_problem(type: TensorType) -> str | None:
    """What invariant 4 has against a type."""
    if type.rank > MAX_RANK:
        return f"expected a type of at most {MAX_RANK} axes, got {type.rank}."
    if any(not 0 <= extent < 2**63 for extent in type.shape) or type.nbytes >= 2**63:
        return f"expected a type with extents from 0 and a size in bytes below 2^63, got {type}."
    return None


def attribute_types(op_class: type[Op]) -> dict[str, Any]:
    """The declared type of each attribute of an op, in order."""
    found = _attribute_types.get(op_class)
    if found is None:
        hints = typing.get_type_hints(op_class, localns={"Graph": Graph}) if op_class.fields else {}
        found = _attribute_types[op_class] = {field.name: hints[field.name] for field in op_class.fields}
    return found


def belongs_to(value: object, declared: Any) -> bool:
    """Whether an attribute has exactly its declared type: True is not an int, and a NumPy scalar is not a float.

    >>> belongs_to((1, 2), tuple[int, ...]), belongs_to(True, int), belongs_to(None, int | None)
    (True, False, True)
    """
    if isinstance(declared, type):  # as most are
        return type(value) is declared
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin in (types.UnionType, typing.Union):
        return any(belongs_to(value, argument) for argument in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[1:] == (...,):
            return all(belongs_to(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(belongs_to, value, arguments))
    return type(value) is declared


class _Verifier:
    def __init__(self, whole: Graph, sound: set[Node]) -> None:
        self.whole = whole
        self.sound = sound

    def fail(self, at: Node | Graph, sentence: str) -> NoReturn:
        raise VerificationError(sentence, excerpt=print_with_note(self.whole, at, sentence))

    def graph(self, graph: Graph, inside: Op | None) -> None:
        """Check a graph: the whole, or a region of the op `inside`."""
        if inside is not None and (graph.states or graph.updates):
            self.fail(graph, f"expected no states in a region of {inside.name}.")
        defined: set[Value] = set()
        self.define(graph, graph.inputs, defined)
        self.types(graph, graph.inputs)
        for node in graph.nodes:
            self.node(node, defined, inside)
            self.define(node, node.outputs, defined)
        self.results(graph, defined)
        if graph.places:
            self.places(graph, defined)

    def define(self, at: Node | Graph, values: tuple[Value, ...], defined: set[Value]) -> None:
        for value in values:
            if value in defined:
                self.fail(at, f"expected a new value, got {value}, which is defined already.")
            defined.add(value)

    def types(self, at: Node | Graph, values: tuple[Value, ...]) -> None:
        for value in values:
            problem = type_problem(value.type)
            if problem is not None:
                self.fail(at, problem)

    def node(self, node: Node, defined: set[Value], inside: Op | None) -> None:
        """Check a node where it stands, and by itself unless that has been done."""
        known = node in self.sound
        if not known:
            self.attributes(node)
        for value in node.inputs:
            if value not in defined:
                self.fail(node, f"expected operands that are defined before, got {value}.")
        if isinstance(node.op, Grad) and inside is not None:
            self.fail(node, f"expected grad at the top level only, got it in a region of {inside.name}.")
        if inside is not None and node.op.has_effect and not inside.has_effect:
            self.fail(node, f"expected no effect in a region of {inside.name}, which has none itself.")
        if not known:
            self.alone(node)
            self.sound.add(node)

    def alone(self, node: Node) -> None:
        """Check what of a node does not depend on where it stands."""
        if not node.outputs and not node.op.has_effect:
            self.fail(node, f"expected a result of {node.op.name}, which has no effect.")
        if node.backward < 0:
            self.fail(node, f"expected the number of a backward sweep, got {node.backward}.")
        for region in node.op.regions():
            self.graph(region, node.op)
        try:
            inferred = tuple(node.op.infer([value.type for value in node.inputs]))
        except LucidError as error:
            self.fail(node, error.sentence)
        given = tuple(value.type for value in node.outputs)
        if given != inferred:
            self.fail(node, f"expected results of type {_listed(inferred)}, got {_listed(given)}.")
        self.types(node, node.outputs)

    def attributes(self, node: Node) -> None:
        op = node.op
        if type(op) not in DECLARED:
            self.fail(node, f"expected an op of the registry, got {type(op).__name__}.")
        for name, declared in attribute_types(type(op)).items():
            value = getattr(op, name)
            if not belongs_to(value, declared):
                self.fail(node, f"expected attribute {name} of {op.name} to be {declared}, got {value!r}.")

    def results(self, graph: Graph, defined: set[Value]) -> None:
        for value in graph.results:
            if value not in defined:
                self.fail(graph, f"expected results that are defined, got {value}.")
        states, written = set(graph.states), set[Value]()
        for state, new in graph.updates:
            if state not in states:
                self.fail(graph, f"expected an update of a state, got one of {state}.")
            if state in written:
                self.fail(graph, f"expected one update of each state, got two of {state}.")
            if state.type != new.type:
                self.fail(graph, f"expected an update of {state} with its type, got {new}.")
            written.add(state)

    def places(self, graph: Graph, defined: set[Value]) -> None:
        for value, place in graph.places.items():
            if value not in defined:
                self.fail(graph, f"expected places of values that are defined, got one of {value}.")
            if (place.offset is None) == (place.alias is None):
                self.fail(graph, f"expected {value} either in the arena or in another value, got {place}.")
            if place.offset is not None and place.offset < 0:
                self.fail(graph, f"expected {value} at an offset from 0, got {place.offset}.")
            if place.alias is not None and place.alias not in defined:
                self.fail(graph, f"expected {value} in a value that is defined, got {place.alias}.")
            if place.alias is not None and place.alias.type.nbytes != value.type.nbytes:
                self.fail(graph, f"expected {value} in a value of as many bytes, got {place.alias}.")
        rooted: set[Value] = set()
        for value in graph.places:
            path: dict[Value, None] = {}
            at: Value | None = value
            while at is not None and at not in rooted:
                if at in path:
                    self.fail(graph, f"expected places that end somewhere, got a circle through {at}.")
                path[at] = None
                at = graph.places[at].alias if at in graph.places else None
            rooted.update(path)
        self.states_after_checks(graph)

    def states_after_checks(self, graph: Graph) -> None:
        last = max((n for n, node in enumerate(graph.nodes) if node.op.has_effect), default=-1)
        states = set(graph.states)
        for node in graph.nodes[: last + 1] if states else ():
            for value in node.outputs:
                at = value
                while at in graph.places and (alias := graph.places[at].alias) is not None:
                    at = alias
                if at in states and not isinstance(node.op, Reshape):  # a reshape in its operand writes nothing
                    self.fail(node, f"expected no write to a state before the last check, got one of {at}.")


def _listed(types: tuple[TensorType, ...]) -> str:
    return ", ".join(map(str, types)) or "none"
