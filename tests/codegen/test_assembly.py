"""The machine code has the shape that its speed comes from: no spills where time is spent, vectors, one kernel."""

import os
import re
from collections.abc import Callable

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import Tensor, nn
from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.channels import ConvolveChannels
from lucid.codegen.cpu.convolution import Convolve, Weigh
from lucid.codegen.cpu.convolution_tiles import write_tasks
from lucid.codegen.cpu.dots import Dots, tile_columns
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.grouped import POSITIONS, TAPS, ConvolveGrouped, WeighGrouped
from lucid.codegen.cpu.library import TILES
from lucid.codegen.cpu.lines import ConvolveLines
from lucid.codegen.cpu.lines_plan import LINES
from lucid.codegen.cpu.machine import Machine, assembly, machine
from lucid.codegen.cpu.module import ModuleWriter
from lucid.codegen.cpu.small import ROWS, Small
from lucid.codegen.cpu.sweeps import PRODUCTS, Sweeps
from lucid.codegen.lowering import lower
from lucid.ir.ops.base import Product
from lucid.ir.types import DType, float32, float64
from lucid.program import Program

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="reads x86 assembly")

REGISTERS = {64: "%zmm", 32: "%ymm", 16: "%xmm"}


def function(text: str, name: str) -> str:
    """The assembly of one function."""
    body = text[text.index(f"\n{name}:") :]
    return body[: body.index(".cfi_endproc")]


def loops(text: str) -> list[str]:
    """The bodies of innermost loops: from a label to the jump back to it, without a label in between."""
    found = re.findall(r"^(\.L\w+):\n((?:(?!\.L)[^\n]*\n)*?\s+j\w+\s+\1)\n", text, re.MULTILINE)
    return [body for _, body in found]


