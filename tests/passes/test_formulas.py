"""Short formulas of one value in memory: which nodes have one, and which of these each kernel computes for itself."""

from __future__ import annotations

import pytest

from lucid.ir.passes.formulas import MOST_OPERATIONS_AGAIN, computed_again, formulas_of_one_value
from lucid.ir.passes.windowed import MOST_OPERATIONS_IN_A_WINDOW, windowed
from lucid.ir.text import parse


def formulas(text: str, most: int = MOST_OPERATIONS_AGAIN) -> dict[str, tuple[int, set[str]]]:
    """By the name of its result: how many operations a node takes, and the values in memory that it reads."""
    found = formulas_of_one_value(parse(text), most)
    return {
        str(node.output.name): (formula.operations, {str(value.name) for value in formula.reads})
        for node, formula in found.items()
    }


def again(text: str) -> list[str | None]:
    graph = parse(text)
    found = computed_again(graph)
    return [node.output.name for node in graph.nodes if node in found]


def test_operations_add_up_to_the_most_that_are_repeated() -> None:
    text = "graph(%x: f32[4]) { %a = neg %x; %b = mul %a, %x; %c = add %b, %a; %d = abs %c; return %d }"
    assert formulas(text, 5) == {"a": (1, {"x"}), "b": (2, {"x"}), "c": (4, {"x"}), "d": (5, {"x"})}
    assert list(formulas(text, 4)) == ["a", "b", "c"]


def test_two_values_in_memory_are_one_too_many() -> None:
    text = "graph(%x: f32[4], %y: f32[4]) { %a = neg %x; %b = add %a, %y; %c = abs %b; return %c }"
    assert list(formulas(text)) == ["a"]


def test_what_is_spread_and_what_is_constant_is_not_counted() -> None:
    text = """graph(%x: f32[4, 3], %b: f32[3]) {
        %one: f32[4, 3] = const value=1.0; %w: f32[4, 3] = broadcast %b
        %a = mul %x, %w; %c = add %a, %one; return %c }"""
    assert formulas(text) == {"a": (1, {"x"}), "c": (2, {"x"})}


def test_a_broadcast_that_spreads_nothing_is_a_value_as_any_other() -> None:
    """It has as many elements to read as its operand: none of the few that a kernel would read besides."""
    text = """graph(%x: f32[4, 1], %b: f32[4]) {
        %r: f32[4, 1] = reshape %b; %w: f32[4, 1] = broadcast %r; %a = mul %x, %w; return %a }"""
    assert formulas(text) == {}


def test_what_another_sweep_computes_is_read_from_memory() -> None:
    """However long its own formula is: a kernel of the backward has only its result."""
    text = """graph(%x: f32[4], %y: f32[4]) {
        %e = exp %x; %h = mul %e, %y; %r: f32[2, 2] = reshape %h; %v: f32[4] = reshape %r
        %m = neg %v in backward 1; %n = neg %v; return %m, %n }"""
    assert formulas(text) == {"m": (1, {"h"})}
    other = """graph(%x: f32[4]) {
        %a = neg %x in backward 1; %b = abs %a in backward 2; %c = abs %a in backward 1; return %b, %c }"""
    assert formulas(other) == {"a": (1, {"x"}), "b": (1, {"a"}), "c": (2, {"x"})}


def test_sources_and_broadcasts_of_another_sweep_are_still_not_counted() -> None:
    text = """graph(%x: f32[4, 3], %b: f32[3]) {
        %one: f32[4, 3] = const value=1.0; %w: f32[4, 3] = broadcast %b
        %a = mul %x, %w in backward 1; %c = add %a, %one in backward 1; return %c }"""
    assert formulas(text) == {"a": (1, {"x"}), "c": (2, {"x"})}


def test_results_of_products_are_in_memory_and_those_of_reductions_may_not_be() -> None:
    text = """graph(%x: f32[4, 4]) {
        %m = matmul %x, %x; %a = neg %m; %s = sum %x, axes=(1,); %b = neg %s; return %a, %b }"""
    assert formulas(text) == {"a": (1, {"m"})}


