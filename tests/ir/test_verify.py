"""The verifier accepts what is valid, and names the fault at its place in what is not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from lucid.errors import VerificationError
from lucid.ir.graph import Graph, Node, Place, Value
from lucid.ir.ops import Op
from lucid.ir.ops.elementwise import Add, Neg
from lucid.ir.ops.movement import Reshape
from lucid.ir.ops.reduction import Sum
from lucid.ir.ops.structure import Const, Fused
from lucid.ir.passes.differentiate import differentiate
from lucid.ir.text import parse
from lucid.ir.types import TensorType, float32
from lucid.ir.verify import verify
from tests.ir.graphs import graphs

TYPE = TensorType(float32, (4,))


@given(graphs(regions=True))
def test_random_graphs_are_valid(graph: Graph) -> None:
    verify(graph)


def test_a_differentiated_graph_is_valid() -> None:
    graph = parse("""
graph @step(%x: f32[4], %seed: f32[], %w: state f32[4]) {
  %y = mul %x, %w
  %loss = sum %y, axes=(0,)
  %g = grad %loss, %seed, %w
  %new = sub %w, %g
  return %loss ; %w <- %new
}""")
    verify(graph)
    verify(differentiate(graph))


@settings(max_examples=50)
@given(graphs(), st.data())
def test_a_used_node_cannot_be_dropped(graph: Graph, data: st.DataObject) -> None:
    used = {value for node in graph.nodes for value in node.inputs}.union(graph.results)
    needed = [node for node in graph.nodes if used.intersection(node.outputs)]
    assume(needed)
    dropped = data.draw(st.sampled_from(needed))
    with pytest.raises(VerificationError):
        verify(graph.with_nodes([node for node in graph.nodes if node is not dropped]))


@settings(max_examples=50)
@given(graphs(), st.data())
def test_a_node_cannot_stand_before_its_operands(graph: Graph, data: st.DataObject) -> None:
    made = graph.producers()
    late = [node for node in graph.nodes if any(value in made for value in node.inputs)]
    assume(late)
    moved = data.draw(st.sampled_from(late))
    with pytest.raises(VerificationError):
        verify(graph.with_nodes([moved, *(node for node in graph.nodes if node is not moved)]))


# Programs that parse, written as they print: the note stands under the guilty line of the printed graph.
BAD = """
graph @update_of_an_argument(%x: f32[4]) {
  return %x ; %x <- %x  # error: expected an update of a state, got one of %x: f32[4].
}
---
graph @two_updates(%x: f32[4], %w: state f32[4]) {
  return ; %w <- %x, %w <- %x  # error: expected one update of each state, got two of %w: f32[4].
}
---
graph @update_of_another_type(%x: f32[2], %w: state f32[4]) {
  return ; %w <- %x  # error: expected an update of %w: f32[4] with its type, got %x: f32[2].
}
---
graph @alias_of_another_size(%x: f32[4], %y: f64[4] @ %x) {
  return %y  # error: expected %y: f64[4] in a value of as many bytes, got %x: f32[4].
}
---
graph @alias_of_itself(%x: f32[4] @ %x) {
  return %x  # error: expected places that end somewhere, got a circle through %x: f32[4].
}
---
graph @circle_of_aliases(%x: f32[4]) {
  %y: f32[4] @ %z = neg %x
  %z: f32[4] @ %y = neg %y
  return %z  # error: expected places that end somewhere, got a circle through %y: f32[4].
}
---
graph @state_written_before_a_check(%i: i64[4], %n: i64[], %w: state f32[4]) {
  %v: f32[4] @ %w = neg %w  # error: expected no write to a state before the last check, got one of %w: f32[4].
  check %n, %i, message="no"
  return ; %w <- %v
}
---
graph @state_written_before_a_loop_with_a_check(%i: i64[3], %w: state f32[4]) {
  %v: f32[4] @ %w = neg %w  # error: expected no write to a state before the last check, got one of %w: f32[4].
  scan %i, length=3, carries=0, sequences=1 (%i: i64[]) {
    check %i, %i, message="no"
    return
  }
  return ; %w <- %v
}
---
graph @state_written_by_a_loop_with_a_check(%i: i64[3], %w: state f32[4]) {
  %v: f32[4] @ %w = scan %w, %i, length=3, carries=1, sequences=1 (%w: f32[4], %i: i64[]) {
    check %i, %i, message="no"
    %0: f32[4] = neg %w
    return %0
  }  # error: expected no write to a state before the last check, got one of %w: f32[4].
  return ; %w <- %v
}
---
graph @grad_in_a_loop(%x: f32[3, 4]) {
  %y: f32[3, 4] = scan %x, length=3, carries=0, sequences=1 (%a: f32[4]) {
    %g: f32[4] = grad %a, %a, %a  # error: expected grad at the top level only, got it in a region of scan.
    return %g
  }
  return %y
}
---
graph @grad_in_a_region(%x: f32[4]) {
  %y: f32[4] = fused %x (%a: f32[4]) {
    %g: f32[4] = grad %a, %a, %a  # error: expected grad at the top level only, got it in a region of fused.
    return %g
  }
  return %y
}
---
graph @effect_in_a_region(%i: i64[], %n: i64[4]) {
  %y: i64[] = fused %i, %n (%a: i64[], %b: i64[4]) {
    check %a, %b, message="no"  # error: expected no effect in a region of fused, which has none itself.
    return %a
  }
  return %y
}
---
graph @state_in_a_region(%x: f32[4]) {
  %y: f32[4] = fused %x (%a: f32[4], %b: state f32[4]) {
    return %a  # error: expected no states in a region of fused.
  }
  return %y
}
---
graph @fault_in_a_nested_region(%x: f32[4]) {
  %y: f32[4] = fused %x (%a: f32[4]) {
    %b: f32[4] = fused %a (%c: f32[4]) {
      return %c ; %c <- %c  # error: expected no states in a region of fused.
    }
    return %b
  }
  return %y
}
"""


@pytest.mark.parametrize("program", BAD.strip("\n").split("\n---\n"))
def test_bad_programs(program: str) -> None:
    (line,) = (number for number, text in enumerate(program.split("\n")) if "# error: " in text)
    code, _, expected = program.split("\n")[line].partition("  # error: ")
    with pytest.raises(VerificationError) as caught:
        verify(parse(program))
    assert caught.value.sentence == expected
    shown = str(caught.value).split("\n")[1:]  # below the sentence
    assert shown[line].startswith(code)
    assert shown[line + 1].strip() == f"^ {expected}"


def node(op: Op, *inputs: Value, **changes: Any) -> Node:
    """A node with one result of TYPE, whatever the op infers."""
    return replace(Node(op, inputs, (Value(TYPE, "y"),)), **changes)


def graph_of(*nodes: Node, arguments: tuple[Value, ...] = ()) -> Graph:
    return Graph("bad", arguments, (), nodes, tuple(value for node in nodes[-1:] for value in node.outputs))


@dataclass(frozen=True)
class Unregistered(Neg):
    name: ClassVar[str] = "neg"


X = Value(TYPE, "x")
ELSEWHERE = Value(TYPE, "elsewhere")
NEG = node(Neg(), X)
BODY = Graph("", (X,), (), (node(Add(), X, ELSEWHERE),), (X,))


@pytest.mark.parametrize(
    ("graph", "expected"),
    {
        "operand of another graph": (
            graph_of(node(Neg(), ELSEWHERE), arguments=(X,)),
            "expected operands that are defined before, got %elsewhere: f32[4].",
        ),
        "region that sees the values around it": (
            graph_of(node(Fused(BODY), X), arguments=(X, ELSEWHERE)),
            "expected operands that are defined before, got %elsewhere: f32[4].",
        ),
        "argument twice": (
            Graph("bad", (X, X), (), (), ()),
            "expected a new value, got %x: f32[4], which is defined already.",
        ),
        "argument that is a state": (
            Graph("bad", (X,), (X,), (), ()),
            "expected a new value, got %x: f32[4], which is defined already.",
        ),
        "node twice": (
            graph_of(NEG, NEG, arguments=(X,)),
            "expected a new value, got %y: f32[4], which is defined already.",
        ),
        "result that is its operand": (
            graph_of(node(Neg(), X, outputs=(X,)), arguments=(X,)),
            "expected a new value, got %x: f32[4], which is defined already.",
        ),
        "result of another type": (
            graph_of(node(Sum((0,)), X), arguments=(X,)),
            "expected results of type f32[], got f32[4].",
        ),
        "result too few": (
            graph_of(node(Neg(), X, outputs=()), arguments=(X,)),
            "expected a result of neg, which has no effect.",
        ),
        "operands that the op refuses": (
            graph_of(node(Neg(), X, X), arguments=(X,)),
            "neg takes 1 operands, got 2.",
        ),
        "op outside the registry": (
            graph_of(node(Unregistered(), X), arguments=(X,)),
            "expected an op of the registry, got Unregistered.",
        ),
        "attribute that is a NumPy scalar": (
            graph_of(node(Sum((np.int64(0),)), X), arguments=(X,)),  # type: ignore[arg-type]
            f"expected attribute axes of sum to be tuple[int, ...], got {(np.int64(0),)!r}.",
        ),
        "attribute that is a list": (
            graph_of(node(Reshape([4]), X), arguments=(X,)),  # type: ignore[arg-type]
            "expected attribute shape of reshape to be tuple[int, ...], got [4].",
        ),
        "constant that its dtype cannot hold": (
            graph_of(node(Const(1e300, TYPE))),
            "const takes a value of float32, got 1e+300.",
        ),
        "negative extent": (
            Graph("bad", (Value(TensorType(float32, (-1, 2)), "x"),), (), (), ()),
            "expected a type with extents from 0 and a size in bytes below 2^63, got f32[-1, 2].",
        ),
        "too many axes": (
            Graph("bad", (Value(TensorType(float32, (1,) * 33), "x"),), (), (), ()),
            "expected a type of at most 32 axes, got 33.",
        ),
        "too large": (
            Graph("bad", (Value(TensorType(float32, (2**31, 2**30)), "x"),), (), (), ()),
            "expected a type with extents from 0 and a size in bytes below 2^63, got f32[2147483648, 1073741824].",
        ),
        "sweep": (
            graph_of(node(Neg(), X, backward=-1), arguments=(X,)),
            "expected the number of a backward sweep, got -1.",
        ),
        "output": (
            Graph("bad", (), (), (), (ELSEWHERE,)),
            "expected results that are defined, got %elsewhere: f32[4].",
        ),
        "new state": (
            Graph("bad", (), (X,), (), (), ((X, ELSEWHERE),)),
            "expected results that are defined, got %elsewhere: f32[4].",
        ),
        "place of a value elsewhere": (
            Graph("bad", (X,), (), (), (), places={ELSEWHERE: Place(0)}),
            "expected places of values that are defined, got one of %elsewhere: f32[4].",
        ),
        "place in a value elsewhere": (
            Graph("bad", (X,), (), (), (), places={X: Place(alias=ELSEWHERE)}),
            "expected %x: f32[4] in a value that is defined, got %elsewhere: f32[4].",
        ),
        "place nowhere": (
            Graph("bad", (X,), (), (), (), places={X: Place()}),
            "expected %x: f32[4] either in the arena or in another value, got Place(offset=None, alias=None).",
        ),
        "place before the arena": (
            Graph("bad", (X,), (), (), (), places={X: Place(-4)}),
            "expected %x: f32[4] at an offset from 0, got -4.",
        ),
    }.values(),
    ids=lambda case: case[:50].replace(" ", "-") if isinstance(case, str) else "",
)
def test_bad_graphs(graph: Graph, expected: str) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(graph)
    assert caught.value.sentence == expected
    assert f"  ^ {expected}\n" in str(caught.value)


def test_an_error_in_a_long_graph_shows_the_part_around_it() -> None:
    chain = "\n".join(f"%x{i + 1} = neg %x{i}" for i in range(500))
    graph = parse(f"graph @f(%x0: f32[4]) {{\n{chain}\nreturn %x500\n}}")
    bad = replace(graph.nodes[250], inputs=(Value(TYPE, "lost"),))
    with pytest.raises(VerificationError) as caught:
        verify(graph.with_nodes([*graph.nodes[:250], bad, *graph.nodes[251:]]))
    lines = str(caught.value).split("\n")
    assert lines[0] == "expected operands that are defined before, got %lost: f32[4]."
    assert (lines[1], lines[-1]) == ("... (232 lines)", "... (231 lines)")
    assert lines[21:24] == ["  %x251: f32[4] = neg %lost?", f"  ^ {lines[0]}", "  %x252: f32[4] = neg %x251"]
