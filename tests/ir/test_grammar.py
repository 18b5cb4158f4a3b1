"""docs/ir.md says what is true: its grammar is that of the parser and of the printer."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from lucid.errors import ParseError
from lucid.ir.graph import Graph
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse, print_graph
from lucid.ir.text_parse import NESTING, TUPLE_LENGTH
from lucid.ir.text_scan import Scanner, Token
from lucid.ir.types import DTYPES
from tests.ir.graphs import graphs
from tests.ir.test_text_errors import SAMPLES, mutated

PAGE = (Path(__file__).parents[2] / "docs" / "ir.md").read_text()
KINDS = ("value", "label", "name", "number", "string")


def rules() -> dict[str, list[str]]:
    """The right side of each rule of the page, as symbols."""
    (block,) = re.findall(r"^```ebnf\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    symbols = re.findall(r'"[^"]*"|\w+|[-=;|\[\]{}()]', block)
    found: dict[str, list[str]] = {}
    while symbols:
        end = symbols.index(";")
        found[symbols[0]] = symbols[2:end]
        symbols = symbols[end + 1 :]
    return found


RULES = rules()


class Recognizer:
    """Derives a text by the rules: ordered choice, and repetition as often as it goes."""

    def __init__(self, text: str) -> None:
        scanner = Scanner(text)
        self.tokens: list[Token] = []
        while scanner.token.kind != "end":
            self.tokens.append(scanner.advance())

    def accepts(self) -> bool:
        return self.symbol("text", 0) == len(self.tokens)

    def symbol(self, symbol: str, at: int) -> int | None:
        """Where a symbol that begins with token `at` ends, None where it does not derive what stands there."""
        if symbol == "here":
            here = 0 < at < len(self.tokens) and self.tokens[at].line == self.tokens[at - 1].line
            return at if here else None
        if symbol in RULES and RULES[symbol][1:2] == ["-"]:
            allowed, _, forbidden = RULES[symbol]
            return None if self.symbol(forbidden, at) is not None else self.symbol(allowed, at)
        if symbol in RULES:
            return self.choice(alternatives(RULES[symbol]), at)
        if at == len(self.tokens):
            return None
        token = self.tokens[at]
        matches = token.text == symbol[1:-1] if symbol.startswith('"') else token.kind == symbol
        return at + 1 if matches else None

    def choice(self, choices: list[list[object]], at: int) -> int | None:
        ends = (self.sequence(sequence, at) for sequence in choices)
        return next((end for end in ends if end is not None), None)

    def sequence(self, sequence: list[object], at: int) -> int | None:
        end: int | None = at
        for item in sequence:
            if isinstance(item, str):
                end = self.symbol(item, end)
            else:
                mark, choices = item
                after = self.choice(choices, end)
                while after is not None and mark == "{":
                    end, after = after, self.choice(choices, after)
                end = after if after is not None or mark == "(" else end
            if end is None:
                return None
        return end


def alternatives(symbols: list[str]) -> list[list[object]]:
    """The right side of a rule as a list of alternatives; an item is a symbol, or a bracket and what stands in it."""
    stream = iter(symbols)

    def read(closing: str) -> list[list[object]]:
        choices: list[list[object]] = [[]]
        for symbol in stream:
            if symbol == closing:
                break
            if symbol == "|":
                choices.append([])
            elif symbol in "([{":
                choices[-1].append((symbol, read({"(": ")", "[": "]", "{": "}"}[symbol])))
            else:
                choices[-1].append(symbol)
        return choices

    return read("")


def test_every_symbol_has_a_rule_or_is_a_token() -> None:
    symbols = {s for right in RULES.values() for s in right if s.isidentifier()}
    assert symbols - set(RULES) == {*KINDS, "here"}
    for kind in (*KINDS, "here"):
        assert f"\n| `{kind}` |" in PAGE
    assert [f'"{dtype.short}"' for dtype in DTYPES] == RULES["dtype"][::2]
    assert f"graphs are nested {NESTING} deep at most" in PAGE
    assert f"with {TUPLE_LENGTH} elements at most" in PAGE


@pytest.mark.parametrize("text", SAMPLES, ids=lambda text: text.split("= ")[-1][:20])
def test_the_grammar_derives_every_op(text: str) -> None:
    assert Recognizer(text).accepts()


@settings(max_examples=25)
@given(graphs(regions=True))
def test_the_grammar_derives_what_is_printed(graph: Graph) -> None:
    for stage in run_pipeline(graph).graphs.values():
        assert Recognizer(print_graph(stage)).accepts()


def test_the_grammar_derives_what_is_parsed_and_nothing_that_fails_in_its_syntax() -> None:
    generator = random.Random(1)
    parsed = refused = 0
    for text in mutants(generator, 1500):
        try:
            derived = Recognizer(text).accepts()
        except ParseError:  # no tokens
            continue
        try:
            parse(text)
        except ParseError:
            refused += not derived
        else:
            assert derived, text
            parsed += 1
    assert parsed > 50
    assert refused > 500


def mutants(generator: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield mutated(generator.choice(SAMPLES), generator)


def test_the_page_lists_the_stages() -> None:
    graph = parse("graph(%x: f32[4]) { %y = neg %x; return %y }")
    for stage in (*run_pipeline(graph).graphs, "planned"):
        assert f"\n| `{stage}` |" in PAGE
