"""Text and graphs say the same: what is printed parses back to an equal graph, and prints as the same text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lucid.codegen.memory import plan
from lucid.errors import ParseError
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Location, Node, Place, Value, same
from lucid.ir.interpret import interpret
from lucid.ir.ops import REGISTRY, Op
from lucid.ir.ops.base import Array
from lucid.ir.ops.elementwise import Neg
from lucid.ir.ops.structure import Const, Fused
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse, print_graph
from lucid.ir.types import DType, TensorType, bool_, float32, float64, int64, uint8, uint64
from tests.ir.graphs import APART, OPS, graphs, random_inputs
from tests.passes.rewriting import joint_graph
from tests.samples import SAMPLES

HEADER = """\
graph @sample(
  %x: f32[2, 3],
  %y: f32[2, 3],
  %n: i64[2, 3],
  %b: bool[2, 3],
  %i: i64[],
  %p: f64[],
  %s: f32[2, 3],
  %seed: state u64[],
  %draw: state u64[]
) {
"""

# Statements that say more than the samples of their ops.
STATEMENTS = {
    "where": "%r: f32[2, 3] = where %b, %x, %y",
    "cast": "%r: u8[2, 3] = cast %x",
    "sum": "%r: f32[2] = sum %x, axes=(1,), lanes=8",
    "argmax": "%r: i64[] = argmax %x, axes=(0, 1)",
    "broadcast": "%r: f32[4, 2, 3] = broadcast %x",
    "slice": "%r: f32[1, 2] = slice %x, start=(1, 2), step=(1, -1)",
    "concatenate": "%r: f32[2, 9] = concatenate %x, %y, %x, axis=1",
    "matmul": "%r: f32[2, 2] = matmul %x, %y, transpose_b=true, chunk=64",
    "random_keep": "%r: bool[4, 4] = random_keep %seed, %draw, %p, draw=3",
    "const": "%r: f32[2, 3] = const value=0.1",
    "grad": "%r: f32[2, 3], %q: f32[2, 3] = grad %x, %s, %x, %y",
    "check": '%r: f32[2, 3] = neg %x\n  check %i, %n, message="\\"{value}\\" at {position}\\n"',
    "fused": (
        "%r: f32[2, 3] = fused %x, %y @kernel(%x: f32[2, 3], %z: f32[2, 3]) {\n"
        "    %0: f32[2, 3] = add %x, %z\n"
        "    return %0\n"
        "  }"
    ),
}

# A text of each op.
TEXTS = {
    **{op: print_graph(samples[0].graph()) for op, samples in SAMPLES.items()},
    **{op: f"{HEADER}  {statement}\n  return %r ; %draw <- %seed\n}}" for op, statement in STATEMENTS.items()},
}


def assert_round_trip(graph: Graph) -> str:
    text = print_graph(graph)
    again = parse(text)
    assert same(again, graph)
    assert print_graph(again) == text
    assert print_graph(parse(print_graph(graph, locations=False))) == print_graph(graph, locations=False)
    return text


def one_node(op: Op, *inputs: Value, **node: Any) -> Graph:
    outputs = tuple(Value(type) for type in op.infer([value.type for value in inputs]))
    return Graph("g", inputs, (), (Node(op, inputs, outputs, **node),), outputs)


@pytest.mark.parametrize("op", TEXTS)
def test_the_text_of_an_op_is_canonical(op: str) -> None:
    graph = parse(TEXTS[op])
    assert op in {node.op.name for node in graph.nodes}
    assert assert_round_trip(graph) == TEXTS[op]


@given(graphs(regions=True), st.data())
def test_random_graphs_round_trip(graph: Graph, data: st.DataObject) -> None:
    assert_round_trip(graph)
    values = list(dict.fromkeys(graph.values()))
    places = st.builds(Place, offset=st.integers(0, 2**40)) | st.builds(Place, alias=st.sampled_from(values))
    locations = st.none() | st.builds(Location, st.text(max_size=8), st.text(max_size=8), st.integers(0, 99))
    nodes = [replace(n, backward=data.draw(st.integers(0, 2)), location=data.draw(locations)) for n in graph.nodes]
    planned = data.draw(st.dictionaries(st.sampled_from(values), places, max_size=4))
    assert_round_trip(replace(graph, nodes=tuple(nodes), places=planned, name=data.draw(st.text(max_size=4))))


@settings(max_examples=40)  # all that tests compile is read back, too: see conftest.py
@given(graphs())
def test_every_stage_of_a_random_graph_round_trips(graph: Graph) -> None:
    joint = joint_graph(graph)
    for start in (graph,) if joint is None else (graph, joint):
        stages = run_pipeline(start).graphs
        for stage in dict.fromkeys((*stages.values(), plan(stages["fused"]))):
            assert_round_trip(stage)


@given(graphs(regions=True), st.integers(0, 99))
def test_a_parsed_graph_computes_the_same(graph: Graph, seed: int) -> None:
    inputs = random_inputs(graph, seed)
    expected, got = interpret(graph, inputs), interpret(parse(print_graph(graph)), inputs)
    for x, y in zip(expected.outputs + expected.updates, got.outputs + got.updates, strict=True):
        np.testing.assert_array_equal(x, y, strict=True)


def test_random_graphs_have_every_op() -> None:
    assert {*OPS, *APART} == set(REGISTRY.values())


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (float(np.float32(0.1)), float32, "0.1"),
        (0.1, float64, "0.1"),
        (float(np.float32(0.1)), float64, "0.10000000149011612"),
        (float(np.float32(1e-45)), float32, "1e-45"),
        (float(np.finfo(np.float32).max), float32, "3.4028235e+38"),
        (16777216.0, float32, "1.6777216e+07"),
        (1e22, float64, "1e+22"),
        (-0.0, float32, "-0.0"),
        (math.inf, float32, "inf"),
        (-math.inf, float64, "-inf"),
        (math.nan, float32, "nan"),
        (True, bool_, "true"),
        (255, uint8, "255"),
        (2**64 - 1, uint64, "18446744073709551615"),
        (-(2**63), int64, "-9223372036854775808"),
    ],
)
def test_constants_are_exact_and_short(value: float, dtype: DType, text: str) -> None:
    graph = one_node(Const(value, TensorType(dtype, (2,))))
    assert f"= const value={text}\n" in assert_round_trip(graph)


@given(st.floats(), st.sampled_from([float32, float64]))
def test_constants_of_any_value_are_exact(value: float, dtype: DType) -> None:
    with np.errstate(all="ignore"):
        assert_round_trip(one_node(Const(float(dtype.numpy.type(value)), TensorType(dtype, ()))))


@dataclass(frozen=True)
class Everything(Op):
    """An op with an attribute of each kind, and two regions."""

    text: str
    body: Graph
    tail: Graph
    nested: tuple[tuple[int, float], ...] = ()
    dtype: DType = float32
    given: TensorType | None = None
    number: float = 1.0
    flag: bool | None = False
    name: ClassVar[str] = "everything"

    def infer(self, operands: Sequence[TensorType]) -> tuple[TensorType, ...]:
        return tuple(operands)

    def evaluate(self, operands: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(operands)


def test_every_kind_of_attribute_round_trips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "everything", Everything)
    monkeypatch.setattr(Everything, "fields", fields(Everything))
    monkeypatch.setattr(Everything, "region_names", ("body", "tail"))
    body = parse("graph @twice(%x: f32[]) { %y = add %x, %x; return %y }")
    assert_round_trip(one_node(Everything("", body, body)))
    attributes: dict[str, Any] = {
        "nested": ((1, math.inf), (-2, -0.0)),
        "dtype": float64,
        "given": TensorType(int64, (2, 3)),
        "number": 1e300,
        "flag": None,
    }
    for name, value in attributes.items():
        assert f"{name}=" in assert_round_trip(one_node(Everything("a", body, body, **{name: value})))
    graph = one_node(
        Everything('é "\\\n\0\ud800#;', body, body, **attributes), Value(TensorType(bool_, ())), backward=2
    )
    assert " in backward 2 @twice(" in assert_round_trip(graph)


def test_names_are_hints_made_unique() -> None:
    hints = ["h", None, "h", "h_1", "0.weight", "7", "make.<locals>.x y", "", "h"]
    arguments = tuple(Value(TensorType(float32, ()), hint) for hint in hints)
    text = assert_round_trip(Graph("f.<locals>.g", arguments, (), (), arguments))
    names = "%h, %0, %h_1, %h_1_1, %0.weight, %1, %make._locals_.x_y, %2, %h_2"
    assert f"  return {names}\n" in text
    assert text.startswith("graph @f._locals_.g(")


def test_locations_are_aligned_comments() -> None:
    builder = Builder()
    x = Value(TensorType(float32, (4,)), "x")
    builder.location = Location("0: ReLU", "/home/me/train.py", 12)
    (y,) = builder.add(Neg(), x, names=["a_long_name"])
    builder.location = Location("", "/home/me/train.py", 13)
    (z,) = builder.add(Neg(), y)
    graph = Graph("g", (x,), (), tuple(builder.nodes), (z,))
    text = (
        "graph @g(%x: f32[4]) {\n"
        "  %a_long_name: f32[4] = neg %x  # 0: ReLU  train.py:12\n"
        "  %0: f32[4] = neg %a_long_name  # train.py:13\n"
        "  return %0\n"
        "}"
    )
    assert assert_round_trip(graph) == text
    assert [node.location for node in parse(text).nodes] == [
        Location("0: ReLU", "train.py", 12),
        Location("", "train.py", 13),
    ]
    assert "#" not in print_graph(graph, locations=False)


def test_places_and_sweeps_are_read_back() -> None:
    graph = parse("graph(%w: state f32[4] @ %h) { %h: f32[4] @ arena+64 = neg %w in backward 3; return ; %w <- %h }")
    (w,), (node,) = graph.states, graph.nodes
    assert dict(graph.places) == {w: Place(alias=node.output), node.output: Place(offset=64)}
    assert node.backward == 3
    assert graph.updates == ((w, node.output),)
    assert graph.outputs == ()


def test_long_lines_are_broken() -> None:
    type = TensorType(float32, (64, 64))
    states = tuple(Value(type, f"a_rather_long_name_{i}.weight") for i in range(4))
    graph = Graph("g", (), states, (), (), tuple(zip(states, states[1:] + states[:1], strict=True)))
    text = assert_round_trip(graph)
    assert max(map(len, text.split("\n"))) < 80
    region = Graph("a_region_without_parameters" * 5, (), (), (), ())
    assert_round_trip(Graph("g" * 130, (), (), (Node(Fused(region), (), ()),), ()))


def test_what_the_syntax_cannot_say_does_not_parse() -> None:
    x = Value(TensorType(float32, ()), "x")
    text = print_graph(Graph("g", (), (), (), (x,)))
    assert "return %x?" in text
    with pytest.raises(ParseError):
        parse(text)
