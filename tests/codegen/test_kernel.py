"""Lowering gives the kernels that it says it gives: their text, their loops, their sharing, and its refusals."""

from __future__ import annotations

from textwrap import dedent

import pytest

import lucid
import lucid.nn as nn
from lucid.codegen import lowering
from lucid.codegen.kernel import Constant, Kernel, Placement
from lucid.codegen.lowering import lower, structure
from lucid.errors import CompileError
from lucid.ir.graph import Location, Node
from lucid.ir.index import Axis
from lucid.ir.ops.structure import Fused
from lucid.ir.text import parse
from lucid.ir.types import float32


def kernel(text: str) -> Kernel:
    """The kernel of a graph taken as the body of a fused node."""
    body = parse(text)
    return lower(Node(Fused(body), body.arguments, body.outputs))


def assert_lowers(text: str, expected: str) -> None:
    assert str(kernel(text)) == dedent(expected).strip("\n")


def test_a_contiguous_map_is_one_loop() -> None:
    assert_lowers(
        "graph(%x: f32[4, 10], %y: f32[4, 10]) { %s = add %x, %y; %e = exp %s; return %e, %s }",
        """
        kernel(b0: f32[4, 10], b1: f32[4, 10]) -> (b2: f32[4, 10], b3: f32[4, 10])
          parallel i0 < 40:
            v0: f32 = load b0[i0]
            v1: f32 = load b1[i0]
            v2: f32 = add v0, v1
            v3: f32 = exp v2
            stage 0:
              store b2[i0] = v3
              store b3[i0] = v2
        """,
    )


def test_a_broadcast_row_keeps_two_loops_and_what_no_loop_changes_stands_before_them() -> None:
    assert_lowers(
        """graph(%x: f32[4, 10], %b: f32[10], %c: f32[]) {
          %d = sqrt %c; %bb = broadcast %b, shape=(4, 10); %dd = broadcast %d, shape=(4, 10)
          %s = mul %bb, %dd; %r = add %x, %s; return %r }""",
        """
        kernel(b0: f32[4, 10], b1: f32[10], b2: f32[]) -> (b3: f32[4, 10])
          v2: f32 = load b2[0]
          v3: f32 = sqrt v2
          parallel i0 < 4:
            parallel i1 < 10:
              v0: f32 = load b0[10*i0 + i1]
              v1: f32 = load b1[i1]
              v4: f32 = mul v1, v3
              v5: f32 = add v0, v4
              stage 0:
                store b3[10*i0 + i1] = v5
        """,
    )


def test_a_reduction_is_a_stage_over_its_axes_then_an_epilogue() -> None:
    assert_lowers(
        """graph(%x: f32[4, 10]) { %s = mul %x, %x; %t = sum %s, axes=(1,), lanes=16; %r = sqrt %t; return %r, %s }""",
        """
        kernel(b0: f32[4, 10]) -> (b1: f32[4], b2: f32[4, 10])
          parallel i0 < 4:
            stage 0:
              for i3 < 10:
                v0: f32 = load b0[10*i0 + i3]
                v1: f32 = mul v0, v0
                reduce 0.0: sum(axes=(1,), lanes=16) v1 at i3
                store b2[10*i0 + i3] = v1
            stage 1:
              v2: f32 = result 0.0
              v3: f32 = sqrt v2
              store b1[i0] = v3
        """,
    )


