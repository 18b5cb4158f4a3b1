"""The driver of rewrite rules."""

from __future__ import annotations

from lucid.ir.graph import Location, Node, Value
from lucid.ir.ops import elementwise as ew
from lucid.ir.passes.rewrite import Context, Rules, rewrite
from lucid.ir.text import parse
from tests.passes.rewriting import assert_rewrites, assert_unchanged


def negation_as_subtraction(node: Node, context: Context) -> Value:
    zero = context.number(-0.0, node.output.type)
    return context.build(ew.Sub(), zero, *node.inputs)


def drop_subtraction_from_zero(node: Node, context: Context) -> Value | None:
    return node.inputs[1] if context.constant(node.inputs[0]) == 0 else None


def test_what_a_rule_builds_is_rewritten_in_turn() -> None:
    graph = parse("graph(%x: f32[4]) { %r = neg %x; return %r }")
    rules: Rules = {ew.Neg: (negation_as_subtraction,), ew.Sub: (drop_subtraction_from_zero,)}
    assert rewrite(graph, rules).outputs == graph.arguments


def test_new_nodes_inherit_name_location_and_sweep() -> None:
    graph = parse("""graph(%x: f32[4]) {
      %gradient = neg %x in backward 2   # 0: Linear  train.py:12
      return %gradient
    }""")
    constant, subtraction = rewrite(graph, {ew.Neg: (negation_as_subtraction,)}).nodes
    assert subtraction.output.name == "gradient"
    assert constant.location == subtraction.location == Location("0: Linear", "train.py", 12)
    assert constant.backward == subtraction.backward == 2


def test_outputs_and_new_states_are_replaced() -> None:
    assert_rewrites(
        lambda graph: rewrite(graph, {ew.Detach: (lambda node, context: node.inputs[0],)}),
        "graph(%x: f32[4], %s: state f32[4]) { %a = detach %x; %b = exp %a; return %a, %b ; %s <- %a }",
        "graph(%x: f32[4], %s: state f32[4]) { %b = exp %x; return %x, %b ; %s <- %x }",
    )


def test_a_graph_to_which_no_rule_applies_is_returned_itself() -> None:
    assert_unchanged(
        lambda graph: rewrite(graph, {ew.Neg: (lambda node, context: None,)}),
        "graph(%x: f32[4]) { %r = neg %x; return %r }",
    )
