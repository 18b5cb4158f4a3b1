"""Fusion: what becomes one kernel, what must not, and that values stay."""

from __future__ import annotations

import pytest
from hypothesis import given

from lucid.codegen.lowering import lower
from lucid.ir.graph import Graph, Value
from lucid.ir.ops.elementwise import Cast, Exp
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.cost import operations
from lucid.ir.passes.fuse import LARGEST, fuse, separations
from lucid.ir.passes.order import order
from lucid.ir.passes.outline import SOURCES, VIEWS
from lucid.ir.passes.prune import prune
from lucid.ir.passes.simplify import simplify
from lucid.ir.text import parse, print_graph
from lucid.ir.types import float32
from lucid.ir.verify import verify
from tests.ir.graphs import graphs
from tests.passes.fused import kernels
from tests.passes.rewriting import assert_equal_values, assert_rewrites, assert_unchanged


def test_linear_and_dropout_are_one_kernel_behind_the_matmul() -> None:
    assert_rewrites(
        fuse,
        """
        graph(%x: f32[4, 3], %w: f32[2, 3], %b: f32[2], %seed: u64[], %first: u64[], %p: f64[], %scale: f32[]) {
          %m = matmul %x, %w, transpose_b=true
          %bias: f32[4, 2] = broadcast %b
          %h = add %m, %bias
          %keep: bool[4, 2] = random_keep %seed, %first, %p, draw=0
          %mask: f32[4, 2] = cast %keep
          %kept = mul %h, %mask
          %s: f32[4, 2] = broadcast %scale
          %y = mul %kept, %s
          return %y
        }
        """,
        """
        graph(%x: f32[4, 3], %w: f32[2, 3], %b: f32[2], %seed: u64[], %first: u64[], %p: f64[], %scale: f32[]) {
          %m = matmul %x, %w, transpose_b=true
          %y: f32[4, 2] = fused %m, %b, %seed, %first, %p, %scale @add_random_keep_mul(
            %m: f32[4, 2], %b: f32[2], %seed: u64[], %first: u64[], %p: f64[], %scale: f32[]
          ) {
            %bias: f32[4, 2] = broadcast %b
            %h = add %m, %bias
            %keep: bool[4, 2] = random_keep %seed, %first, %p, draw=0
            %mask: f32[4, 2] = cast %keep
            %kept = mul %h, %mask
            %s: f32[4, 2] = broadcast %scale
            %y = mul %kept, %s
            return %y
          }
          return %y
        }
        """,
    )


def test_a_gradient_and_its_column_sum_are_one_kernel_that_stores_both() -> None:
    assert kernels("""
        graph(%g: f32[4, 3], %mask: f32[4, 3], %x: f32[4, 2]) {
          %dh = mul %g, %mask
          %db = sum %dh, axes=(0,)
          %dw = matmul %dh, %x, transpose_a=true
          return %db, %dw
        }
    """) == ["mul sum", "matmul"]


def test_an_update_of_several_states_is_one_kernel_with_its_scalars_apart() -> None:
    assert kernels("""
        graph(%g: f32[4], %lr: f64[], %p: state f32[4], %m: state f32[4], %v: state f32[4], %t: state i64[]) {
          %one: i64[] = const value=1
          %t1 = add %t, %one
          %steps: f64[] = cast %t1
          %beta: f64[] = const value=0.9
          %power = pow %beta, %steps
          %unit: f64[] = const value=1.0
          %c = sub %unit, %power
          %correction: f32[] = cast %c
          %spread: f32[4] = broadcast %correction
          %rate: f32[] = cast %lr
          %rates: f32[4] = broadcast %rate
          %m1 = add %m, %g
          %g2 = mul %g, %g
          %v1 = add %v, %g2
          %hat = div %m1, %spread
          %root = sqrt %v1
          %move = div %hat, %root
          %step = mul %move, %rates
          %p1 = sub %p, %step
          return ; %p <- %p1, %m <- %m1, %v <- %v1, %t <- %t1
        }
    """) == ["add cast pow sub cast", "add mul add div sqrt div cast mul sub"]


def test_softmax_reads_each_row_result_in_a_kernel_of_its_own() -> None:
    # What has the operand's size must not depend on a result of the same kernel.
    assert kernels("""
        graph(%x: f32[4, 3]) {
          %m = max %x, axes=(1,)
          %m1: f32[4, 1] = reshape %m
          %m2: f32[4, 3] = broadcast %m1
          %s = sub %x, %m2
          %e = exp %s
          %z = sum %e, axes=(1,)
          %z1: f32[4, 1] = reshape %z
          %z2: f32[4, 3] = broadcast %z1
          %y = div %e, %z2
          return %y
        }
    """) == ["max", "sub exp sum", "div"]


