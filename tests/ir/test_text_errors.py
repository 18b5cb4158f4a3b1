"""Text that is not a graph gives a ParseError that says where and why; no text does anything else."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import tracemalloc
from collections.abc import Sequence

import pytest

from lucid.errors import LucidError, ParseError
from lucid.ir.ops import REGISTRY
from lucid.ir.text import parse
from lucid.ir.types import TensorType, bool_, float32, int64, uint64
from tests.ir.test_text import TEXTS, assert_round_trip


def test_an_error_shows_its_place_and_not_the_users_python() -> None:
    with pytest.raises(ParseError) as caught:
        parse("graph @f(%x: f32[4]) {\n  %h = matmull %x, %x\n}")
    assert str(caught.value) == (
        "expected an op, got `matmull`.\n"
        "  line 2, column 8:\n"
        "      %h = matmull %x, %x\n"
        "           ^\n"
        "  hint: did you mean `matmul`?"
    )
    assert (caught.value.line, caught.value.column) == (2, 8)


def test_an_error_in_a_long_line_shows_the_part_around_it() -> None:
    with pytest.raises(ParseError) as caught:
        parse("graph(" + "%x: f32[], " * 100_000)
    assert len(str(caught.value)) < 400


BAD = """
grph @f() { return }  # error: expected `graph`, got `grph`.
---
graph @f(%x f32[4]) { return }  # error: expected `:`, got `f32`.
---
graph @f(%x: f33[4]) { return }  # error: expected a dtype (bool, u8, u32, ...
---
graph @f(%x: f32[-1]) { return }  # error: expected a type with extents from 0 and a size in bytes...
---
graph (%x: f32[4611686018427387904, 2]) { return }  # error: expected a type with extents from 0 and a size in bytes...
---
graph @f(%x: f32[99999999999999999999]) { return }  # error: expected an integer of at most 64 bits...
---
graph @f(%x: f32[4], %x: f32[4]) { return }  # error: expected a new name, got `%x`, which is defined already.
---
graph @f(%x: f32[4] @ 3) { return }  # error: expected `arena+` and an offset, or a value, got `3`.
---
graph @f(%x: f32[4] @ %z) { return }  # error: expected a value that is defined, got `%z`.
---
graph @f() { return } graph  # error: expected the end of the text, got `graph`.
---
graph @f() {
  %x = neg %x  # error: expected a value that is defined, got `%x`.
  return
}
---
graph @f(%x: f32[4]) {
  %x = neg %x  # error: expected a new name, got `%x`, which is defined already.
  return
}
---
graph @f(%x: f32[4]) {
  %y neg %x  # error: expected `=`, got `neg`.
  return
}
---
graph @f(%x: f32[4]) {
  %y = neg %x,
  %z = neg %y  # error: expected a value that is defined, got `%z`.
  return
}
---
graph @f(%x: f32[4]) {
  %y = neg %x %x  # error: expected the end of the statement, got `%x`.
  return
}
---
graph @f(%x: f32[4]) {
  %y: f32[5] = neg %x  # error: expected `%y` of type f32[4], as neg gives, got f32[5].
  return
}
---
graph @f(%x: f32[4]) {
  %y, %z = neg %x  # error: expected 1 results of neg, got 2.
  return
}
---
graph @f(%x: f32[4]) {
  neg %x  # error: expected 1 results of neg, got 0.
  return
}
---
graph @f(%x: f32[4], %n: i64[4]) {
  %y = add %x, %n  # error: add takes operands of one dtype, got float32 and int64.
  return
}
---
graph @f(%x: f32[4]) {
  %y = max axes=(0,)  # error: max takes 1 operands, got 0.
  return
}
---
graph @f(%x: f32[4]) {
  %y = reshape %x  # error: expected attribute shape of reshape, or the type of its result.
  return
}
---
graph @f(%x: f32[4]) {
  %y: f32[] = sum %x  # error: expected attribute axes of sum.
  return
}
---
graph @f(%x: f32[4]) {
  %y = sum %x, axis=0  # error: expected one of the attributes of sum (axes, lanes), got `axis`.
  return
}
---
graph @f(%x: f32[4]) {
  %y = neg %x, axis=0  # error: expected no attribute, got `axis`.
  return
}
---
graph @f(%x: f32[4]) {
  %y = sum %x, axes=0  # error: expected tuple[int, ...] as attribute axes, got 0.
  return
}
---
graph @f(%x: f32[4]) {
  %y = sum %x, axes=(true,)  # error: expected tuple[int, ...] as attribute axes, got (true,).
  return
}
---
graph @f(%x: f32[4]) {
  %y = sum %x, axes=(0,), axes=(0,)  # error: expected attribute axes once, got it again.
  return
}
---
graph @f(%x: f32[4]) {
  %y = sum %x, axes=(0,), lanes=3  # error: sum takes 0 lanes or a power of two up to 64, got 3.
  return
}
---
graph @f(%x: f32[4]) {
  %y = sum %x, axes=(0,), lanes=4611686018427387904  # error: sum takes 0 lanes or a power of two up to 64, got 46...
  return
}
---
graph @f(%x: f32[4, 4]) {
  %y = matmul %x, %x, chunk=-1  # error: matmul takes a chunk from 0 to 2147483647, got -1.
  return
}
---
graph @f(%x: f32[4, 4]) {
  %y = matmul %x, %x, lanes=8  # error: matmul takes lanes of 1, 16, 32, got 8.
  return
}
---
graph @f(%x: f32[4]) {
  %y = sum axes=(0,), %x  # error: expected an attribute, as operands come first, got `%x`.
  return
}
---
graph @f() {
  %y: i64[] = const value=0.5  # error: const takes a value of int64, got 0.5.
  return
}
---
graph @f() {
  %y: f32[] = const value=1e39  # error: const takes a value of float32, got 1e+39.
  return
}
---
graph @f() {
  %y: f32[] = const value=1e999  # error: expected a number within the range of float64, or inf, got `1e999`.
  return
}
---
graph @f(%i: i64[]) {
  check %i, %i, message="\\q"  # error: expected a text with escapes as in JSON.
  return
}
---
graph @f(%i: i64[]) {
  check %i, %i, message="open  # error: expected a closing quote on this line...
  return
}
---
graph @f(%x: f32[4]) {
  %y = neg %x in forward 1  # error: expected `backward`, got `forward`.
  return
}
---
graph @f(%x: f32[4]) {
  %y = neg %x in backward 0.5  # error: expected an integer, got `0.5`.
  return
}
---
graph @f(%x: f32[4]) {
  %y = fused %x  # error: expected 1 regions of fused, got 0.
  return
}
---
graph @f(%x: f32[4]) {
  %y = neg %x (%a: f32[4]) { return %a }  # error: expected 0 regions of neg, got 1.
  return
}
---
graph @f(%x: f32[4]) {
  %y = fused %x (%a: f32[4]) {
    %b = neg %x  # error: expected a value that is defined, got `%x`.
    return %b
  }
  return
}
---
graph @f(%x: f32[4]) {
  %y = fused %x (%a: f32[5]) { return %a }  # error: fused takes the arguments of its body, got f32[4].
  return
}
---
graph @f(%x: f32[4], %w: state f32[4]) {
  return %x ; %w = %x  # error: expected `<-`, got `=`.
}
---
graph @f(%x: f32[4]) {
  return %y  # error: expected a value that is defined, got `%y`.
}
---
graph @f(%x: f32[4]) {
  return %x,
}  # error: expected an output such as `%x`, got `}`.
---
graph @f(%x: f32[4]) {
  $  # error: expected a name, a number or a symbol, got `$`.
}
"""


@pytest.mark.parametrize("program", BAD.strip("\n").split("\n---\n"))
def test_bad_programs(program: str) -> None:
    (line,) = (number for number, text in enumerate(program.split("\n"), 1) if "# error: " in text)
    with pytest.raises(ParseError) as caught:
        parse(program)
    expected = program.split("\n")[line - 1].partition("# error: ")[2]
    sentence = caught.value.sentence
    assert sentence.startswith(expected[:-3]) if expected.endswith("...") else sentence == expected
    assert caught.value.line == line


@pytest.mark.parametrize(
    "program",
    {
        "tuples": "graph() { %x: f32[] = sum axes=" + "(" * 100_000,
        "regions": "graph(%x: f32[]) { " + "%y = fused %x (%x: f32[]) { " * 10_000,
        "digits": "graph() { %x: i64[] = const value=" + "9" * 1_000_000 + "; return %x }",
        "fraction": "graph() { %x: f64[] = const value=0." + "9" * 1_000_000 + "; return %x }",
        "axes": "graph(%x: f32[" + "1, " * 100_000 + "1]) { return %x }",
        "elements": "graph(%x: f32[1]) { %y = reshape %x, shape=(" + "9000000000, " * 100_000 + "); return %y }",
        "doubling": "graph(%x0: u8[0, 9]) {"
        + "".join(f"%x{i + 1} = concatenate %x{i}, %x{i}, axis=1\n" for i in range(100_000))
        + " return }",
        "string": 'graph() { check message="' + "\\" * 1_000_001,
        "comment": "#" * 1_000_000,
        "name": "graph() { " + "a" * 1_000_000,
        "statements": "graph() { " + "\n" * 1_000_000 + "!",
    }.values(),
    ids=lambda program: program[:40],
)
def test_large_nonsense_is_an_error(program: str) -> None:
    with pytest.raises(ParseError):
        parse(program)


SAMPLES = list(TEXTS.values())
PIECES = sorted({piece for sample in SAMPLES for piece in sample.replace("(", " ( ").replace(",", " , ").split()})


def mutated(text: str, generator: random.Random) -> str:
    """Text with a few characters or words lost, doubled, swapped or replaced."""
    for _ in range(generator.randint(1, 2)):
        start = generator.randrange(len(text) + 1)
        end = min(len(text), start + generator.randint(0, 6))
        new = generator.choice(
            ["", text[start:end] * 2, text[start:end][::-1], generator.choice(PIECES), chr(generator.randrange(0x300))]
        )
        text = text[:start] + new + text[end:]
    return text


@pytest.mark.parametrize("seed", range(8))
def test_mutated_text_is_a_graph_or_an_error(seed: int) -> None:
    """1,000 texts each, and no other exception."""
    generator = random.Random(seed)
    graphs = 0
    for number in range(1000):
        try:
            graph = parse(mutated(generator.choice(SAMPLES), generator))
        except ParseError:
            continue
        graphs += 1
        if not number % 10:
            assert_round_trip(graph)
    assert 50 < graphs < 500


BUDGET = 2**20  # bytes that may be held while a mutant of a sample is parsed: four times what it takes


@pytest.mark.parametrize("seed", range(8, 10))
def test_mutated_text_takes_no_memory_by_its_wish(seed: int) -> None:
    generator = random.Random(seed)
    tracemalloc.start()
    for _ in range(1000):
        text = mutated(generator.choice(SAMPLES), generator)
        tracemalloc.reset_peak()
        with contextlib.suppress(ParseError):
            parse(text)
        assert tracemalloc.get_traced_memory()[1] < BUDGET, text
    tracemalloc.stop()


@pytest.mark.parametrize("seed", range(4))
def test_word_salad_is_an_error(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(100):
        with pytest.raises(ParseError):
            parse("graph (%x: f32[]) { " + " ".join(generator.choices(PIECES, k=generator.randint(1, 40))) + " }}")


NUMBERS = (-1, 0, 1, 2, 2**63 - 1)
TYPES = [
    TensorType(dtype, shape) for dtype in (float32, int64, bool_, uint64) for shape in [(), (0,), (2, 3), (1,) * 4]
]
VALUES: dict[str, Sequence[object]] = {
    "int": NUMBERS,
    "Extent": NUMBERS,
    "bool": (False, True),
    "str": ("{", "{0}"),
    "bool | int | float": (True, 0, -1, 2**64 - 1, 0.5, math.inf, math.nan),
    "DType": (float32, int64, bool_),
    "TensorType": TYPES,
    "Graph": (parse("graph(%x: f32[]) { return %x }"),),
}


@pytest.mark.parametrize("name", REGISTRY)
def test_type_rules_refuse_whatever_a_text_says_with_lucid_errors(name: str) -> None:
    """What the parser hands to a type rule: attributes of their declared types, and any operands."""
    generator = random.Random(name)

    def attribute(type: str) -> object:
        if type in VALUES:
            return generator.choice(VALUES[type])
        return tuple(generator.choices(NUMBERS, k=generator.randint(0, 4)))  # a shape, axes, steps, ...

    for _ in range(400):
        attributes = {field.name: attribute(str(field.type)) for field in dataclasses.fields(REGISTRY[name])}  # type: ignore[arg-type]
        operands = generator.choices(TYPES, k=generator.randint(0, 4))
        with contextlib.suppress(LucidError):
            REGISTRY[name](**attributes).infer(operands)