def test_a_row_kernel_is_a_stage_for_each_pass_over_the_row() -> None:
    assert_lowers(
        """graph(%x: f32[4, 10]) {
          %m = max %x, axes=(1,), lanes=16; %m1 = reshape %m, shape=(4, 1); %mm = broadcast %m1, shape=(4, 10)
          %e = sub %x, %mm; %s = sum %e, axes=(1,), lanes=16; %s1 = reshape %s, shape=(4, 1)
          %ss = broadcast %s1, shape=(4, 10); %r = div %e, %ss; return %r }""",
        """
        kernel(b0: f32[4, 10]) -> (b1: f32[4, 10])
          parallel i0 < 4:
            stage 0:
              for i3 < 10:
                v0: f32 = load b0[10*i0 + i3]
                reduce 0.0: max(axes=(1,), lanes=16) v0 at i3
            stage 1:
              v3: f32 = result 0.0
              for i5 < 10:
                v1: f32 = load b0[10*i0 + i5]
                v4: f32 = sub v1, v3
                reduce 1.0: sum(axes=(1,), lanes=16) v4 at i5
            stage 2:
              v6: f32 = result 1.0
              for i7 < 10:
                v2: f32 = load b0[10*i0 + i7]
                v5: f32 = sub v2, v3
                v7: f32 = div v5, v6
                store b1[10*i0 + i7] = v7
        """,
    )


def test_a_movement_with_bounds_guards_what_it_reads() -> None:
    assert_lowers(
        """graph(%x: f32[4], %y: f32[3]) { %e = exp %y; %r = concatenate %x, %e, axis=0; return %r }""",
        """
        kernel(b0: f32[4], b1: f32[3]) -> (b2: f32[7])
          v3: f32 = constant 0
          parallel i0 < 7:
            v0: f32 = load b0[i0] if 0 <= i0 < 4
            v1: f32 = load b1[i0 + -4] if 0 <= i0 + -4 < 3
            v2: f32 = exp v1
            v4: f32 = v2 if 0 <= i0 + -4 < 3 else v3
            v5: f32 = v0 if 0 <= i0 < 4 else v4
            stage 0:
              store b2[i0] = v5
        """,
    )


def test_a_padded_argument_needs_no_guard_beside_its_load() -> None:
    padded = kernel("graph(%x: f32[4]) { %r = scatter_slice %x, start=(2,), step=(1,), shape=(9,); return %r }")
    assert [type(value).__name__ for value in padded.values] == ["Load"]


def test_an_index_is_looked_up_once_for_a_row_and_before_what_is_read_at_it() -> None:
    assert_lowers(
        """graph(%w: f32[9, 40], %i: u8[7, 1]) {
          %r = reshape %w, shape=(36, 10); %g = gather %r, %i, axis=0; %e = exp %g; return %e }""",
        """
        kernel(b0: f32[9, 40], b1: u8[7, 1]) -> (b2: f32[7, 10])
          parallel i0 < 7:
            v0: u8 = load b1[i0]
            v1: i64 = v0 on an axis of 36
            parallel i1 < 10:
              v2: f32 = load b0[i1 + 10*v1]
              v3: f32 = exp v2
              stage 0:
                store b2[10*i0 + i1] = v3
        """,
    )


def test_an_index_that_is_computed_stays_in_the_kernel() -> None:
    assert_lowers(
        """graph(%x: f32[4, 10], %i: i64[4, 3]) {
          %j = add %i, %i; %g = gather %x, %j, axis=1; %s = mul %g, %g; return %s }""",
        """
        kernel(b0: f32[4, 10], b1: i64[4, 3]) -> (b2: f32[4, 3])
          parallel i0 < 4:
            parallel i1 < 3:
              v0: i64 = load b1[3*i0 + i1]
              v1: i64 = add v0, v0
              v2: i64 = v1 on an axis of 10
              v3: f32 = load b0[10*i0 + v2]
              v4: f32 = mul v3, v3
              stage 0:
                store b2[3*i0 + i1] = v4
        """,
    )


def test_what_is_gathered_in_the_kernel_that_makes_it_is_computed_at_the_index() -> None:
    assert_lowers(
        """graph(%x: f32[6], %i: i64[4], %j: i64[4]) {
          %e = exp %x; %k = gather %i, %j, axis=0; %g = gather %e, %k, axis=0; return %g }""",
        """
        kernel(b0: f32[6], b1: i64[4], b2: i64[4]) -> (b3: f32[4])
          parallel i0 < 4:
            v0: i64 = load b2[i0]
            v1: i64 = v0 on an axis of 4
            v2: i64 = load b1[v1]
            v3: i64 = v2 on an axis of 6
            v4: f32 = load b0[v3]
            v5: f32 = exp v4
            stage 0:
              store b3[i0] = v5
        """,
    )


