"""Graphs from text. The syntax is described in `lucid.ir.text`."""

from __future__ import annotations

import dataclasses
import difflib
import json
import typing
from dataclasses import dataclass, field
from typing import Any

from lucid.errors import LucidError
from lucid.ir.graph import Graph, Location, Node, Place, Value
from lucid.ir.ops import REGISTRY
from lucid.ir.ops.base import USER_REGISTRY, Op
from lucid.ir.ops.structure import Const, normalized
from lucid.ir.text_print import implied_attributes, literal
from lucid.ir.text_scan import Scanner, Token
from lucid.ir.types import BY_SHORT_NAME, DType, TensorType
from lucid.ir.verify import attribute_types, belongs_to, type_problem

NESTING = 32  # of regions, and of tuples
TUPLE_LENGTH = 4096
WORDS = {"true": True, "false": False, "none": None}


def parse(text: str) -> Graph:
    """The graph that a text says, each node checked by the type rule of its op.

    Of the invariants that `verify` holds, the parser checks those it needs: names are defined once and before use,
    attributes and types are as the ops declare them. Raises ParseError.

    >>> parse("graph(%x: f32[4]) { %1 = add %x, %y; return %1 }")
    Traceback (most recent call last):
    lucid.errors.ParseError: expected a value that is defined, got `%y`.
      line 1, column 34:
        graph(%x: f32[4]) { %1 = add %x, %y; return %1 }
                                         ^
    """
    parser = _Parser(text)
    parser.take_word("graph")
    graph = parser.graph(depth=0)
    parser.take("end", "the end of the text")
    return graph


@dataclass
class _Scope:
    """What a graph has defined so far. Places are resolved at its end: an alias may name a later value."""

    values: dict[str, Value] = field(default_factory=dict)
    places: list[tuple[Value, Token]] = field(default_factory=list)


@dataclass(frozen=True)
class _Declaration:
    """`%name: type @ place`, where the type and the place may be missing."""

    name: Token
    type: TensorType | None
    place: Token | None