CENTERED = """graph(%x: f32[4, 3], %y: f32[4, 3], %z: f32[3]) {{
    %w: f32[4, 3] = broadcast %z; %h = {function}
    %s = sum %h, axes=(1,); %s1: f32[4, 1] = reshape %s; %s2: f32[4, 3] = broadcast %s1
    %d = sub %h, %s2; return %d{more} }}"""


def test_a_short_formula_of_one_value_is_computed_again_by_a_later_kernel() -> None:
    # Instead of being stored by the first one. It is stored where it takes two values, or long, or is a result.
    assert kernels(CENTERED.format(function="mul %x, %w", more="")) == ["mul sum", "mul sub"]
    assert kernels(CENTERED.format(function="mul %x, %y", more="")) == ["mul sum", "sub"]
    assert kernels(CENTERED.format(function="div %x, %w", more="")) == ["div sum", "sub"]
    assert kernels(CENTERED.format(function="mul %x, %w", more=", %h")) == ["mul sum", "sub"]


def test_an_epilogue_joins_its_reduction() -> None:
    assert kernels("""
        graph(%x: f32[4, 3], %w: f32[4]) {
          %square = mul %x, %x
          %s = sum %square, axes=(1,)
          %root = sqrt %s
          %scaled = mul %root, %w
          return %scaled
        }
    """) == ["mul sum sqrt mul"]


def test_reductions_of_one_shape_along_the_same_axes_join() -> None:
    assert kernels("""
        graph(%x: f32[4, 3]) {
          %s = sum %x, axes=(1,)
          %square = mul %x, %x
          %q = sum %square, axes=(1,)
          %m = max %x, axes=(1,)
          return %s, %q, %m
        }
    """) == ["sum mul sum max"]


def test_scalars_that_only_read_the_same_scalar_stay_apart() -> None:
    # Each parameter has such a kernel; being equal, they are compiled once.
    assert kernels("""
        graph(%beta: f64[], %t: f64[], %u: f64[]) {
          %one: f64[] = const value=1.0
          %a = mul %beta, %t
          %b = sub %one, %a
          %c = mul %beta, %u
          %d = sub %one, %c
          return %b, %d
        }
    """) == ["mul sub", "mul sub"]


@pytest.mark.parametrize("other", ["sum %x, axes=(0,)", "sum %x, axes=(1,), lanes=2"])
def test_reductions_along_other_axes_or_in_other_lanes_do_not_join(other: str) -> None:
    assert kernels(f"graph(%x: f32[4, 3]) {{ %a = sum %x, axes=(1,), lanes=1; %b = {other}; return %a, %b }}") == [
        "sum",
        "sum",
    ]


def test_a_costly_value_is_computed_once_and_stored() -> None:
    text = """
        graph(%x: f32[4, 3], %w: f32[3, 3]) {
          %e = exp %x
          %m = matmul %e, %w
          %y = add %m, %e
          return %y
        }
    """
    assert kernels(text) == ["exp", "matmul", "add"]


def test_a_group_never_waits_for_itself() -> None:
    # exp and add read and write the same element, but the matmul between them needs all of exp.
    assert kernels("""
        graph(%x: f32[3, 3]) {
          %a = exp %x
          %b = matmul %a, %a
          %c = add %b, %a
          %d = matmul %c, %c
          %e = mul %d, %a
          return %e
        }
    """) == ["exp", "matmul", "add", "matmul", "mul"]


def test_masks_are_stored_as_bools() -> None:
    graph = fuse(
        parse("""
        graph(%x: f32[4, 4], %w: f32[4, 4]) {
          %zero: f32[4, 4] = const value=0.0
          %positive = less %zero, %x
          %mask: f32[4, 4] = cast %positive
          %a = mul %x, %mask
          %m = matmul %a, %w
          %b = mul %m, %mask
          return %b
        }
    """)
    )
    first, matmul, last = graph.nodes
    assert [str(value.type) for value in first.outputs] == ["bool[4, 4]", "f32[4, 4]"]
    assert matmul.inputs[0] is first.outputs[1]
    assert first.outputs[0] in last.inputs


def test_the_backward_keeps_what_reads_the_forward_alone() -> None:
    # The comparison belongs to the backward: joined to exp, it would have to be stored beside what it reads.
    assert kernels("""
        graph(%x: f32[3, 3], %w: f32[3, 3]) {
          %h = exp %x
          %m = matmul %h, %w
          %g = matmul %m, %w in backward 1
          %zero: f32[3, 3] = const value=0.0 in backward 1
          %c = less %zero, %h in backward 1
          %d = where %c, %g, %zero in backward 1
          return %d
        }
    """) == ["exp", "matmul", "matmul", "less where"]