def test_an_axis_of_one_element_needs_no_index() -> None:
    text = "graph(%x: f32[1, 5], %i: i64[4, 1]) { %g = gather %x, %i, axis=0; return %g }"
    assert [type(value).__name__ for value in kernel(text).values] == ["Load"]


@pytest.mark.parametrize(
    ("shape", "axes", "lanes", "extents"),
    [
        ((4, 6), (0, 1), 1, (24,)),  # contiguous, so the loops merge
        ((4, 6), (0, 1), 16, (24,)),  # lanes count along both axes: 16 does not divide 6
        ((4, 32), (0, 1), 16, (128,)),
        ((4, 5, 6), (0, 2), 1, (4, 6)),  # two groups
        ((4, 5, 6), (0, 2), 4, (4, 6)),
        ((1, 6), (0,), 1, (1,)),  # a reduction keeps a loop
    ],
)
def test_lanes_count_along_the_last_group_of_reduced_axes(
    shape: tuple[int, ...], axes: tuple[int, ...], lanes: int, extents: tuple[int, ...]
) -> None:
    found = kernel(f"graph(%x: f32{list(shape)}) {{ %r = sum %x, axes={(*axes,)}, lanes={lanes}; return %r }}")
    assert tuple(axis.extent for axis in found.stages[0].axes) == extents


def test_axes_are_not_merged_across_the_groups_of_lanes() -> None:
    # As one group of 12 the second row would start in lane 6 of 8.
    text = "graph(%x: f32[2, 1, 6]) { %r = sum %x, axes=(0, 2), lanes=8; return %r }"
    assert [axis.extent for axis in kernel(text).stages[0].axes] == [2, 6]
    text = "graph(%x: f32[2, 1, 8]) { %r = sum %x, axes=(0, 2), lanes=8; return %r }"
    assert [axis.extent for axis in kernel(text).stages[0].axes] == [16]


def test_a_broadcast_operand_of_grouped_axes_is_read_by_division() -> None:
    text = """graph(%x: f32[4, 6], %b: f32[6]) { %bb = broadcast %b, shape=(4, 6); %s = mul %x, %bb
              %r = sum %s, axes=(0, 1), lanes=16; return %r }"""
    assert "load b1[(i2 % 6)]" in str(kernel(text))


def test_a_sum_over_nothing_is_a_constant() -> None:
    found = kernel("graph(%x: f32[3, 0]) { %r = sum %x, axes=(1,), lanes=16; return %r }")
    assert Constant(0.0, float32) in found.values
    assert [len(stage.reductions) for stage in found.stages] == [0]


def test_an_empty_piece_is_not_read() -> None:
    found = kernel("graph(%x: f32[3, 0], %y: f32[3, 2]) { %r = concatenate %x, %y, axis=1; return %r }")
    assert "b0[" not in str(found)


def test_equal_layers_have_equal_kernels_whatever_their_values_are_called() -> None:
    layers = """graph(%x: f32[8, 8], %y: f32[8, 8]) { %a = tanh %x; %b = mul %a, %x; %c = tanh %y; %d = mul %c, %y
                return %b, %d }"""
    first, _, second, _ = parse(layers).nodes
    assert lower(first) == lower(second)
    assert len({lower(first), lower(second)}) == 1


def test_zeros_of_different_sign_are_different_constants() -> None:
    assert Constant(0.0, float32) != Constant(-0.0, float32)
    assert Constant(float("nan"), float32) == Constant(float("nan"), float32)


def test_a_deep_body_is_lowered_without_recursion() -> None:
    lines = "".join(f"%{n + 1} = add %{n}, %x; " for n in range(3000))
    assert len(kernel(f"graph(%x: f32[4]) {{ %0 = neg %x; {lines}return %3000 }}").values) == 3002


def test_placements_follow_axes_and_results() -> None:
    found = kernel(
        """graph(%x: f32[4, 10]) { %s = sum %x, axes=(1,), lanes=16; %r = neg %s; return %r }""",
    )
    assert found.placements() == (Placement(0, 1), Placement(1, 0), Placement(1, 0))
    assert found.axes == (Axis(0, 4),)


