"""Every CUDA function that the tests have written, as NVRTC compiles it: so these tests come behind all others."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import pytest

from lucid.codegen.cuda.functions import LoopNest
from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.nvrtc import Cubin, Figures
from lucid.codegen.lowering import lower
from lucid.ir.text import parse
from tests.codegen.nvrtc import ARCHITECTURES, compile_with_nvrtc
from tests.codegen.simulated import COMPILERS, PER_LIBRARY
from tests.codegen.test_cuda_programs import graphs
from tests.codegen.written import Written, written

SHARED = 48 << 10  # bytes that a block has without asking
REGISTERS = 1 << 16  # of a multiprocessor
THREADS = 256  # of a block, where the function does not say
BOUNDS = re.compile(r"__launch_bounds__\((\d+)")


@cache
def compiled() -> list[tuple[str, list[Written], Cubin]]:
    """What the tests have written so far, and every op and program, for each architecture: the architecture, some
    functions, and what NVRTC makes of them."""
    for graph in graphs():
        write_module(graph)
    functions = list(written())
    parts = [functions[start : start + PER_LIBRARY] for start in range(0, len(functions), PER_LIBRARY)]
    jobs = [(architecture, part) for architecture in ARCHITECTURES for part in parts]
    compile_with_nvrtc("", ARCHITECTURES[0])
    with ThreadPoolExecutor(COMPILERS) as pool:

        def of_part(job: tuple[str, list[Written]]) -> tuple[str, list[Written], Cubin]:
            architecture, part = job
            return architecture, part, compile_with_nvrtc("\n".join(one.text for one in part), architecture)

        return list(pool.map(of_part, jobs))


def figures() -> dict[str, dict[str, Figures]]:
    """What NVRTC says of each of these functions, by architecture."""
    result: dict[str, dict[str, Figures]] = {architecture: {} for architecture in ARCHITECTURES}
    for architecture, _, cubin in compiled():
        result[architecture] |= cubin.figures
    return result


def excess(text: str, found: Figures) -> list[str]:
    """What a function takes that it must not."""
    bounds = BOUNDS.search(text)
    threads = int(bounds[1]) if bounds else THREADS
    limits = {
        "bytes that are spilled": (found.spilled, 0),
        "bytes of arrays in memory": (found.stack, 0),
        "bytes of shared memory": (found.shared, SHARED),
        "registers of a block": (found.registers * threads, REGISTERS),
    }
    return [f"{taken} {what}" for what, (taken, most) in limits.items() if taken > most]


@pytest.mark.slow
@pytest.mark.last
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_every_function_within_its_limits(architecture: str) -> None:
    faults = []
    for compiled_for, part, cubin in compiled():
        if compiled_for == architecture:
            assert set(cubin.figures) == {function.name for function in part}
            faults += [
                (function.test, function.text, wrong)
                for function in part
                if (wrong := excess(function.text, cubin.figures[function.name]))
            ]
    assert faults == []


# What must be found.

LINES = [f"float x{n} = a[{n} * threadIdx.x];" for n in range(300)]
LINES += [f"a[{n} + threadIdx.x] = x{n} * x{(n * 7) % 300};" for n in range(300)]
SPILLING = f'extern "C" __global__ void __launch_bounds__(1024) f(float* a) {{ {" ".join(LINES)} }}'
INDEXED = 'extern "C" __global__ void f(int* a) { int b[50]; for (int i = 0; i < 99; ++i) b[a[i]] = i; *a = b[*a]; }'
SHARING = """extern "C" __global__ void f(float* a) {
    __shared__ float s[%d];
    s[threadIdx.x] = a[0];
    a[1] = s[2];
}"""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_a_function_must_not_take_is_noticed(architecture: str) -> None:
    def found(text: str) -> list[str]:
        return [re.sub(r"\d+ ", "", wrong) for wrong in excess(text, figures_of(text, architecture))]

    assert "bytes that are spilled" in found(SPILLING)
    assert found(INDEXED) == ["bytes of arrays in memory"]
    assert found(SHARING % 12288) == []
    assert found(SHARING % 12289) == ["bytes of shared memory"]


def figures_of(text: str, architecture: str) -> Figures:
    return compile_with_nvrtc(text, architecture).figures["f"]


def test_what_any_test_writes_is_kept_once_without_its_name() -> None:
    text = "graph(%x: f32[3, 12345]) { %y = neg %x; return %y }"
    before = set(written())
    write_module(parse(text), "one_")
    (kept,) = set(written()) - before
    assert kept.test.startswith("tests/codegen/test_cuda_every_function.py::test_what_any_test_writes")
    assert f"void {kept.name}(" in kept.text
    write_module(parse(text), "two_")
    LoopNest(lower(parse(text).nodes[0])).text("three", False, None)
    assert set(written()) - before == {kept}
