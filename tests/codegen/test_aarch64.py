"""Code for ARM, as it can be read on any processor: vectors of NEON, and sums that stay in registers."""

import re

import llvmlite.binding as llvm
import pytest

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.dots import Dots
from lucid.codegen.cpu.gemm import Gemm
from lucid.codegen.cpu.machine import QUICK
from lucid.codegen.cpu.small import ROWS, Small
from lucid.codegen.cpu.sweeps import PRODUCTS, Sweeps
from lucid.codegen.cpu.team_text import team_text
from lucid.codegen.cpu.tiles import Tiles
from lucid.ir.types import DType, float32, float64

VECTOR_BYTES = 16
TILE_LANES = {float32: "4s", float64: "2d"}


@pytest.fixture(scope="module")
def target_machine() -> llvm.TargetMachine:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(cpu="neoverse-n1", opt=2)


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize(
    ("product", "tile", "sums"),
    [
        (Gemm, "tile_4x3", 12),
        (lambda *machine: Dots(*machine, 16, 1), "tile", None),
        (Sweeps, f"sweep_{PRODUCTS}", PRODUCTS),
        (Small, "tile", ROWS),
    ],
)
def test_products_are_vectors_of_neon_and_sums_stay_in_registers(
    target_machine: llvm.TargetMachine, product: type[Tiles], tile: str, sums: int | None, dtype: DType
) -> None:
    functions = product(dtype, VECTOR_BYTES)
    module = ir.Module("product")
    module.triple, module.data_layout = target_machine.triple, str(target_machine.target_data)
    functions.write(module, "product")
    text = target_machine.emit_assembly(llvm.parse_assembly(str(module)))
    body = text[text.index(f"\n{tile}:") :]
    body = body[: body.index(".cfi_endproc")]
    loops = re.findall(
        r"^(\.L\w+):.*\n((?:(?!\.L)[^\n]*\n)*?\s+(?:b\.\w+|cbn?z|tbn?z)\s[^\n]*\1)\n", body, re.MULTILINE
    )
    inner = max((loop for _, loop in loops), key=lambda loop: loop.count("fmla"))
    multiply_adds = re.findall(r"fmla\s+v\d+\.(\w+)", inner)
    assert set(multiply_adds) == {TILE_LANES[dtype]}
    assert sums is None or len(multiply_adds) == sums
    assert not re.search(r"\bq\d+, \[sp", inner)  # no vector is spilled


def test_the_workers_of_the_pool_are_compiled_quickly_with_what_the_processor_has() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(opt=QUICK, reloc="pic")
    text = machine.emit_assembly(llvm.parse_assembly(team_text(machine.triple, str(machine.target_data))))
    called = set(re.findall(r"\bbl\s+(\w+)", text)) - set(re.findall(r"^(\w+):", text, re.MULTILINE))
    assert all(name.startswith(("pthread_", "sched_", "clock_", "mem")) for name in called), called
    assert "stlxr" in text  # the claiming of a chunk
