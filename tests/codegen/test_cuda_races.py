"""Races in CUDA C, searched for by ThreadSanitizer: each CUDA thread of a block is a thread of the system.

Threads of different blocks are not told apart that way; the orders of the simulator look after those.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.simulator.library import compiler
from lucid.ir.text import parse
from tests.codegen.cuda_graphs import OTHERS
from tests.codegen.simulated import need_compiler

HEADER = Path(__file__).with_name("cuda_threads.h")
RACE = 66  # the exit status that ThreadSanitizer is asked for

TEXTS = {
    "product": "graph(%x: f32[3, 20], %y: f32[20, 5]) { %z: f32[3, 5] = matmul %x, %y, chunk=12; return %z }",
    "transposed": "graph(%x: f64[20, 3], %y: f64[5, 20]) "
    "{ %z: f64[3, 5] = matmul %x, %y, transpose_a=true, transpose_b=true, chunk=20; return %z }",
    "gathered": """graph(%x: f32[2, 3, 5], %w: f32[4, 3, 3]) {
  %y = convolution %x, %w, stride=(1,), dilation=(1,), low=(1,), high=(1,), groups=1, chunk=2; return %y }""",
    "lanes": "graph(%x: f32[3, 40], %y: f32[2, 40]) "
    "{ %z: f32[3, 2] = matmul %x, %y, transpose_b=true, chunk=40, lanes=16; return %z }",
    "sums": "graph(%x: f32[7, 50], %b: bool[40, 5]) { %y = sum %x, axes=(1,), lanes=16; "
    "%i: i64[40] = first_false %b, axes=(1,), lanes=4; %z = sum %x, axes=(0,); return %y, %i, %z }",
    "sort": "graph(%x: f32[2, 40]) { %i: i64[2, 40] = argsort %x; return %i }",
    "row_of_one": OTHERS["row_of_one"],
    "in_place": """graph(%x: f32[40, 1]) {
  %y: f32[40, 1] = neg %x
  %z: f32[40, 1], %s: f32[40] = fused %y @body(%a: f32[40, 1]) {
    %d: f32[40, 1] = exp %a; %t: f32[40] = sum %d, axes=(1,), lanes=2; return %d, %t
  }
  %r: f32[40, 1] = neg %z; return %r, %s
}""",
    "softmax_in_one": OTHERS["softmax_in_one"],
    "rows": OTHERS["softmax_of_blocks"].replace("[3, 2500]", "[1, 2100]").replace("[3", "[1"),
}
PLANTED = (
    ("product", "__syncthreads();  // the tiles are written, and those before them have been read", ""),
    ("product", "which ^= 1;", ""),
    ("gathered", "which ^= 1;", ""),
    ("sort", "__syncthreads();  // all pairs at this distance are in order", ""),
    ("sort", "__syncthreads();  // the run is there", ""),
    ("row_of_one", "__syncwarp(mask);  // all lanes have read what one may overwrite\n        if (lane == 0)", ""),
    ("in_place", "__syncwarp(mask);  // all lanes have read what one may overwrite", ""),
    ("sums", "b1[i0] = v1;", "b1[i0 / 2] = v1;"),
    ("rows", "__syncthreads();  // the terms are there, and those before them have been added up", ""),
    ("rows", "which ^= 1;", ""),
    (
        "rows",
        "__syncthreads();  // the results are there, and all threads have read what one may overwrite",
        "",
    ),
)
CASES = (*((name, "", "") for name in TEXTS), *PLANTED)


def case(number: int) -> str:
    """A C++ function that launches the kernels of a graph on zeros, with something replaced in its CUDA C."""
    name, old, new = CASES[number]
    module = write_module(parse(TEXTS[name]), f"g{number}_")
    assert not old or old in module.text
    sizes = [type.nbytes for type in module.plan.slot_types()] + [stretch.size for stretch in module.plan.stretches]
    lines = [f"    static double s{storage}[{size // 8 + 1}];\n" for storage, size in enumerate(sizes)]
    for launch in module.plan.launches([]):
        pointers = [f"(decltype(argument<{n}>({launch.function})))s{b}" for n, b in enumerate(launch.buffers)]
        arguments = ", ".join([*pointers, *map(str, launch.scalars)])
        x, y = launch.blocks
        lines.append(f"    launch({x}, {y}, {launch.threads}, [] {{ {launch.function}({arguments}); }});\n")
    text = module.text.replace(old, new) if old else module.text
    return f"{text}\nstatic void case_{number}() {{\n{''.join(lines)}}}\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that runs the case whose number it is given."""
    need_compiler()
    folder = tmp_path_factory.mktemp("races")
    types = "template <int n, class... A> std::tuple_element_t<n, std::tuple<A...>> argument(void (*)(A...));\n"
    cases = "".join(map(case, range(len(CASES))))
    table = ", ".join(f"case_{number}" for number in range(len(CASES)))
    main = f"int main(int, char **words) {{ void (*cases[])() = {{{table}}}; cases[atoi(words[1])](); }}\n"
    (folder / "race.cpp").write_text(f'#include "{HEADER}"\n#include <tuple>\n{types}{cases}{main}')
    command = [compiler(), "-std=c++17", "-O1", "-g1", "-w", "-fsanitize=thread", "-pthread", "-o", "race", "race.cpp"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if built.returncode and "tsan" in built.stderr:
        pytest.skip("the C++ compiler has no ThreadSanitizer")
    assert not built.returncode, built.stderr
    return folder / "race"


def has_race(program: Path, number: int) -> bool:
    """What ThreadSanitizer says of a case; the test is skipped where it does not run."""
    options = {"TSAN_OPTIONS": f"exitcode={RACE}"}
    run = subprocess.run([program, str(number)], env=options, capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in run.stderr:
        pytest.skip("ThreadSanitizer does not run in the address space that this system gives")
    assert run.returncode in (0, RACE), run.stderr
    return run.returncode == RACE


@pytest.mark.parametrize("name", TEXTS)
def test_there_are_no_races(name: str, program: Path) -> None:
    assert not has_race(program, list(TEXTS).index(name))


@pytest.mark.parametrize("number", range(len(PLANTED)))
def test_planted_races_are_found(number: int, program: Path) -> None:
    # A race shows where its threads run side by side, which a busy machine does not grant at once.
    assert any(has_race(program, len(TEXTS) + number) for _ in range(20))
