"""Code for ARM, as it can be read on any processor: vectors of NEON, and sums that stay in registers."""

import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import pytest

from lucid import nn
from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.channels import ConvolveChannels
from lucid.codegen.cpu.convolution import Convolve, Weigh
from lucid.codegen.cpu.convolution_tiles import write_tasks
from lucid.codegen.cpu.dots import Dots
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.grouped import POSITIONS, TAPS, ConvolveGrouped, WeighGrouped
from lucid.codegen.cpu.library import TILES
from lucid.codegen.cpu.machine import LEVEL, QUICK, Machine
from lucid.codegen.cpu.small import ROWS, Small
from lucid.codegen.cpu.sweeps import PRODUCTS, Sweeps
from lucid.codegen.cpu.team_text import team_text
from lucid.ir.types import DType, float32, float64
from tests.codegen.test_assembly import compiled, convolution_tiles, function, kernels, programs_of

TILE_LANES = {float32: "4s", float64: "2d"}


class Arm(Machine):
    """A processor of ARM's, for which LLVM makes code anywhere."""

    def target_machine(self, level: int = LEVEL) -> Any:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
        return target.create_target_machine(cpu=self.cpu, features=self.features, opt=level, reloc="pic")


NEON = Arm("neoverse-n1", "", 16)
GEMM = Gemm(float32, NEON.vector_bytes)


def loops(text: str) -> list[str]:
    """The bodies of innermost loops, as in `test_assembly.py`."""
    jump = r"(?:b(?:\.\w+)?|cbn?z|tbn?z)\s[^\n]*\1"
    found = re.findall(rf"^(\.L\w+):.*\n((?:(?!\.L)[^\n]*\n)*?\s+{jump})\n", text, re.MULTILINE)
    return [body for _, body in found]


def assert_in_registers(text: str, dtype: DType, sums: int | None) -> None:
    """The innermost loop of a function multiplies and adds in vectors, to so many sums, and spills none."""
    inner = max(loops(text), key=lambda loop: loop.count("fmla"))
    multiply_adds = re.findall(r"fmla\s+v\d+\.(\w+)", inner)
    assert set(multiply_adds) == {TILE_LANES[dtype]}
    assert sums is None or len(multiply_adds) == sums
    assert not re.search(r"\bq\d+, \[sp", inner)


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize(("rows", "vectors"), [shape for shape in TILES if shape[0] <= GEMM.rows])
def test_the_sums_of_each_tile_stay_in_registers(rows: int, vectors: int, dtype: DType) -> None:
    """Of those for whole panels and those for the edges of a product."""
    product = Gemm(dtype, NEON.vector_bytes)
    text = compiled(NEON, lambda module: product.write_one_tile(module, "tile", rows, vectors))
    assert_in_registers(function(text, "tile"), dtype, rows * vectors)


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize(
    ("write", "tile", "sums"),
    [
        (lambda module, *shape: Gemm(*shape).write(module, "product"), f"tile_{GEMM.rows}x{GEMM.vectors}", 12),
        (lambda module, *shape: Dots(*shape, 16, 1).write(module, "product"), "tile", None),
        (lambda module, *shape: Sweeps(*shape).write(module, "product"), f"sweep_{PRODUCTS}", PRODUCTS),
        (lambda module, *shape: Small(*shape).write(module, "product"), "tile", ROWS),
    ],
    ids=["product", "with lanes", "that sweeps", "small"],
)
def test_the_sums_of_products_stay_in_registers(
    write: Callable[[ir.Module, DType, int], None], tile: str, sums: int | None, dtype: DType
) -> None:
    text = compiled(NEON, lambda module: write(module, dtype, NEON.vector_bytes))
    assert_in_registers(function(text, tile), dtype, sums)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_sums_of_convolutions_stay_in_registers(dtype: DType) -> None:
    """Of whole tiles and of all those for edges."""
    tasks = {"convolve": Convolve, "weigh": Weigh, "channels": ConvolveChannels}
    text = compiled(NEON, lambda module: write_tasks(module, dtype, NEON.vector_bytes, tasks))
    for rows, vectors in convolution_tiles(dtype, NEON):
        assert_in_registers(function(text, f"tile_{rows}x{vectors}"), dtype, rows * vectors)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_the_sums_of_grouped_convolutions_stay_in_registers(dtype: DType) -> None:
    """Of as many positions and taps at a time as there may be."""
    tasks = {"convolve": ConvolveGrouped, "weigh": WeighGrouped}
    text = compiled(NEON, lambda module: write_tasks(module, dtype, NEON.vector_bytes, tasks))
    for tile, numbers in (("positions", POSITIONS), ("taps", TAPS)):
        for sums in numbers:
            assert_in_registers(function(text, f"{tile}_{sums}"), dtype, sums)


def test_dropout_forward_and_backward_are_one_vector_kernel() -> None:
    (text,) = kernels(programs_of(nn.Dropout(0.5), float32)["both"], NEON).values()
    (rounds,) = (loop for loop in loops(text) if "umull" in loop)
    assert len(re.findall(r"umull2?\s+v\d+\.2d", rounds)) == 2 * 8  # of 16 quads, a word of each in 64 bits
    assert not re.search(r"\bumull\s+x|\bmul\s|\bbl\s", rounds)  # no word is computed by itself
    assert not re.search(r"\bf\w+\s+[sd]\d.*, [sd]\d", text)  # nor an element
    assert len(re.findall(r"\bstp\s+q.*\[x", text)) == 2 * 8  # of both results, two vectors of 64 elements


def test_the_workers_of_the_pool_are_compiled_quickly_with_what_the_processor_has() -> None:
    oldest = Arm("generic", "", NEON.vector_bytes)
    text = oldest.target_machine(QUICK).emit_assembly(llvm.parse_assembly(team_text(*oldest.layout())))
    called = set(re.findall(r"\bbl\s+(\w+)", text)) - set(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert all(name.startswith(("pthread_", "sched_", "clock_", "mem")) for name in called), called
    assert "stlxr" in text  # the claiming of a chunk
