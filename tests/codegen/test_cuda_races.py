"""Races in CUDA C, searched for by ThreadSanitizer, to which each CUDA thread of a launch is a thread.

What orders two of them is a barrier or a shuffle of their block, and nothing else: threads of different blocks are as
free of each other as those of one. So a race is found in whichever order the threads have run.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lucid.codegen.cuda.simulator.library import compiler
from tests.codegen.cuda_graphs import EVERY_KIND, KINDS, kinds, module_of
from tests.codegen.simulated import need_compiler, on_grid

FOLDER = Path(__file__).parent
RACE = 66  # the exit status that ThreadSanitizer is asked for
BLOCKS = 8  # of a launch at most

_TILES = r"__syncthreads\(\);  // the tiles are written, and those before them have been read"
_READ = r"__syncwarp\(mask\);  // all lanes have read what one may overwrite"
# What is replaced in the text of a graph, by its place in a pattern, and by what.
PLANTED = (
    *((name, _TILES, "") for name in ("product", "transposed", "epilogue", "prologue", "update", "scan_of_products")),
    *((name, _TILES, "") for name in ("gathered", "gathered_epilogue", "gathered_prologue")),
    *((name, r"which \^= 1;", "") for name in ("product", "epilogue", "prologue", "update")),
    *((name, r"which \^= 1;", "") for name in ("gathered", "gathered_epilogue", "gathered_prologue")),
    ("product", r"column0 = blockIdx\.x % across \* 64", "column0 = blockIdx.x % across * 32"),  # of two blocks
    ("epilogue", r"s = column0 \+ own_column \+ j", "s = column0 + own_column / 2 + j"),
    ("epilogue", r"b4\[70 \* i1 \+ i2\] =", "b4[70 * i1 + i2 % 64] ="),  # of two blocks
    ("prologue", r"r = row0 \+ own_row \+ i", "r = row0 + own_row / 2 + i"),
    ("update", r"= b2\[5 \* i1 \+ i2\];", "= b2[5 * i1 + (i2 + 4) % 5];"),  # reads what another thread writes
    ("gathered_epilogue", r"const int i0 = element / 4;", "const int i0 = element / 8;"),
    ("dots", r"if \(lane == 0\) c", "c"),
    ("dots", r"blockDim\.x \+ threadIdx\.x\) / 16", "blockDim.x + threadIdx.x) / 32"),
    ("scatter", r"i3 = begin; i3 < end", "i3 = begin; i3 <= end"),
    ("scatter", r"begin <= i3 && i3 < end", "i3 < end"),
    ("sort", r"__syncthreads\(\);  // all pairs at this distance are in order", ""),
    ("sort", r"__syncthreads\(\);  // the run is there", ""),
    ("sort", r" \+ \(low - others\)\] = position", "] = position"),
    ("sort", r"\bb2\[row \+ pair", "((long long*)b1)[row + pair"),  # merges in place
    ("sums", r"b1\[i0\] = v1;", "b1[i0 / 2] = v1;"),
    ("row_of_one", rf"{_READ}\n        if \(lane == 0\)", ""),
    ("in_place", _READ, ""),
    ("softmax_in_one", r"(for \(int \w+ = )lane(; \w+ < 50; \w+ \+= )16", r"\g<1>lane / 2\g<2>8"),
    ("rows", r"__syncthreads\(\);  // the terms are there, and those before them have been added up", ""),
    ("rows", r"which \^= 1;", ""),
    ("rows", r"__syncthreads\(\);  // the results are there, and all threads have read what one may overwrite", ""),
    ("rows", r"first = blockIdx\.x;", "first = blockIdx.x / 2;"),  # two blocks take the same row
    ("quads", r"\(\(float4\*\)\(b2 \+ 4 \* i0\)\)", "((float4*)(b2 + 4 * (i0 / 2)))"),
    ("quads", r"\(\(const double2\*\)\(b0 \+ 4 \* i0\)\)", "((const double2*)(b0 + 4 * (i0 ^ 1)))"),  # another quad
    ("quads", r"const int step = gridDim\.x \* blockDim\.x;", "const int step = blockDim.x;"),
    ("draws", r"\bb5\[4 \* i0 \+ i1\] =", "b5[3 * i0 + i1] ="),
    ("adam", r"first = blockIdx\.x \* blockDim\.x \+ threadIdx\.x", "first = threadIdx.x"),
    ("check", r"first = blockIdx\.x \* blockDim\.x \+ threadIdx\.x", "first = threadIdx.x"),
    ("scan", r"\(b0 \+ 4 \* i0\)", "(b0 + 4 * ((i0 + 1) % 10))"),  # a carry, which is written in place
)
CASES = (*((name, "", "") for name in EVERY_KIND), *PLANTED)


def shared_by_block(text: str) -> str:
    """CUDA C whose shared memory is an array, of which each block has an element."""
    declaration = r"__shared__ (.*?)(\w+)((?:\[\d+\])*);"
    own = r"static \1\2_of_blocks[BLOCKS]\3; auto &\2 = \2_of_blocks[blockIdx.y * gridDim.x + blockIdx.x];"
    found, count = re.subn(declaration, own, text)
    assert count == text.count("__shared__")
    return found


def case(number: int) -> str:
    """A C++ function that launches the kernels of a graph on zeros, with something replaced in its CUDA C.

    Loop nests run in three blocks. What is in the arena lies there, where one value may overwrite another.
    """
    name, old, new = CASES[number]
    module = module_of(EVERY_KIND[name], f"g{number}_")
    plan = on_grid(module.plan, 3, 32)
    text, count = re.subn(old, new, module.text) if old else (module.text, 1)
    assert count, f"{old} is not in the text of {name}"
    offset, offsets = plan.arena, [stretch.offset for stretch in plan.stretches]
    slots = []
    for type in plan.slot_types():
        slots.append(offset := -(-offset // 64) * 64)
        offset += type.nbytes
    elements = plan.status - plan.slots - len(plan.stretches)
    status = -(-offset // 64) * 64
    places = [*slots, *offsets, *[0] * elements, status]
    lines = [f"    alignas(64) static char memory[{status + 64}];\n"]
    for launch in plan.launches(places):
        pointers = (
            f"(decltype(argument<{n}>({launch.function})))(memory + {places[b]})" for n, b in enumerate(launch.buffers)
        )
        arguments = ", ".join([*pointers, *map(str, launch.scalars)])
        x, y = launch.blocks
        assert x * y <= BLOCKS, name
        lines.append(f"    launch({x}, {y}, {launch.threads}, [] {{ {launch.function}({arguments}); }});\n")
    return f"{shared_by_block(text)}\nstatic void case_{number}() {{\n{''.join(lines)}}}\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that runs the case whose number it is given."""
    need_compiler()
    folder = tmp_path_factory.mktemp("races")
    types = "template <int n, class... A> std::tuple_element_t<n, std::tuple<A...>> argument(void (*)(A...));\n"
    cases = "".join(map(case, range(len(CASES))))
    table = ", ".join(f"case_{number}" for number in range(len(CASES)))
    main = f"int main(int, char **words) {{ void (*cases[])() = {{{table}}}; cases[atoi(words[1])](); }}\n"
    head = f'#include "{FOLDER / "cuda_threads.h"}"\n#include <stdlib.h>\n#include <tuple>\n'
    (folder / "race.cpp").write_text(f"{head}static const int BLOCKS = {BLOCKS};\n{types}{cases}{main}")
    common = [compiler(), "-std=c++17", "-O1", "-g1", "-w"]
    for options in (
        ["-c", "-o", "scheduler.o", str(FOLDER / "cuda_threads.cpp")],
        ["-fsanitize=thread", "-o", "race", "race.cpp", "scheduler.o"],
    ):
        built = subprocess.run([*common, *options], cwd=folder, capture_output=True, text=True, check=False)
        if built.returncode and "tsan" in built.stderr:
            pytest.skip("the C++ compiler has no ThreadSanitizer")
        assert not built.returncode, built.stderr
    return folder / "race"


def race_in(program: Path, number: int) -> str:
    """What ThreadSanitizer says of a case: nothing without a race. The test is skipped where it does not run."""
    options = {"TSAN_OPTIONS": f"exitcode={RACE} halt_on_error=1"}
    run = subprocess.run([program, str(number)], env=options, capture_output=True, text=True, check=False)
    if "FATAL: ThreadSanitizer" in run.stderr:  # in words that depend on the release
        pytest.skip("ThreadSanitizer does not run in the address space that this system gives")
    assert run.returncode in (0, RACE), run.stderr
    assert (run.returncode == RACE) == ("data race" in run.stderr), run.stderr
    return run.stderr


def test_functions_of_all_kinds_are_searched() -> None:
    assert {kind for name in EVERY_KIND for kind in kinds(module_of(EVERY_KIND[name]))} == set(KINDS)


@pytest.mark.parametrize("name", EVERY_KIND)
def test_there_are_no_races(name: str, program: Path) -> None:
    assert not race_in(program, list(EVERY_KIND).index(name))


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=[f"{name}-{old}" for name, old, _ in PLANTED])
def test_planted_races_are_found(number: int, program: Path) -> None:
    assert race_in(program, len(EVERY_KIND) + number)