@pytest.fixture(params=["", "x86-64-v3", "x86-64-v4"], ids=["here", "avx2", "avx512"])
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The processor at hand, and others, whose code is only looked at. One without multiply-adds calls them."""
    with monkeypatch.context() as patch:
        patch.setenv("LUCID_CPU", request.param)
        return machine()


def compiled(processor: Machine, write: Callable[[ir.Module], None]) -> str:
    """The assembly of a module."""
    module = ir.Module("module")
    module.triple, module.data_layout = processor.layout()
    write(module)
    return assembly(processor, str(module))


def kernels(program: Program, processor: Machine) -> dict[str, str]:
    """The assembly of the kernels of a program that have loops."""
    writer = ModuleWriter(program.graph("planned"), processor, lower)
    text = "".join(assembly(processor, module) for module in writer.write())
    names = [written.function.name for (kernel, *_), written in writer.functions.items() if kernel.axes]
    return {name: function(text, name) for name in names}


def convolution_tiles(dtype: DType, processor: Machine) -> set[tuple[int, int]]:
    """The rows and vectors of the tiles that convolutions use: whole ones, and those for edges."""
    tiles = Convolve(dtype, processor.vector_bytes, ir.Module("module"), {})
    edges = {(rows, vectors) for vectors, heights in tiles.heights.items() for rows in heights}
    return edges | {(tiles.rows, vectors) for vectors in tiles.heights}


def assert_in_registers(processor: Machine, loop: str, sums: int) -> None:
    """No sum of a loop is spilled."""
    register = REGISTERS[processor.vector_bytes]
    assert loop.count("fmadd") == sums
    assert register in loop
    assert not re.search(rf"{register}\d+, -?\d*\(%r[sb]p\)", loop)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_inner_loop_of_each_tile_keeps_everything_in_registers(dtype: DType, processor: Machine) -> None:
    """Of those for whole panels and those for the edges of a product."""
    product = Gemm(dtype, processor.vector_bytes)
    shapes = [(rows, vectors) for rows, vectors in TILES if rows <= product.rows]
    assert (product.rows, product.vectors) in shapes

    def write(module: ir.Module) -> None:
        for rows, vectors in shapes:
            product.write_one_tile(module, f"tile_{rows}x{vectors}", rows, vectors)

    text = compiled(processor, write)
    for rows, vectors in shapes:
        (inner,) = (loop for loop in loops(function(text, f"tile_{rows}x{vectors}")) if "fmadd" in loop)
        assert_in_registers(processor, inner, rows * vectors)
        assert not re.search(r"\(%r[sb]p\)", inner)  # nor an address


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_inner_loop_of_a_convolution_keeps_everything_in_registers(dtype: DType, processor: Machine) -> None:
    """Of whole tiles and of all those for edges."""
    tasks = {"convolve": Convolve, "weigh": Weigh, "channels": ConvolveChannels}
    text = compiled(processor, lambda module: write_tasks(module, dtype, processor.vector_bytes, tasks))
    tiles = re.findall(r"^tile_(\d+)x(\d+):", text, re.MULTILINE)
    assert {(int(rows), int(vectors)) for rows, vectors in tiles} == convolution_tiles(dtype, processor)
    for rows, vectors in convolution_tiles(dtype, processor):
        (inner,) = (loop for loop in loops(function(text, f"tile_{rows}x{vectors}")) if "fmadd" in loop)
        assert_in_registers(processor, inner, rows * vectors)
        assert not re.search(r"\(%r[sb]p\)", inner)


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize("rows", [1, 2, 10])
def test_the_inner_loop_of_a_product_with_lanes_keeps_its_sums_in_registers(
    dtype: DType, rows: int, processor: Machine
) -> None:
    columns = tile_columns(dtype, processor.vector_bytes, 16, rows)
    product = Dots(dtype, processor.vector_bytes, 16, columns)
    text = function(compiled(processor, lambda module: product.write(module, "product")), "tile")
    inner = max(loops(text), key=lambda loop: loop.count("fmadd"))
    assert_in_registers(processor, inner, product.height * product.width * product.registers)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_inner_loop_of_a_product_that_sweeps_keeps_its_factors_in_registers(
    dtype: DType, processor: Machine
) -> None:
    text = compiled(processor, lambda module: Sweeps(dtype, processor.vector_bytes).write(module, "product"))
    inner = next(loop for loop in loops(function(text, f"sweep_{PRODUCTS}")) if loop.count("fmadd") == PRODUCTS)
    assert not re.search(rf"\(%r[sb]p\), {REGISTERS[processor.vector_bytes]}", inner)  # no factor is loaded again


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_inner_loop_of_a_small_product_keeps_its_sums_in_registers(dtype: DType, processor: Machine) -> None:
    text = compiled(processor, lambda module: Small(dtype, processor.vector_bytes).write(module, "product"))
    inner = max(loops(function(text, "tile")), key=lambda loop: loop.count("fmadd"))
    assert_in_registers(processor, inner, ROWS)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_inner_loops_of_a_convolution_of_wide_rows_keep_their_sums_in_registers(
    dtype: DType, processor: Machine
) -> None:
    """Of taps by a table, and of 3x3 taps."""
    tasks = {"convolve": ConvolveLines}
    text = compiled(processor, lambda module: write_tasks(module, dtype, processor.vector_bytes, tasks))
    for name, products in (("by_table", LINES), ("by_3x3", 9 * LINES)):
        (inner,) = (loop for loop in loops(function(text, name)) if loop.count("fmadd") == products)
        assert_in_registers(processor, inner, products)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_inner_loops_of_a_grouped_convolution_keep_their_sums_in_registers(
    dtype: DType, processor: Machine
) -> None:
    """Of as many positions and taps at a time as there may be."""
    tasks = {"convolve": ConvolveGrouped, "weigh": WeighGrouped}
    text = compiled(processor, lambda module: write_tasks(module, dtype, processor.vector_bytes, tasks))
    for tile, numbers in (("positions", POSITIONS), ("taps", TAPS)):
        for sums in numbers:
            (inner,) = (loop for loop in loops(function(text, f"{tile}_{sums}")) if "fmadd" in loop)
            assert_in_registers(processor, inner, sums)


def programs_of(layer: Callable[[Tensor], Tensor], dtype: DType) -> dict[str, Program]:
    """A layer forward, forward and backward in one step, and the backward of what another program has computed."""

    @lucid.compile
    def step(x: Tensor) -> Tensor:
        x.grad = None
        y = layer(x)
        y.backward()
        return y

    x = lucid.ones(1 << 14, dtype=dtype)
    leaf = x.detach().requires_grad_()
    alone = lucid.compile(lambda x: layer(x))
    alone(leaf).backward(x)
    backward = alone.programs[0].backward
    assert backward is not None
    return {"forward": alone.lower(x), "both": step.lower(leaf), "backward": backward}


DIRECTIONS = ("forward", "both", "backward")


def assert_vector_kernel(program: Program, processor: Machine) -> str:
    """A program is one kernel, whose loops work on vectors of the whole width and call nothing."""
    (text,) = kernels(program, processor).values()
    inside = [line for loop in loops(text) for line in loop.splitlines()]
    assert any(REGISTERS[processor.vector_bytes] in line for line in inside)
    assert not any("call" in line for line in inside)
    return text


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_dropout_forward_and_backward_are_one_vector_kernel(direction: str, dtype: DType, processor: Machine) -> None:
    text = assert_vector_kernel(programs_of(nn.Dropout(0.5), dtype)[direction], processor)
    rounds = [loop for loop in loops(text) if "muludq" in loop]
    assert len(rounds) == (direction != "backward")  # which reads the mask
    for loop in rounds:
        quads = 64 // dtype.itemsize  # a word of each in 64 bits
        assert loop.count("muludq") == 2 * quads * 8 // processor.vector_bytes
        assert not re.search("shuf|perm|blend|unpck|mullq", loop)  # nothing moves between lanes


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_activation_forward_and_backward_is_one_vector_kernel(
    direction: str, dtype: DType, processor: Machine
) -> None:
    text = assert_vector_kernel(programs_of(F.silu, dtype)[direction], processor)
    exponentials = [loop for loop in loops(text) if loop.count("fmadd") > 4]
    assert bool(exponentials) == (direction != "backward")  # which reads what they have given


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_products_of_a_linear_layer_are_those_of_tiles_in_registers(dtype: DType) -> None:
    layer = nn.Linear(300, 200, dtype=dtype)
    alone = lucid.compile(layer)
    x = lucid.ones((128, 300), dtype=dtype, requires_grad=True)
    alone(x).backward(lucid.ones((128, 200), dtype=dtype))
    forward, backward = alone.programs[0], alone.programs[0].backward
    assert backward is not None
    for program, count in ((forward, 1), (backward, 2)):
        products = [node for node in program.graph("planned").nodes if getattr(node.op, "product", None) is not None]
        plain = [node for node in program.graph("planned").nodes if isinstance(node.op, Product)]
        assert len(products + plain) == count
        imports = program._compiled.executable.code.plan["imports"]
        assert f"matmul_{dtype.short}" in imports
        assert any(re.fullmatch(rf"tile_\d+x\d+_{dtype.short}", name) for name in imports)


@pytest.mark.parametrize("heads", [4, 3])  # 128 columns are whole vectors of 64 lanes, 96 are not
def test_the_gradient_of_heads_is_loaded_in_runs(heads: int, processor: Machine) -> None:
    columns = 2 * heads * 32
    rng = np.random.default_rng(0)
    joined = Tensor(rng.random((16, columns), np.float32))
    bias = Tensor(rng.random(columns, np.float32), requires_grad=True)
    gradients = [Tensor(rng.random((2, heads, 8, 32), np.float32)) for _ in range(2)]

    @lucid.compile
    def step(joined: Tensor, *gradients: Tensor) -> None:
        bias.grad = None
        parts = lucid.split(joined + bias, heads * 32, 1)
        split = [part.reshape(2, 8, heads, 32).permute(0, 2, 1, 3) for part in parts]
        sum((part * g).sum() for part, g in zip(split, gradients, strict=True)).backward()

    program = step.lower(joined, *gradients)
    assert "gather" not in "".join(kernels(program, processor).values())
    step(joined, *gradients)
    rows = [g.numpy().transpose(0, 2, 1, 3).reshape(16, heads * 32) for g in gradients]
    assert bias.grad is not None
    np.testing.assert_allclose(bias.grad.numpy(), np.concatenate(rows, 1).sum(0), rtol=1e-6)
