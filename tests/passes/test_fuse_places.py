"""`fuse`, where elements are read elsewhere than in place: windows, gathers, reshapes and transposes."""

from __future__ import annotations

from lucid.ir.passes.fuse import fuse
from lucid.ir.text import parse
from tests.passes.fused import kernels

WINDOWED = """graph(%g: f32[4, 3], %t: f32[4, 3], %x: f32[4, 6]) {
    %gw: f32[4, 3, 1] = reshape %g; %gb: f32[4, 3, 2] = broadcast %gw
    %tw: f32[4, 3, 1] = reshape %t; %tb: f32[4, 3, 2] = broadcast %tw
    %m = mul %gb, %tb; %u = unwindow %m, spatial=(6,), stride=(2,), dilation=(1,), low=(0,)
    %r: f32[4, 6] = reshape %u; %y = mul %r, %x; return %y"""


def test_what_only_an_unwindow_reads_is_computed_where_it_puts_it() -> None:
    assert kernels(WINDOWED + " }") == ["mul unwindow mul"]
    assert kernels(WINDOWED + ", %m }") == ["mul", "unwindow mul"]


POOLED = """graph(%x: f32[2, 6], %w: f32[6, 6], %b: f32[6]) {{
    %c = matmul %x, %w; %bb: f32[2, 6] = broadcast %b; %a = add %c, %bb; %h = {function} %a
    %z: f32[2, 6] = const value=0.0; %m = less_equal %a, %z
    %r: f32[2, 6, 1] = reshape %h; %v = window %r, kernel=(2,), positions=(3,), stride=(2,), dilation=(1,), low=(0,)
    %y = first_max %v, axes=(2,); return %y{more} }}"""


def test_what_only_a_window_reads_is_computed_where_it_reads_it() -> None:
    """However much it is, if each element is read once."""
    text = POOLED.format(function="exp", more="")
    assert kernels(text) == ["matmul", "add exp window first_max"]
    assert kernels(POOLED.format(function="exp", more=", %h")) == ["matmul", "add exp", "window first_max"]


def test_short_formulas_of_one_value_are_computed_again_where_a_window_reads_them() -> None:
    assert kernels(POOLED.format(function="abs", more=", %m")) == [
        "matmul",
        "add less_equal",
        "add abs window first_max",
    ]


def test_kernels_in_rows_of_windows_take_in_nothing_that_walks_across_rows() -> None:
    """Else no lane would stand in a pattern that is known."""
    text = """graph(%w: f32[8, {rows}, 2], %seed: u64[], %first: u64[], %p: f64[]) {{
        %u = unwindow %w, spatial=({extent},), stride=(2,), dilation=(1,), low=(0,); %r: f32[8, {extent}] = reshape %u
        %e = exp %r; """
    total = "%s = sum %e, axes=(1,), lanes=16; return %e, %s }}"
    assert kernels((text + total).format(rows=14, extent=28)) == ["unwindow exp", "sum"]
    assert kernels((text + total).format(rows=16, extent=32)) == ["unwindow exp sum"]
    mask = "%k: bool[8, {extent}] = random_keep %seed, %first, %p, draw=0; %f = cast %k, dtype=f32; %m = mul %e, %f; "
    assert kernels((text + mask + "return %m }}").format(rows=14, extent=28)) == [
        "random_keep",
        "unwindow exp cast mul",
    ]


def test_a_gather_is_one_kernel_with_what_computes_its_index_and_with_what_follows() -> None:
    assert kernels("""
        graph(%x: f32[4, 9], %i: i64[4, 3], %y: f32[4, 3]) {
          %j = add %i, %i
          %g = gather %x, %j, axis=1
          %h = mul %g, %y
          %s = sum %h, axes=(1,)
          return %s
        }
    """) == ["add gather mul sum"]


def test_what_a_gather_reads_elsewhere_is_in_memory_before() -> None:
    assert kernels("""
        graph(%x: f32[4, 3], %i: i64[4, 1], %k: i64[5, 1]) {
          %e = exp %x
          %j = add %i, %i
          %g = gather %e, %j, axis=0
          %t: f32[3, 4] = transpose %g, permutation=(1, 0)
          %u: f32[5, 4] = gather %t, %k, axis=0
          %v = neg %u
          return %v
        }
    """) == ["exp", "add", "gather", "gather neg"]


def test_elements_at_themselves_are_not_read_in_place() -> None:
    assert kernels("graph(%x: i64[4]) { %y = neg %x; %g = gather %y, %y, axis=0; return %g }") == ["neg", "gather"]


def test_movements_of_what_is_in_memory_are_repeated_where_they_are_read() -> None:
    assert kernels("""
        graph(%x: f32[3, 4], %y: f32[4, 3], %w: f32[3, 2]) {
          %t = transpose %x, permutation=(1, 0)
          %a = mul %t, %y
          %m = matmul %a, %w
          %b = add %t, %y
          %n = matmul %b, %w
          %c = sub %m, %n
          return %c
        }
    """) == ["mul add", "matmul", "matmul", "sub"]


def test_a_movement_that_a_matmul_reads_is_a_node_of_its_own() -> None:
    text = """
        graph(%x: f32[3, 2, 4], %w: f32[3, 4, 2]) {
          %t = transpose %x, permutation=(1, 0, 2)
          %u: f32[2, 3, 4] = exp %t
          %r: f32[3, 2, 4] = reshape %t
          %m = matmul %r, %w
          return %m, %u
        }
    """
    assert kernels(text) == ["exp", "", "matmul"]  # the second holds transpose and reshape
    assert [node.op.name for node in fuse(parse(text)).nodes] == ["fused", "fused", "matmul"]


def test_elements_keep_their_place_in_a_reshape() -> None:
    assert kernels("""
        graph(%x: f32[6, 4]) {
          %e = exp %x
          %r: f32[2, 12] = reshape %e
          %s = sum %r, axes=(1,)
          %r1: f32[2, 1] = reshape %s
          %y = neg %r1
          return %y, %e
        }
    """) == ["exp sum neg"]