class _Parser(Scanner):
    """Recursive descent: a method a rule, with the rule in its docstring."""

    def graph(self, depth: int) -> Graph:
        """[@name] ( parameters ) { statements return }"""
        if depth > NESTING:
            self.fail(self.token, f"expected at most {NESTING} graphs inside each other.")
        name = self.advance().text[1:] if self.at("label") else ""
        scope = _Scope()
        arguments: list[Value] = []
        states: list[Value] = []
        self.take("(")
        if not self.at(")"):
            for is_state, value in self.take_list(lambda: self.parameter(scope)):
                (states if is_state else arguments).append(value)
        self.take(")")
        self.take("{")
        nodes = []
        while not self.at_word("return"):
            nodes.append(self.statement(scope, depth))
        outputs, updates = self.results(scope)
        self.take("}")
        return Graph(
            name, tuple(arguments), tuple(states), tuple(nodes), tuple(outputs), tuple(updates), self.places(scope)
        )

    def parameter(self, scope: _Scope) -> tuple[bool, Value]:
        """%name: [state] type [@ place]"""
        name = self.take("value", "a parameter such as `%x: f32[4]`")
        self.take(":")
        is_state = self.accept_word("state")
        type, place = self.tensor_type(), self.place()
        return is_state, self.define(scope, _Declaration(name, type, place), type)

    def declaration(self) -> _Declaration:
        """%name[: type [@ place]]"""
        name = self.take("value", "a result such as `%h`")
        if not self.accept(":"):
            return _Declaration(name, None, None)
        return _Declaration(name, self.tensor_type(), self.place())

    def place(self) -> Token | None:
        """[@ arena+offset | @ %other]"""
        if not self.accept("@"):
            return None
        if self.at("value"):
            return self.advance()
        if not self.accept_word("arena"):
            self.expected("`arena+` and an offset, or a value")
        self.take("+")
        offset = self.take("number", "an offset")
        if not offset.text.isdecimal():
            self.fail(offset, f"expected an offset in bytes, got {offset}.")
        return offset

    def places(self, scope: _Scope) -> dict[Value, Place]:
        return {
            value: Place(alias=self.defined(scope, at)) if at.kind == "value" else Place(offset=self.integer(at))
            for value, at in scope.places
        }

    def statement(self, scope: _Scope, depth: int) -> Node:
        """[results =] op operands attributes [in backward n] regions"""
        declared = []
        if self.at("value"):
            declared = self.take_list(self.declaration)
            self.take("=")
        name = self.take("name", "an op, or `return`")
        op_class = self.op_class(name)
        inputs, attributes = self.items(scope, op_class)
        backward = 0
        if self.goes_on() and self.accept_word("in"):
            self.take_word("backward")
            backward = self.integer(self.take("number", "the number of a grad op"))
        regions = []
        while self.goes_on() and (self.at("label") or self.at("(")):
            regions.append(self.graph(depth + 1))
        if self.goes_on():
            self.expected("the end of the statement")
        self.accept(";")
        self.add_regions(name, op_class, attributes, regions)
        op, types = self.checked(name, op_class, inputs, attributes, declared)
        outputs = tuple(self.define(scope, *pair) for pair in zip(declared, types, strict=True))
        return Node(op, tuple(inputs), outputs, _location(self.comments.get(name.line, "")), backward)

    def items(self, scope: _Scope, op_class: type[Op]) -> tuple[list[Value], dict[str, Any]]:
        """%operand, ..., name=value, ..."""
        inputs: list[Value] = []
        attributes: dict[str, Any] = {}
        if not self.goes_on() or not (self.at("value") or self.at("name")) or self.at_word("in"):
            return inputs, attributes
        while True:
            if self.at("value"):
                if attributes:
                    self.expected("an attribute, as operands come first")
                inputs.append(self.defined(scope, self.advance()))
            else:
                self.attribute(op_class, attributes)
            if not self.accept(","):
                return inputs, attributes

    def attribute(self, op_class: type[Op], attributes: dict[str, Any]) -> None:
        """name=value"""
        name = self.take("name", "an operand such as `%x`, or an attribute")
        types = {key: type for key, type in attribute_types(op_class).items() if type is not Graph}
        if name.text not in types:
            known = f"one of the attributes of {op_class.name} ({', '.join(types)})" if types else "no attribute"
            self.fail(name, f"expected {known}, got {name}.")
        if name.text in attributes:
            self.fail(name, f"expected attribute {name.text} once, got it again.")
        self.take("=")
        start = self.token
        value = self.literal(depth=0)
        if not belongs_to(value, types[name.text]):
            given = literal(value)[:60]
            self.fail(start, f"expected {_type_name(types[name.text])} as attribute {name.text}, got {given}.")
        attributes[name.text] = value

    def literal(self, depth: int) -> object:
        """true | false | none | number | "text" | (literal, ...) | dtype | type"""
        if self.token.kind == "name" and self.token.text in WORDS:
            return WORDS[self.advance().text]
        if self.at("number"):
            return self.number(self.advance())
        if self.at("string"):
            return self.string(self.advance())
        if self.at("name") and self.token.text in BY_SHORT_NAME:
            dtype = self.dtype()
            return self.shape(dtype) if self.at("[") else dtype
        start = self.take("(", "the value of an attribute")
        if depth == NESTING:
            self.fail(start, f"expected at most {NESTING} tuples inside each other.")
        items: list[object] = []
        while not self.at(")"):
            if len(items) == TUPLE_LENGTH:
                self.fail(self.token, f"expected at most {TUPLE_LENGTH} elements in a tuple.")
            items.append(self.literal(depth + 1))
            if not self.accept(","):
                break
        self.take(")")
        return tuple(items)

    def tensor_type(self) -> TensorType:
        """dtype[extent, ...]"""
        dtype = self.dtype()
        if not self.at("["):
            self.expected("`[`")
        return self.shape(dtype)

    def dtype(self) -> DType:
        if not self.at("name") or self.token.text not in BY_SHORT_NAME:
            self.expected(f"a dtype ({', '.join(BY_SHORT_NAME)})")
        return BY_SHORT_NAME[self.advance().text]

    def shape(self, dtype: DType) -> TensorType:
        start = self.take("[")
        extents = []
        if not self.at("]"):
            extents = self.take_list(lambda: self.integer(self.take("number", "an extent")))
        self.take("]")
        return self.representable(start, TensorType(dtype, tuple(extents)))

    def results(self, scope: _Scope) -> tuple[list[Value], list[tuple[Value, Value]]]:
        """return %output, ... [; %state <- %new, ...]"""
        self.take_word("return")
        outputs = []
        if self.goes_on():
            outputs = self.take_list(lambda: self.operand(scope, "an output"))
        updates = self.take_list(lambda: self.update(scope)) if self.accept(";") else []
        return outputs, updates

    def update(self, scope: _Scope) -> tuple[Value, Value]:
        """%state <- %new"""
        state = self.operand(scope, "a state")
        self.take("<-")
        return state, self.operand(scope, "its new value")

    def operand(self, scope: _Scope, what: str) -> Value:
        return self.defined(scope, self.take("value", f"{what} such as `%x`"))

    # Meaning.

    def integer(self, token: Token) -> int:
        value = self.number(token)
        if not isinstance(value, int):
            self.fail(token, f"expected an integer, got {token}.")
        return value

    def number(self, token: Token) -> int | float:
        """The number that a token spells: an integer of at most 64 bits, or a float64."""
        text = token.text
        if len(text) > 40:
            self.fail(token, f"expected a number of at most 40 characters, got {len(text)}.")
        if text.lstrip("-").isdecimal():
            if not -(2**63) <= int(text) < 2**64:
                self.fail(token, f"expected an integer of at most 64 bits, got {token}.")
            return int(text)
        if abs(float(text)) == float("inf") and not text.endswith("inf"):
            self.fail(token, f"expected a number within the range of float64, or inf, got {token}.")
        return float(text)

    def string(self, token: Token) -> str:
        try:
            value: str = json.loads(token.text)
        except ValueError:
            self.fail(token, "expected a text with escapes as in JSON.")
        return value

    def op_class(self, name: Token) -> type[Op]:
        found = REGISTRY.get(name.text) or USER_REGISTRY.get(name.text)
        if found is None:
            close = difflib.get_close_matches(name.text[:40], [*REGISTRY, *USER_REGISTRY], 1)
            hint = f"did you mean `{close[0]}`?" if close else None
            if hint is None and "." in name.text:
                hint = "import the module that declares it first."
            self.fail(name, f"expected an op, got {name}.", hint=hint)
        return found

    def defined(self, scope: _Scope, token: Token) -> Value:
        if token.text[1:] not in scope.values:
            self.fail(token, f"expected a value that is defined, got {token}.")
        return scope.values[token.text[1:]]

    def define(self, scope: _Scope, declared: _Declaration, type: TensorType) -> Value:
        name = declared.name.text[1:]
        if name in scope.values:
            self.fail(declared.name, f"expected a new name, got {declared.name}, which is defined already.")
        value = scope.values[name] = Value(type, None if name.isdecimal() else name)
        if declared.place is not None:
            scope.places.append((value, declared.place))
        return value

    def add_regions(self, name: Token, op_class: type[Op], attributes: dict[str, Any], regions: list[Graph]) -> None:
        """Regions are the Graph attributes, in order."""
        names = [key for key, type in attribute_types(op_class).items() if type is Graph]
        if len(regions) != len(names):
            self.fail(name, f"expected {len(names)} regions of {name.text}, got {len(regions)}.")
        attributes.update(zip(names, regions, strict=True))

    def checked(
        self,
        name: Token,
        op_class: type[Op],
        inputs: list[Value],
        attributes: dict[str, Any],
        declared: list[_Declaration],
    ) -> tuple[Op, tuple[TensorType, ...]]:
        """The op, its type rule applied, and the types of its results, which agree with the declared ones."""
        said = implied_attributes(op_class, [result.type for result in declared if result.type is not None])
        attributes = {**said, **attributes}
        for attribute in op_class.fields:
            required = attribute.default is dataclasses.MISSING and attribute.default_factory is dataclasses.MISSING
            if required and attribute.name not in attributes:
                typed = ", or the type of its result" if attribute.name in ("type", "shape", "dtype") else ""
                self.fail(name, f"expected attribute {attribute.name} of {name.text}{typed}.")
        if op_class is Const:
            attributes["value"] = _rounded(attributes["value"], attributes["type"])
        try:
            op = op_class(**attributes)
            types = op.infer([value.type for value in inputs])
        except LucidError as error:
            self.fail(name, error.sentence, error.hint)
        if len(types) != len(declared):
            self.fail(name, f"expected {len(types)} results of {name.text}, got {len(declared)}.")
        for result, type in zip(declared, types, strict=True):
            if result.type is not None and result.type != type:
                self.fail(
                    result.name, f"expected {result.name} of type {type}, as {name.text} gives, got {result.type}."
                )
            self.representable(result.name, type)
        return op, types

    def representable(self, token: Token, type: TensorType) -> TensorType:
        problem = type_problem(type)
        if problem is not None:
            self.fail(token, problem)
        return type


def _rounded(value: bool | int | float, type: TensorType) -> bool | int | float:
    """The value of a constant as its dtype holds it, where that rounds a float to a float in range."""
    if not isinstance(value, float) or not type.dtype.is_float:
        return value
    rounded = normalized(value, type)
    return value if abs(rounded) == float("inf") else rounded


def _type_name(type: Any) -> str:
    return str(type) if typing.get_args(type) else str(type.__name__)


def _location(comment: str) -> Location | None:
    """The location that prints as a comment."""
    if not comment:
        return None
    module, _, place = comment.rpartition("  ")
    file, _, line = place.rpartition(":")
    if file and line.isdecimal() and len(line) < 10:
        location = Location(module, file, int(line))
        if str(location) == comment:
            return location
    return Location(comment)