def test_what_is_recomputed_stays_in_the_backward() -> None:
    assert kernels("""
        graph(%m: f32[3, 3], %w: f32[3, 3]) {
          %h = exp %m
          %n = matmul %h, %w
          %g = matmul %n, %w in backward 1
          %again = exp %m in backward 1
          %d = mul %g, %again in backward 1
          return %d
        }
    """) == ["exp", "matmul", "matmul", "exp mul"]


def test_a_backward_that_waits_for_nothing_joins_the_forward() -> None:
    assert kernels("""
        graph(%x: f32[3], %y: f32[3]) {
          %e = exp %x
          %p = mul %e, %y
          %g = mul %e, %e in backward 1
          return %p, %g
        }
    """) == ["exp mul mul"]


def test_a_check_reads_what_is_in_memory() -> None:
    assert kernels("""
        graph(%y: i64[4], %x: f32[4]) {
          %limit: i64[4] = const value=10
          %inside = less %y, %limit
          %position = first_false %inside, axes=(0,)
          check %position, %y, message="{value} at {position}"
          %r = neg %x
          return %r
        }
    """) == ["less first_false", "check", "neg"]


def test_a_check_waits_for_nothing_that_only_reads_the_same() -> None:
    assert kernels("""
        graph(%y: i64[4], %x: f32[1, 4], %w: f32[4, 4]) {
          %inside = equal %y, %y
          %position = first_false %inside, axes=(0,)
          check %position, %y, message="{value} at {position}"
          %m = matmul %x, %w
          %row: f32[4] = reshape %m
          %f: f32[4] = cast %y
          %p = mul %row, %f
          %t = sum %p, axes=(0,)
          return %t
        }
    """) == ["equal first_false", "check", "matmul", "cast mul sum"]


def test_a_group_of_one_node_stays_that_node() -> None:
    assert_unchanged(fuse, "graph(%x: f32[4], %w: f32[4, 4]) { %a = exp %x; %b = matmul %w, %w; return %a, %b }")


def test_fused_nodes_say_where_their_first_node_comes_from() -> None:
    graph = fuse(
        parse("""graph(%x: f32[4]) {
          %a = exp %x in backward 1   # 0: Tanh  train.py:3
          %b = neg %a                 # train.py:9
          return %b
        }""")
    )
    (node,) = graph.nodes
    assert str(node.location) == "0: Tanh  train.py:3"
    assert node.backward == 1


@given(graphs(max_nodes=30, regions=True))
def test_random_graphs_keep_every_bit_and_can_be_lowered(graph: Graph) -> None:
    result = fuse(graph)
    verify(result)
    assert print_graph(fuse(graph)) == print_graph(result)
    assert_equal_values(graph, result)
    _lower_all(result, given=graph)


@given(graphs(max_nodes=30))
def test_random_graphs_fuse_after_simplify_and_order(graph: Graph) -> None:
    graph = order(simplify(graph))
    result = fuse(graph)
    assert len(result.nodes) <= len(prune(graph).nodes)
    assert_equal_values(graph, result)
    _lower_all(result, given=graph)


def _lower_all(graph: Graph, given: Graph) -> None:
    """Every fused node that the pass made is one kernel."""
    old = {id(node.op) for node in given.nodes}
    for node in graph.nodes:
        if isinstance(node.op, Fused) and id(node.op) not in old:
            lower(node)


def test_a_kernel_has_a_bounded_number_of_operations() -> None:
    """Else a chain like this, from a loop that Python unrolls, would take LLVM minutes."""
    count = 2 * LARGEST // operations(Exp(), (float32,))
    chain = "\n".join(f"%{n + 1}: f32[8] = exp %{n};" for n in range(count))
    graph = parse(f"graph(%0: f32[8]) {{ {chain} return %{count} }}")
    found = fuse(graph)
    assert 2 <= len(found.nodes) <= 4
    assert_equal_values(graph, found)
    reasons = {pair.reason for pair in separations(graph)}
    assert all(reason.startswith("one kernel of both would take long to compile") for reason in reasons)


@given(graphs())
def test_neighbours_are_one_kernel_or_something_keeps_them_apart(graph: Graph) -> None:
    made = {value: node.op for node in graph.nodes for value in node.outputs}
    fused = fuse(graph)
    maker = fused.producers()
    told = separations(graph)

    def is_computed(value: Value) -> bool:
        return value in made and not isinstance(made[value], (*VIEWS, *SOURCES, Cast))

    for node in fused.nodes:
        for value in node.inputs:
            if value in maker and is_computed(value) and all(map(is_computed, node.outputs)) and node.outputs:
                assert any(value in pair.first and pair.second.issuperset(node.outputs) for pair in told)
    for pair in told:
        assert pair.first.isdisjoint(pair.second)
        assert "{" not in pair.reason
