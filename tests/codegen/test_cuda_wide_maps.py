"""Maps that keep many values: they are cut, or go without quads, so that registers suffice; and no bit changes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.quads import MOST_WORDS, MOST_WORDS_BESIDE_SUMS, in_quads
from lucid.codegen.cuda.wide_maps import cut_wide_maps
from lucid.codegen.lowering import lower
from lucid.ir.graph import Graph
from lucid.ir.ops.structure import Fused
from lucid.ir.passes.fuse import fuse
from lucid.ir.text import parse
from lucid.ir.verify import verify
from tests.codegen.nvrtc import ARCHITECTURES, compile_with_nvrtc
from tests.codegen.simulated import Simulated, same_bits
from tests.ir.graphs import random_inputs
from tests.oracle import run_compiled


def many(count: int, op: str = "tanh", dtype: str = "f32") -> Graph:
    """The sum of arrays times a function of each: none can be forgotten until the last has been read."""
    arguments = ", ".join(f"%x{n}: {dtype}[7]" for n in range(count))
    totals = ["%x0", *(f"%s{n}" for n in range(1, count))]
    sums = "; ".join(f"{b} = add {a}, %x{n}" for n, (a, b) in enumerate(pairwise(totals), 1))
    products = "; ".join(f"%t{n} = {op} %x{n}; %y{n} = mul %t{n}, {totals[-1]}" for n in range(count))
    results = ", ".join(f"%y{n}" for n in range(count))
    return fuse(parse(f"graph({arguments}) {{ {sums}; {products}; return {results} }}"))


@pytest.mark.parametrize(("count", "parts"), [(60, 1), (120, 1), (150, 2)])
def test_a_map_is_cut_where_it_keeps_more_values_than_there_are_registers(count: int, parts: int) -> None:
    graph = many(count, "abs")
    (node,) = graph.nodes
    cut = cut_wide_maps(graph)
    verify(cut)
    assert len(cut.nodes) == parts
    assert (cut is graph) == (parts == 1)
    assert isinstance(node.op, Fused)
    inner = [op for part in cut.nodes if isinstance(part.op, Fused) for op in part.op.body.nodes]
    assert len(inner) == len(node.op.body.nodes), "nothing is computed twice"


def test_a_chain_of_many_ops_keeps_few_values_and_stays() -> None:
    chain = "; ".join(f"%v{n + 1} = add %v{n}, %x" for n in range(300))
    graph = fuse(parse(f"graph(%x: f32[7], %v0: f32[7]) {{ {chain}; return %v300 }}"))
    assert cut_wide_maps(graph) is graph


@pytest.mark.parametrize(
    ("count", "dtype", "quads"), [(20, "f32", True), (21, "f32", False), (10, "f64", True), (11, "f64", False)]
)
def test_quads_that_take_too_many_registers_are_not_formed(count: int, dtype: str, quads: bool) -> None:
    (node,) = many(count, dtype=dtype).nodes
    assert (in_quads(lower(node)) is not None) == quads == (8 * count * (2 if dtype == "f64" else 1) <= MOST_WORDS)


@pytest.mark.parametrize(
    ("count", "dtype", "quads"), [(15, "f32", True), (16, "f32", False), (7, "f64", True), (8, "f64", False)]
)
def test_epilogues_form_no_quads_that_would_spill(count: int, dtype: str, quads: bool) -> None:
    """A product, and the sum of its result and so many arrays, all of which are read at once where they are quads."""
    type = f"{dtype}[64, 64]"
    arguments = ", ".join(f"%{name}: {type}" for name in ("a", "b", *(f"x{n}" for n in range(count))))
    sums = "; ".join(f"%s{n + 1} = add %s{n}, %x{n}" for n in range(count))
    product = "%s0 = matmul %a, %b, transpose_a=true, transpose_b=true, chunk=40"
    text = write_module(fuse(parse(f"graph({arguments}) {{ {product}; {sums}; return %s{count} }}"))).text
    assert (
        ("store0_quad" in text) == quads == (4 * (count + 1) * (2 if dtype == "f64" else 1) <= MOST_WORDS_BESIDE_SUMS)
    )
    for architecture in ARCHITECTURES:
        (figure,) = compile_with_nvrtc(text, architecture).figures.values()
        assert figure.spilled == figure.stack == 0


# The types of the factors and of the result of a product, and its text.
PRODUCTS = {
    "matmul": ("f32[64, 64]", "f32[64, 64]", "f32[64, 64]", "matmul %a, %b, chunk=64"),
    "convolution": (
        *("f32[2, 3, 24, 24]", "f32[8, 3, 3, 3]", "f32[2, 8, 22, 22]"),
        "convolution %a, %b, stride=(1, 1), dilation=(1, 1), low=(0, 0), high=(0, 0), groups=1",
    ),
}


def beside_product(product: str, front: int, behind: int) -> Graph:
    """A product with a map in front of each factor that reads so many arrays, and one behind it that reads and writes
    so many beside its result, none of which it can forget until it has read all."""
    *types, text = PRODUCTS[product]
    arguments, lines = [], []
    for name, type in zip("ab", types, strict=False):
        names = [f"{name}{n}" for n in range(front)] or [name]
        arguments += [f"%{x}: {type}" for x in names]
        sums = [names[0], *(f"{name}_{n}" for n in range(2, front)), name]
        lines += [f"%{new}: {type} = add %{old}, %{x}" for old, new, x in zip(sums, sums[1:], names[1:], strict=False)]
    lines.append(f"%c: {types[2]} = {text}")
    sums = ["c", *(f"c_{n}" for n in range(behind))]
    lines += [f"%{new} = add %{old}, %x{n}" for n, (old, new) in enumerate(pairwise(sums))]
    lines += [f"%t{n} = mul %x{n}, %{sums[-1]}; %y{n} = mul %t{n}, %x{n}" for n in range(behind)]
    arguments += [f"%x{n}: {types[2]}" for n in range(behind)]
    results = ", ".join(f"%y{n}" for n in range(behind)) or "%c"
    return fuse(parse(f"graph({', '.join(arguments)}) {{ {'; '.join(lines)}; return {results} }}"))


@pytest.mark.parametrize(
    ("product", "front", "behind", "functions"),
    [
        *(("matmul", 0, 11, 1), ("matmul", 0, 12, 2), ("matmul", 23, 0, 1), ("matmul", 24, 0, 2)),
        *(("matmul", 23, 11, 1), ("convolution", 0, 11, 1), ("convolution", 0, 12, 2)),
    ],
)
def test_a_product_computes_narrow_maps_alone(product: str, front: int, behind: int, functions: int) -> None:
    assert len(write_module(beside_product(product, front, behind)).functions) == functions


@pytest.mark.parametrize("architecture", ["sm_70", "sm_80", "sm_90"])
@pytest.mark.parametrize(
    ("product", "front", "behind"), [("matmul", 23, 11), ("matmul", 40, 60), ("convolution", 0, 11)]
)
def test_products_spill_nothing_of_what_they_compute(product: str, front: int, behind: int, architecture: str) -> None:
    text = write_module(beside_product(product, front, behind)).text
    for name, figure in compile_with_nvrtc(text, architecture).figures.items():
        assert figure.spilled == figure.stack == 0, name


@pytest.mark.parametrize(
    ("count", "op", "dtype", "parts"),
    [(60, "tanh", "f32", 1), (60, "tanh", "f64", 1), (150, "abs", "f32", 2), (150, "abs", "f64", 3)],
)
def test_wide_maps_have_the_bits_of_the_cpu_target(count: int, op: str, dtype: str, parts: int) -> None:
    graph = many(count, op, dtype)
    arrays = random_inputs(graph, seed=0)
    simulated = Simulated([graph])
    assert len(simulated.modules[graph].functions) == parts
    assert same_bits(simulated.run(graph, arrays), run_compiled(graph, arrays))
