"""What the machine code for a GPU is made of, read where NVIDIA's disassembler is installed: what NVRTC says of floats
in PTX (`test_cuda_ptx.py`) still holds where its assembler has been through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from lucid.ir.text import parse
from tests.codegen.cuda_graphs import fused
from tests.codegen.nvdisasm import instructions
from tests.codegen.nvrtc import compile_with_nvrtc
from tests.codegen.test_cuda_every_function import compiled

FUSED = re.compile(r"\bfmaf?\(")
# A quotient or root of floats is a sequence of approximations, fused multiply-adds and a last rounding.
CORRECTED = re.compile(r"\b(?:float|double) \w+ = [^;?]* / |\bsqrtf?\(")
FUSED_INSTRUCTION = re.compile(r"[FD]FMA\b")
FLUSHING = re.compile(r"F(?:ADD|MUL|FMA|MNMX|SETP?)\b.*\.FTZ")
LOCAL = re.compile(r"(?:LDL|STL)\b")  # a thread's own memory: spilled registers, and arrays
APPROXIMATE = re.compile(r"MUFU\.(?:EX2|LG2|SIN|COS|TANH|SQRT)")


def faults(code: str, found: list[str]) -> Iterator[str]:
    """What is wrong with the instructions of a function, beside its CUDA C."""
    if any(map(LOCAL.match, found)):
        yield "memory of a thread's own"
    if any(map(APPROXIMATE.match, found)):
        yield "approximations"
    corrects = bool(CORRECTED.search(code))
    if any(map(FUSED_INSTRUCTION.match, found)) and not FUSED.search(code) and not corrects:
        yield "fused multiply-adds that the source does not have"
    if any(map(FLUSHING.match, found)) and not corrects:
        yield "subnormal numbers that become 0"


@pytest.mark.slow
@pytest.mark.last
@pytest.mark.parametrize(("architecture", "first"), [("sm_80", 0), ("sm_90", 1)])  # sm_70 has left the disassembler
def test_floats_are_computed_as_the_source_says(architecture: str, first: int) -> None:
    """Of a third of all functions: to read them all would take as long as to compile them for another architecture."""
    parts = [(part, cubin) for compiled_for, part, cubin in compiled() if compiled_for == architecture][first::3]
    for part, cubin in parts:
        found = instructions(cubin.image)
        assert [(one, wrong) for one in part if (wrong := list(faults(one.text, found[one.name])))] == []
    assert sum(len(part) for part, _ in parts) > 100


PRODUCT_AND_SUM = "graph(%x: f32[3], %y: f32[3], %z: f32[3]) { %p = mul %x, %y; %s = add %p, %z; return %s }"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("--fmad=false", "--fmad=true", "fused multiply-adds that the source does not have"),
        ("--ftz=false", "--ftz=true", "subnormal numbers that become 0"),
    ],
)
def test_other_options_are_noticed(old: str, new: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_module(fused(PRODUCT_AND_SUM)).text
    options = tuple(option.replace(old, new) for option in NVRTC_OPTIONS)
    assert options != NVRTC_OPTIONS
    monkeypatch.setattr("lucid.codegen.cuda.nvrtc.NVRTC_OPTIONS", options)
    (found,) = instructions(compile_with_nvrtc(text, "sm_80").image).values()
    assert list(faults(text, found)) == [fault]


def test_spills_are_noticed() -> None:
    lines = [f"float x{n} = a[{n} * threadIdx.x];" for n in range(300)]
    lines += [f"a[{n} + threadIdx.x] = x{n} * x{(n * 7) % 300};" for n in range(300)]
    text = f'extern "C" __global__ void __launch_bounds__(1024) many(float* a) {{ {" ".join(lines)} }}'
    found = instructions(compile_with_nvrtc(text, "sm_80").image)["many"]
    assert list(faults(text, found)) == ["memory of a thread's own"]


def test_the_inner_loop_of_a_product_is_what_the_page_says() -> None:
    """64 multiply-adds beside 8 loads of four numbers: the longest run of instructions without a branch."""
    text = "graph(%x: f32[300, 300], %y: f32[300, 300]) { %z = matmul %x, %y, chunk=300; return %z }"
    (found,) = instructions(compile_with_nvrtc(write_module(parse(text)).text, "sm_80").image).values()
    runs = " ".join(found).split(" BRA")
    loop = Counter(max(runs, key=lambda run: run.count("FFMA")).split())
    assert (loop["FFMA"], loop["LDS.128"]) == (64, 8)
    # Of a tile of both factors, by a thread, and of its 16 elements of the result: four at once, or singly. It stores
    # sums of the first chunk in one place, and those that others are added to in another.
    memory = Counter(name for name in found if name.startswith(("LDG", "STG")))
    assert memory == {"LDG.E.128": 2 + 4, "LDG.E": 8 + 16, "STG.E.128": 2 * 4, "STG.E": 2 * 16}