REFUSALS = {
    "stores f32[2] beside f32[3]": "graph(%x: f32[3], %y: f32[2]) { %a = neg %x; %b = neg %y; return %a, %b }",
    "over (0,) beside": """graph(%x: f32[3, 3]) { %a = sum %x, axes=(0,); %b = sum %x, axes=(1,); return %a, %b }""",
    "stores f32[5] beside a reduction": """graph(%x: f32[3, 4], %y: f32[5]) {
        %a = sum %x, axes=(0,); %b = neg %y; return %a, %b }""",
    "reads the result of sum in another row": """graph(%x: f32[3, 3]) { %a = sum %x, axes=(1,)
        %b = broadcast %a, shape=(3, 3); %c = sub %x, %b; return %c }""",
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_what_is_not_one_kernel_is_refused(reason: str) -> None:
    with pytest.raises(CompileError, match="fused is not one kernel") as caught:
        kernel(REFUSALS[reason])
    assert reason in str(caught.value)


def test_an_op_without_a_loop_nest_is_refused_at_its_line() -> None:
    (node,) = parse("graph(%x: f32[3, 3]) { %a = matmul %x, %x; return %a }").nodes
    located = Node(node.op, node.inputs, node.outputs, Location("0: Linear", "train.py", 7))
    with pytest.raises(CompileError, match=r"(?s)matmul cannot be lowered to a loop nest.*train\.py:7"):
        lower(located)


def test_equal_structure_is_an_equal_kernel() -> None:
    texts = (
        "graph(%x: f32[4], %y: f32[4]) { %a = sub %x, %y; %b = exp %a; return %b }",
        "graph(%p: f32[4], %q: f32[4]) { %d = sub %p, %q; %e = exp %d; return %e }",  # other names
        "graph(%x: f32[4], %y: f32[4]) { %a = sub %y, %x; %b = exp %a; return %b }",
        "graph(%x: f32[4], %y: f32[4]) { %a = sub %x, %y; %b = exp %a; return %a }",
        "graph(%x: f32[4], %y: f32[4]) { %a = sub %x, %y; %b = exp %a; return %b, %a }",
        "graph(%x: f32[4], %y: f32[4]) { %a = sub %x, %y; %b = log %a; return %b }",
        "graph(%x: f32[5], %y: f32[5]) { %a = sub %x, %y; %b = exp %a; return %b }",
        "graph(%x: f32[4]) { %c: f32[4] = const value=0.0; %a = mul %x, %c; return %a }",
        "graph(%x: f32[4]) { %c: f32[4] = const value=-0.0; %a = mul %x, %c; return %a }",
    )
    bodies = [parse(text) for text in texts]
    nodes = [Node(Fused(body), body.arguments, body.outputs) for body in bodies]
    keys = [structure(node) for node in nodes]
    assert keys[0] == keys[1]
    assert lower(nodes[0]) == lower(nodes[1])
    assert len(set(keys)) == len(texts) - 1

    (square,) = parse("graph(%x: f32[4]) { %a = mul %x, %x; return %a }").nodes
    (product,) = parse("graph(%x: f32[4], %y: f32[4]) { %a = mul %x, %y; return %a }").nodes
    assert structure(square) != structure(product)
    assert lower(square) != lower(product)


def test_a_kernel_is_made_once_for_all_nodes_of_its_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    def lowered(layers: int) -> int:
        nodes: list[Node] = []
        monkeypatch.setattr(lowering, "lower", lambda node: (nodes.append(node), lower(node))[1])
        monkeypatch.setenv("LUCID_CACHE", "0")
        model = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.GELU()) for _ in range(layers)))
        optimizer = lucid.optim.Adam(model.parameters())

        def step(x: lucid.Tensor) -> None:
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()

        lucid.compile(step).lower(lucid.zeros((4, 8)))
        return len(nodes)

    assert lowered(6) == lowered(3)