CENTERED = """graph(%x: {dtype}[4, 3]) {{
    %h = {function}; %s = sum %h, axes=(1,); %s1: {sum}[4, 1] = reshape %s; %s2: {sum}[4, 3] = broadcast %s1
    %d = sub %h, %s2; return %d{more} }}"""


@pytest.mark.parametrize(
    ("dtype", "function", "result", "found"),
    [
        ("f32", "mul %x, %x", "f32", ["h"]),
        ("f32", "cast %x, dtype=f64", "f64", ["h"]),  # the operand has half the bytes
        ("f64", "cast %x, dtype=f32", "f32", []),  # twice as many bytes to read as the result has
    ],
)
def test_it_is_computed_again_from_no_more_bytes_than_the_result_has(
    dtype: str, function: str, result: str, found: list[str]
) -> None:
    assert again(CENTERED.format(dtype=dtype, function=function, sum=result, more="")) == found


def test_what_is_in_memory_anyway_is_not_computed_again() -> None:
    whole = {"dtype": "f32", "function": "mul %x, %x", "sum": "f32"}
    assert again(CENTERED.format(**whole, more="")) == ["h"]
    assert again(CENTERED.format(**whole, more=", %h")) == []
    head = CENTERED.format(**whole, more="").replace("return", "%r: f32[3, 4] = reshape %h; %m = matmul %r, %d; return")
    assert again(head.replace("return %d", "return %m")) == []


def test_what_one_kernel_can_hold_with_its_readers_is_not_computed_again() -> None:
    assert again("graph(%x: f32[4, 3]) { %h = neg %x; %a = abs %h; %s = sum %h, axes=(1,); return %a, %s }") == []


POOLED = """graph(%x: f32[2, 6], %w: f32[6, 6]) {{
    %n0 = matmul %x, %w; {chain}
    %r: f32[2, 6, 1] = reshape %n{count}
    %v = window %r, kernel=(2,), positions=(3,), stride=(2,), dilation=(1,), low=(0,)
    %y = first_max %v, axes=(2,); {more} }}"""


def in_windows(count: int, more: str = "return %y") -> int:
    """How many nodes of a chain of so many negations are computed where a window reads its end."""
    chain = "; ".join(f"%n{n + 1} = neg %n{n}" for n in range(count))
    return len(windowed(parse(POOLED.format(chain=chain, count=count, more=more))))


def test_what_a_window_alone_reads_is_computed_there_however_long_it_is() -> None:
    assert in_windows(MOST_OPERATIONS_IN_A_WINDOW + 1) == MOST_OPERATIONS_IN_A_WINDOW + 1


def test_what_others_read_too_is_computed_there_up_to_so_many_operations() -> None:
    """Where it is too long, it is stored, and so is what leads to it alone."""
    most = MOST_OPERATIONS_IN_A_WINDOW
    for other in ("%a = abs %n{0}; return %y, %a", "%s = sum %n{0}, axes=(1,); return %y, %s"):
        assert in_windows(most, other.format(most)) == most
        assert in_windows(most + 1, other.format(most + 1)) == 0


def test_what_is_stored_anyway_is_read_by_the_window() -> None:
    assert in_windows(2, "return %y, %n2") == 0
    assert in_windows(2, "return %y, %n1") == 1


def test_a_window_whose_elements_are_read_again_takes_in_so_many_operations() -> None:
    """By a second kernel, or by windows that overlap, which have their operand in layers."""
    most = MOST_OPERATIONS_IN_A_WINDOW
    assert in_windows(most, "%a = abs %v; return %y, %a") == most
    assert in_windows(most + 1, "%a = abs %v; return %y, %a") == 0
    overlapping = """graph(%x: f32[2, 6, 3]) {{ %e = {function} %x
        %v = window %e, kernel=(3,), positions=(4,), stride=(1,), dilation=(1,), low=(0,)
        %y = first_max %v, axes=(2,); return %y }}"""
    assert len(windowed(parse(overlapping.format(function="neg")))) == 1
    assert len(windowed(parse(overlapping.format(function="exp")))) == 0
