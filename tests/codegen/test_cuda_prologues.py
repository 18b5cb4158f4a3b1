"""Prologues: which maps are computed where a product reads its factors, and that this changes no bit."""

from __future__ import annotations

import numpy as np
import pytest

from lucid.codegen.cuda.plan import Launch
from lucid.codegen.cuda.prologues import join_prologues
from lucid.codegen.lowering import lower, lower_factor
from lucid.codegen.work import work_of
from lucid.ir.graph import Graph
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.epilogues import join_epilogues
from lucid.ir.passes.fuse import fuse
from lucid.ir.text import parse
from lucid.ir.verify import verify
from tests.codegen.simulated import ORDERS, Simulated, same_bits
from tests.oracle import run_compiled
from tests.passes.rewriting import assert_equal_values


def joined(text: str) -> Graph:
    graph = join_prologues(join_epilogues(fuse(parse(text))))
    verify(graph)
    assert_equal_values(parse(text), graph)
    return graph


def names(graph: Graph) -> list[str]:
    return [node.op.body.name if isinstance(node.op, Fused) else node.op.name for node in graph.nodes]


IMAGES = """graph(%x: u8[70, 33], %w: f32[130, 33], %bias: f32[130]) {
  %c: f32[70, 33] = cast %x
  %s: f32[70, 33] = const value=0.00390625
  %f = mul %c, %s
  %y = matmul %f, %w, transpose_b=true, chunk=20
  %b: f32[70, 130] = broadcast %bias
  %h = add %y, %b
  %z = exp %h
  return %z
}"""


def test_a_factor_is_computed_where_it_is_read() -> None:
    graph = joined(IMAGES)
    assert names(graph) == ["mul_matmul_add_exp"]
    (node,) = graph.nodes
    prologue, none = (lower_factor(node, number) for number in range(2))
    assert none is None
    assert prologue is not None
    assert [axis.extent for axis in prologue.axes] == [1, 70, 33]
    assert len(lower(node).stages[0].stores) == 1


def test_what_is_computed_of_a_factor_does_not_go_through_memory() -> None:
    (node,) = joined(IMAGES).nodes
    work, apart = work_of(node), [work_of(node) for node in join_epilogues(fuse(parse(IMAGES))).nodes]
    assert work.read == 70 * 33 + 4 * (130 * 33 + 130)
    assert work.written == 4 * 70 * 130
    assert work.operations == sum(part.operations for part in apart)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("%f = abs %x; %y = matmul %f, %w; return %y", "abs_matmul", id="the_first_factor"),
        pytest.param("%f = abs %x; %y = matmul %w, %f; return %y", "abs_matmul", id="the_second_factor"),
        pytest.param("%f = abs %x; %y = matmul %f, %f; return %y", "abs_matmul", id="both_factors"),
        pytest.param(
            "%f = abs %x; %y = matmul %f, %w; %u = matmul %w, %f; return %y, %u", "abs_matmul abs_matmul", id="of_two"
        ),
        pytest.param("%f = abs %x; %y = matmul %f, %w; return %y, %f", "abs matmul", id="not_a_result"),
        pytest.param("%f = abs %x; %y = matmul %f, %w; %z = mul %y, %f; return %z", "abs matmul_mul", id="also_read"),
        pytest.param("%f: f32[96] = sum %x, axes=(1,)\n%g: f32[96, 96] = broadcast %f\n%y = matmul %g, %w; return %y",
                     "sum broadcast matmul", id="no_reduction"),
        pytest.param("%p: f64[] = const value=0.5; %m: bool[96, 96] = random_keep %seed, %draw, %p, draw=0\n"
                     "%k: f32[96, 96] = cast %m; %f = mul %x, %k; %y = matmul %f, %w; return %y",
                     "random_keep_mul matmul", id="no_draws"),
        pytest.param("%f = add %x, %v; %y = matmul %f, %w; return %y", "add_matmul", id="two_operands"),
        pytest.param("%f = add %x, %v; %g = mul %f, %t; %y = matmul %g, %w; return %y", "add_mul matmul",
                     id="too_many_operands"),
    ],
)  # fmt: skip
def test_what_joins(lines: str, expected: str) -> None:
    head = ", ".join(f"%{letter}: f32[96, 96]" for letter in "xwvt")
    graph = joined(f"graph({head}, %seed: u64[], %draw: u64[]) {{\n{lines}\n}}")
    assert names(graph) == expected.split()


def test_a_long_computation_is_not_repeated_for_each_tile() -> None:
    """Eight tiles of the result count each element in: then 60 operations are too many, and one is not."""
    text = "graph(%x: f32[8, 4], %w: f32[4, 512]) {{ %f = {} %x; %y = matmul %f, %w; return %y }}"
    assert names(joined(text.format("neg"))) == ["neg_matmul"]
    assert names(joined(text.format("tanh"))) == ["tanh", "matmul"]


PROGRAMS = (
    IMAGES,
    """graph(%x: f64[2, 3, 40, 9], %w: u8[2, 3, 7, 40], %scale: f64[2, 3, 1, 1]) {
  %f = exp %x
  %c: f64[2, 3, 7, 40] = cast %w
  %b: f64[2, 3, 7, 40] = broadcast %scale
  %g = mul %c, %b
  %y = matmul %f, %g, transpose_a=true, transpose_b=true, chunk=16
  return %y
}""",
    """graph(%x: f32[5, 66], %g: f32[5, 3], %w: state f32[66, 3]) {
  %a = abs %g
  %gradient = matmul %x, %a, transpose_a=true, chunk=5
  %new = sub %w, %gradient
  %t: f32[3, 66] = transpose %w, permutation=(1, 0)
  %v = abs %t
  %to_x = matmul %g, %v, chunk=3
  return %to_x; %w <- %new
}""",
    """graph(%x: u8[2, 3, 6, 7], %w: f32[5, 3, 3, 3], %bias: f32[5, 1, 1]) {
  %c: f32[2, 3, 6, 7] = cast %x
  %one: f32[2, 3, 6, 7] = const value=1.0
  %e = add %c, %one
  %v = neg %w
  %y: f32[2, 5, 3, 4] = convolution %e, %v, stride=(2, 2), low=(1, 1), high=(1, 1), dilation=(1, 1), groups=1, chunk=2
  %b: f32[2, 5, 3, 4] = broadcast %bias
  %z = add %y, %b
  return %z
}""",
    """graph(%x: f32[70, 70], %w: f32[70, 70]) {
  %a = matmul %x, %w
  %t: f32[70, 70] = transpose %a, permutation=(1, 0)
  %f = abs %t
  %y = matmul %f, %w
  %z = matmul %y, %w
  return %z
}""",
)


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    return [fuse(parse(text)) for text in PROGRAMS]


@pytest.fixture(scope="module")
def simulated(graphs: list[Graph]) -> Simulated:
    return Simulated(graphs)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_prologues_have_the_bits_of_kernels_apart(
    number: int, order: int, graphs: list[Graph], simulated: Simulated
) -> None:
    graph = graphs[number]
    generator = np.random.default_rng(0)
    arrays = [generator.uniform(0, 9, value.type.shape).astype(value.type.dtype.numpy) for value in graph.inputs]
    steps = simulated.modules[graph].plan.steps
    functions = [step.function for step in steps if isinstance(step, Launch)]
    assert any("_fused_" in function for function in functions)
    assert not any("kernel" in function for function in functions), "a map was left"
    assert same_bits(simulated.run(graph, arrays, order), run_compiled(graph, arrays))
