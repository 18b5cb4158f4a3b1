"""The CUDA C printer: golden text, what NVRTC says to it, and the bits that a host computes from it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings

import lucid
from lucid.codegen.cuda.functions import LoopNest
from lucid.codegen.cuda.module import HANDLERS, UNSUPPORTED, write_module
from lucid.codegen.cuda.plan import Launch
from lucid.codegen.lowering import lower
from lucid.codegen.memory import plan
from lucid.errors import CompileError
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Location, Node, Value
from lucid.ir.ops import REGISTRY
from lucid.ir.ops.base import Reduction
from lucid.ir.ops.extremum import Argmax
from lucid.ir.ops.reduction import FirstFalse, Sum
from lucid.ir.passes.fuse import fuse
from lucid.ir.passes.order import order
from lucid.ir.text import parse
from lucid.ir.types import TensorType, bool_, float32, float64
from tests.codegen.cuda_graphs import GOLDEN, OTHERS, fused
from tests.codegen.simulated import ORDERS, Simulated, same_bits
from tests.ir.graphs import graphs, random_inputs
from tests.oracle import Array, run_compiled

FOLDER = Path(__file__).with_name("golden")
TEXTS = GOLDEN | OTHERS


def written(graph: Graph) -> str:
    return write_module(graph).text


# The text.


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, pytestconfig: pytest.Config) -> None:
    path = FOLDER / f"{name}.cu"
    text = written(fused(GOLDEN[name]))
    if pytestconfig.getoption("--update-golden"):
        path.write_text(text)
    assert text == path.read_text(), f"if this is meant, run: pytest {__file__} --update-golden"


def test_every_golden_text_has_a_graph() -> None:
    assert {path.stem for path in FOLDER.glob("*.cu")} == set(GOLDEN)


def text_of(node: Node) -> str:
    """The kernel of a node."""
    return LoopNest(lower(node)).text("k", False, None)


def body_of(text: str) -> list[str]:
    """The lines of code of the only kernel of a graph in text."""
    (node,) = parse(text).nodes
    return [line for line in text_of(node).splitlines() if not line.startswith("//")]


def test_text_of_a_map() -> None:
    assert body_of("graph(%x: f32[3], %y: f32[3]) { %z = add %x, %y; return %z }") == [
        'extern "C" __global__ void k(const float* b0, const float* b1, float* b2) {',
        "    const int first = blockIdx.x * blockDim.x + threadIdx.x;",
        "    const int step = gridDim.x * blockDim.x;",
        "    for (int i0 = first; i0 < 3; i0 += step) {",
        "        const float v0 = b0[i0];",
        "        const float v1 = b1[i0];",
        "        const float v2 = v0 + v1;",
        "        b2[i0] = v2;",
        "    }",
        "}",
    ]


def test_a_load_is_read_only_where_its_bounds_hold() -> None:
    lines = body_of("graph(%x: f32[3]) { %y: f32[6] = scatter_slice %x, start=(5,), step=(-2,); return %y }")
    (load,) = (line.strip() for line in lines if "b0[" in line)
    # -((i0 - 5) // 2) and -(i0 - 5) % 2, from what is not negative.
    assert load.startswith("const float v0 = ")
    assert " ? b0[" in load
    assert load.endswith(" : 0.0f;")


def test_the_order_shows_in_the_loop() -> None:
    lines = body_of("graph(%x: f32[4, 99]) { %s = sum %x, axes=(1,), lanes=8; return %s }")
    text = "\n".join(line.strip() for line in lines)
    assert "const unsigned int lane = threadIdx.x % 8;\nconst unsigned int mask = 0xffu << (threadIdx.x % 32" in text
    assert "i3 = lane; i3 < 99; i3 += 8)" in text
    assert "for (int half = 4; half > 0; half /= 2) {" in text
    assert "__shfl_down_sync(mask, r0_0, half, 8);" in text


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_promises_what_it_cannot_keep(name: str) -> None:
    text = written(fused(TEXTS[name]))
    for word in ("__restrict__", "atomic", "__expf", "__fdividef"):
        assert word not in text, f"{word}: buffers may be shared, orders are fixed, functions are our own"


def test_equal_kernels_are_printed_once_with_the_lines_of_all() -> None:
    text = written(
        parse(
            """graph @twice(%x: f32[4]) {
  %y: f32[4] = neg %x  # 0: ReLU  a.py:1
  %z: f32[4] = neg %y  # 1: ReLU  a.py:2
  return %z
}"""
        )
    )
    assert text.count("__global__") == 1
    assert "// 0: ReLU  a.py:1\n// 1: ReLU  a.py:2\n// graph (%0: f32[4]) {\n" in text


def test_a_comment_ends_with_its_line() -> None:
    graph = parse("graph @g(%x: f32[4]) { %y: f32[4] = neg %x; return %y }")
    (node,) = graph.nodes
    node = replace(node, location=Location("evil\nint x;\\\r\u2028", "", 0))
    text = written(replace(graph, name="two\nlines\\", nodes=(node,)))
    assert text.startswith("// two lines: compile with --fmad=false")
    assert "// evil int x;\n// graph (" in text


def test_what_needs_no_kernel_gets_none() -> None:
    graph = plan(
        parse(
            """graph @g(%x: f32[4, 2], %e: f32[0, 3]) {
  %y: f32[4, 2] = neg %x
  %r: f32[8] = reshape %y
  %z: f32[8] = abs %r
  %n: f32[0, 3] = neg %e
  return %z, %n
}"""
        )
    )
    assert written(graph).count("__global__") == 2
    (*_, empty) = graph.nodes
    assert text_of(empty).endswith("void k(const float* b0, float* b1) {\n}\n")


# What there is no text for.


def test_every_op_has_a_handler_or_is_in_the_table() -> None:
    handled = tuple(HANDLERS)
    assert {op for op in REGISTRY.values() if not issubclass(op, handled)} == set(UNSUPPORTED)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "%y: f32[3, 3] = grad %x, %x, %x",
            "does not support grad: the pass `differentiate` must have written it out.",
        ),
        (
            "%y: f32[3] = sum %x, axes=(1,), lanes=64",
            "reduces in one number of lanes, at most 32; got 64.",
        ),
    ],
)
def test_unsupported(statement: str, message: str) -> None:
    graph = parse(
        f"graph(%x: f32[3, 3], %i: i64[], %n: i64[2]) {{\n  {statement}  # 0: Linear  train.py:12\n  return %x\n}}"
    )
    with pytest.raises(CompileError) as raised:
        written(graph)
    assert message in raised.value.sentence
    assert "train.py:12" in str(raised.value)


def test_one_kernel_has_one_number_of_lanes() -> None:
    graph = parse(
        """graph(%x: f32[2, 64]) {
  %y: f32[2], %z: f32[2] = fused %x @body(%x: f32[2, 64]) {
    %y: f32[2] = sum %x, axes=(1,), lanes=16
    %z: f32[2] = max %x, axes=(1,), lanes=32
    return %y, %z
  }
  return %y, %z
}"""
    )
    with pytest.raises(CompileError, match="in one number of lanes, at most 32; got 16, 32"):
        written(graph)


# The bits.

GRIDS = (None, (1, 32), (3, 64))


def inputs_of(graph: Graph) -> Sequence[Array]:
    """Random arrays; a float64 scalar is a probability."""
    arrays = random_inputs(graph, seed=1)
    return [np.abs(x) % 1 if x.dtype == np.float64 and x.ndim == 0 else x for x in arrays]


@pytest.fixture(scope="module")
def final_graphs() -> dict[str, Graph]:
    return {name: fused(text) for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def simulated(final_graphs: dict[str, Graph]) -> Simulated:
    return Simulated(final_graphs.values())


@pytest.mark.parametrize("name", TEXTS)
def test_every_launch_and_order_computes_the_bits_of_the_cpu_target(
    name: str, final_graphs: dict[str, Graph], simulated: Simulated
) -> None:
    graph = final_graphs[name]
    arrays = inputs_of(graph)
    expected = run_compiled(graph, arrays)
    for grid in GRIDS:
        assert same_bits(simulated.run(graph, arrays, grid=grid), expected), grid
    for turn in ORDERS[1:]:
        assert same_bits(simulated.run(graph, arrays, turn), expected), turn


def every_order() -> Graph:
    """Reductions in 1, 2 and 32 lanes, of rows, of columns, of everything, and of axes on both sides of another."""
    builder = Builder()
    arguments: list[Value] = []
    outputs: list[Value] = []
    for shape, axes in [((3, 50), (1,)), ((40, 3), (0,)), ((2, 3, 40), (1, 2)), ((7, 2, 36), (0, 2)), ((33,), (0,))]:
        for dtype, op_class in [(float32, Sum), (float64, Argmax), (bool_, FirstFalse)]:
            arguments.append(Value(TensorType(dtype, shape)))
            for lanes in (1, 2, 32):
                outputs += builder.add(op_class(axes, lanes), arguments[-1])
    return Graph("every_order", tuple(arguments), (), tuple(builder.nodes), tuple(outputs))


def test_every_order_of_a_sum_is_obeyed() -> None:
    graph = every_order()
    arrays = random_inputs(graph, seed=2)
    assert same_bits(Simulated([graph]).run(graph, arrays, 2), run_compiled(graph, arrays))


def drawn_graphs(count: int) -> list[Graph]:
    """Random graphs, the same each time, with every value an output, and reductions in 1, 2, 4 and 8 lanes in turn."""
    found: list[Graph] = []
    lanes = itertools.cycle((1, 2, 4, 8))

    @settings(max_examples=count, phases=[Phase.generate], derandomize=True, database=None)
    @given(graphs())
    def collect(graph: Graph) -> None:
        nodes = [
            replace(node, op=replace(node.op, lanes=next(lanes)))  # type: ignore[type-var]
            if isinstance(node.op, Reduction)
            else node
            for node in graph.nodes
        ]
        values = tuple(value for node in nodes for value in node.outputs)
        found.append(replace(graph, nodes=tuple(nodes), outputs=values))

    collect()
    return found


@pytest.mark.slow
def test_random_graphs_have_the_bits_of_the_cpu_target() -> None:
    finals = [fuse(order(graph)) for graph in drawn_graphs(60)]
    simulated = Simulated(finals)
    for graph in finals:
        arrays = inputs_of(graph)
        expected = run_compiled(graph, arrays)
        for turn in ORDERS:
            assert same_bits(simulated.run(graph, arrays, turn), expected), f"order {turn} of {graph}"


def test_another_order_has_other_bits() -> None:
    texts = [f"graph(%x: f32[1, 300]) {{ %s = sum %x, axes=(1,), lanes={n}; return %s }}" for n in (1, 32)]
    one, many = (parse(text) for text in texts)
    arrays = random_inputs(one, seed=0)
    assert not same_bits(Simulated([one]).run(one, arrays), run_compiled(many, arrays)), "then no test would notice"


@pytest.mark.parametrize(("extent", "index"), [(2**30, "int"), (2**30 + 4, "long long")])
def test_indices_have_as_many_bits_as_they_need(extent: int, index: str) -> None:
    lines = body_of(f"graph(%x: f32[{extent}]) {{ %y: f32[{extent}] = neg %x; return %y }}")
    assert f"    for ({index} i0 = first; i0 < {extent // 4}; i0 += step) {{" in lines


LARGE = {
    "`x.sum()`": (lambda x: x.sum(), (4096, 4096)),
    "`x.max()`": (lambda x: x.max(), (4096, 4096)),
    "`x.sum(1)`": (lambda x: x.sum(1), (4096, 4096)),
    "`x.sum(1)` of 64 x 10000": (lambda x: x.sum(1), (64, 10000)),
    "`x.sum(0)`": (lambda x: x.sum(0), (4096, 4096)),
    "`x.argmax()`": (lambda x: x.argmax(), (4096, 4096)),
}


@pytest.mark.parametrize("text", LARGE)
def test_the_page_has_the_launches_of_large_reductions(text: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "gpu.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    (row,) = (cells[1] for cells in rows if text in cells[0].split(", "))
    function, shape = LARGE[text]
    graph = lucid.compile(function).lower(np.zeros(shape, np.float32)).graph("fused")
    steps = write_module(graph).plan.steps
    found = [f"{step.blocks[0]} x {step.threads}" for step in steps if isinstance(step, Launch)]
    assert re.findall(r"\d+ x \d+", row) == found
